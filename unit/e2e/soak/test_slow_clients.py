"""The slow clients of a soak: as many as asked for, whatever the limit of open files."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

from e2e.conformance.paths import CHECKOUT
from e2e.soak.slow_clients import SlowClients, split_clients

# Connects more clients than a process may open files, and prints how many have connected.
CONNECT_BEYOND_LIMIT = """
import resource, sys
from e2e.soak.slow_clients import SlowClients
resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))
with SlowClients(sys.argv[1], 120) as clients:
    clients.wait_until_connected(60)
    print(clients.connected)
"""


@pytest.mark.parametrize(
    ("count", "limit", "shares"),
    [
        (5_000, 20_000, [5_000]),
        (5_000, 4_000, [2_500, 2_500]),
        (5_000, 1_024, [834, 834, 833, 833, 833, 833]),
        (1, 4_000, [1]),
        (3, 2, [1, 1, 1]),
        (25_000, None, [8_334, 8_333, 8_333]),
    ],
)
def test_no_process_has_more_clients_than_files(count: int, limit: int | None, shares: list[int]) -> None:
    assert split_clients(count, limit) == shares


def test_more_clients_connect_than_a_process_may_open_files() -> None:
    # The system accepts them, up to a backlog that is nowhere less than 128.
    with socket.create_server(("127.0.0.1", 0), backlog=125) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        done = subprocess.run(
            [sys.executable, "-c", CONNECT_BEYOND_LIMIT, url],
            cwd=CHECKOUT,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    assert done.stdout.split() == ["120"]


def test_clients_that_cannot_connect_are_noticed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    with SlowClients(url, 3) as clients:
        assert not clients.wait_until_connected(0.5)
        assert clients.connected == 0
