"""Ten thousand bad requests to a server process: none makes it fail, and it works afterwards."""

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

from reference_server.api.openapi import SCHEMAS, build_document
from unit.support.bad_inputs import BadRequest, build_strategy, generate_bad_requests
from unit.support.command import Command
from unit.support.samples import make_record, write_configuration

EXAMPLES = 250
REQUESTS_AN_EXAMPLE = 40
RESPONSE_TIMEOUT_SECONDS = 20
SHORT_TIMEOUT_SECONDS = 0.2
NO_RESPONSE = 0

SETTINGS = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    phases=[Phase.generate],  # an example from a seed cannot be shrunk
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


class FuzzClient:
    """Sends requests to a server, over one connection while it is open, and counts the statuses."""

    def __init__(self, url: str) -> None:
        parts = URL(url)
        assert parts.host
        assert parts.port
        self._address = parts.host, parts.port
        self._connection: socket.socket | None = None
        self.statuses: Counter[int] = Counter()

    def send(self, request: BadRequest) -> int:
        """Send a request and return the status of its response, or NO_RESPONSE.

        An incomplete request may leave the server waiting for more data, so its timeout is short.
        """
        if not request.is_complete:
            self.close()
        if self._connection is None:
            self._connection = socket.create_connection(self._address)
        self._connection.settimeout(
            RESPONSE_TIMEOUT_SECONDS if request.is_complete else SHORT_TIMEOUT_SECONDS
        )
        status = NO_RESPONSE
        with suppress(
            BrokenPipeError, ConnectionResetError, *([] if request.is_complete else [TimeoutError])
        ):
            self._connection.sendall(request.data)
            status = self._read_status(self._connection, request.is_complete)
        if status == NO_RESPONSE or not request.is_complete:
            self.close()
        self.statuses[status] += 1
        return status

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _read_status(self, connection: socket.socket, read_body: bool) -> int:
        response = http.client.HTTPResponse(connection)
        try:
            response.begin()
            if read_body:
                response.read()
            if response.will_close:
                self.close()
            return response.status
        except http.client.HTTPException:
            return NO_RESPONSE
        finally:
            response.close()


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    """Return a server with telemetry enabled and an empty store."""
    folder = tmp_path_factory.mktemp("server")
    config = write_configuration(folder / "configuration.json")
    command = Command("--config", config, "--database", folder / "records.db", "--max-body", 2_000_000)
    yield command
    command.kill()


@pytest.mark.timeout(300)
def test_bad_requests_do_not_make_the_server_fail(command: Command) -> None:
    client = FuzzClient(command.url)

    @SETTINGS
    @given(build_strategy(SCHEMAS["Batch"], build_document("")), st.integers(0, 2**64))
    def attack(batch: Any, seed: int) -> None:
        for request in generate_bad_requests(batch, seed, REQUESTS_AN_EXAMPLE):
            status = client.send(request)
            assert status < 500, request.data[:2_000]

    attack()
    client.close()
    statuses = client.statuses
    assert statuses.total() >= EXAMPLES * REQUESTS_AN_EXAMPLE
    # The requests reach each of these checks: the first check does not refuse all of them.
    assert {200, 400, 403, 404, 405, 415, 422} <= statuses.keys(), statuses
    assert command.post(make_record()) == 200
    _, log = command.stop(signal.SIGTERM)
    assert "unexpected failure" not in log
    assert "Traceback" not in log
