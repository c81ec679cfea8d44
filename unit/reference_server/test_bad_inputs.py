"""Ten thousand bad requests to a real server: none makes it fail, and it serves as before afterwards."""

import http.client
import signal
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from yarl import URL

from reference_server.api.openapi import SCHEMAS, document
from unit.support.bad_inputs import BadRequest, bad_requests, documents
from unit.support.command import Command
from unit.support.samples import record, write_configuration

EXAMPLES = 250
REQUESTS_AN_EXAMPLE = 40
ANSWER_TIMEOUT_SECONDS = 20
PATIENCE_SECONDS = 0.2
NO_ANSWER = 0

SETTINGS = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    phases=[Phase.generate],  # what a seed gives cannot be shrunk
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


class Attacker:
    """Sends requests to a server, over one connection for as long as it lasts, and counts the answers."""

    def __init__(self, url: str) -> None:
        parts = URL(url)
        assert parts.host
        assert parts.port
        self._address = parts.host, parts.port
        self._connection: socket.socket | None = None
        self.statuses: Counter[int] = Counter()

    def send(self, request: BadRequest) -> int:
        """Send a request and give the status of its answer, NO_ANSWER where none came.

        One that is not whole may leave the server waiting for more: it is not waited for long.
        """
        if not request.is_whole:
            self.close()
        if self._connection is None:
            self._connection = socket.create_connection(self._address)
        self._connection.settimeout(ANSWER_TIMEOUT_SECONDS if request.is_whole else PATIENCE_SECONDS)
        status = NO_ANSWER
        with suppress(BrokenPipeError, ConnectionResetError, *([] if request.is_whole else [TimeoutError])):
            self._connection.sendall(request.data)
            status = self._read_status(self._connection, request.is_whole)
        if status == NO_ANSWER or not request.is_whole:
            self.close()
        self.statuses[status] += 1
        return status

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _read_status(self, connection: socket.socket, to_the_end: bool) -> int:
        answer = http.client.HTTPResponse(connection)
        try:
            answer.begin()
            if to_the_end:
                answer.read()
            if answer.will_close:
                self.close()
            return answer.status
        except http.client.HTTPException:
            return NO_ANSWER
        finally:
            answer.close()


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    """Give a server that is enabled, with an empty store."""
    folder = tmp_path_factory.mktemp("server")
    config = write_configuration(folder / "configuration.json")
    command = Command("--config", config, "--database", folder / "records.db", "--max-body", 2_000_000)
    yield command
    command.kill()


@pytest.mark.timeout(300)
def test_no_bad_request_makes_the_server_fail(command: Command) -> None:
    attacker = Attacker(command.url)

    @SETTINGS
    @given(documents(SCHEMAS["Batch"], document("")), st.integers(0, 2**64))
    def attack(batch: Any, seed: int) -> None:
        for request in bad_requests(batch, seed, REQUESTS_AN_EXAMPLE):
            status = attacker.send(request)
            assert status < 500, request.data[:2_000]

    attack()
    attacker.close()
    statuses = attacker.statuses
    assert statuses.total() >= EXAMPLES * REQUESTS_AN_EXAMPLE
    # The inputs came as far as each of these: not all of them were turned away at the door.
    assert {200, 400, 403, 404, 405, 415, 422} <= statuses.keys(), statuses
    assert command.post(record()) == 200
    _, log = command.end(signal.SIGTERM)
    assert "unexpected failure" not in log
    assert "Traceback" not in log
