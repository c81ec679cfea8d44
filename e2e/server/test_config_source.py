"""The URL that the server fetches its configuration from: one request for many workers, and its failure.

Not covered: how long the server caches a configuration, which is hours. The server's own tests check that.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from e2e.conformance.case import FindingError, Level, case
from e2e.server.driver.assertions import expect_config_values, expect_disabled, read_config_values
from e2e.server.driver.system import DISABLED_VALUES, ENABLED, StartServer

CONCURRENT_READERS = 20
POLL_SECONDS = 0.01
"""How often the fake source checks whether it must stop."""


class _ConfigSource:
    """A fake configuration source that counts its requests."""

    def __init__(self) -> None:
        self.requests = 0
        self.status = 200
        source = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                source.requests += 1
                body = json.dumps(ENABLED).encode()
                self.send_response(source.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/config.json"


@pytest.fixture
def source() -> Iterator[_ConfigSource]:
    """Run a fake configuration source."""
    source = _ConfigSource()
    thread = Thread(target=source.server.serve_forever, args=(POLL_SECONDS,))
    thread.start()
    yield source
    source.server.shutdown()
    thread.join()
    source.server.server_close()


@case(
    "server/config/4/1",
    Level.SHOULD,
    "The server fetches its configuration once, however many workers request it at the same time.",
    expected=f"1 fetch for {CONCURRENT_READERS} workers at once and {CONCURRENT_READERS} batches",
    source="wire protocol, server's config: cached 3 h",
)
def test_configuration_is_fetched_once_for_many_workers(
    start_server: StartServer, source: _ConfigSource
) -> None:
    server = start_server(config=source.url)
    with ThreadPoolExecutor(CONCURRENT_READERS) as workers:
        responses = list(workers.map(lambda _: server.get_config(), range(CONCURRENT_READERS)))
    for response in responses:
        if read_config_values(response)["disable_ui_telemetry"] is not False:
            raise FindingError("the values of the source for every worker", str(response))
    for _ in range(CONCURRENT_READERS):
        server.post(server.new_record())
    if source.requests != 1:
        raise FindingError("1 fetch", f"{source.requests} fetches")
    server.account()


@case(
    "server/config/4/2",
    Level.MUST,
    "The server disables telemetry while its configuration source fails, whatever the response contains.",
    expected="disable_ui_telemetry true, [], 0; the response to batches is disabled",
    source="wire protocol, server's config: fallback",
)
def test_failing_configuration_source_disables_telemetry(
    start_server: StartServer, source: _ConfigSource
) -> None:
    source.status = 503
    server = start_server(config=source.url)
    expect_config_values(server, DISABLED_VALUES, "a source that responds with 503")
    expect_disabled(server, "a source that responds with 503")
    server.account()
