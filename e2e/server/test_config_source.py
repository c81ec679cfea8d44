"""The URL that the server fetches its configuration from: one request for many workers, and its failure.

Not covered: how long the server caches a configuration, which is hours. The server's own tests check that.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

import pytest

from e2e.conformance.case import FindingError, Level, case
from e2e.server.driver.assertions import (
    expect_accepts_record,
    expect_config_values,
    expect_disabled,
    expect_unknown,
    is_deferred,
    read_config_values,
)
from e2e.server.driver.http_client import RESPONSE_TIMEOUT_SECONDS
from e2e.server.driver.system import DISABLED_VALUES, ENABLED, StartServer

CONCURRENT_READERS = 20
MAX_WAIT_SECONDS = 10.0
LAST_VALUES = {**DISABLED_VALUES, "disable_ui_telemetry": False, "ui_rollout_percentage": 100}
FAILURES = (
    (503, json.dumps(ENABLED)),
    (404, ""),
    (200, ""),
    (200, "<!doctype html><title>Log in</title>"),
    (200, json.dumps(ENABLED)[:-1]),
    (200, '{"error": "rate limited"}'),
)
"""Responses that are no configuration: status and body."""

SILENCE = (200, "no response")

POLL_SECONDS = 0.01
"""How often the fake source checks whether it must stop."""


class _ConfigSource:
    """A fake configuration source that counts its requests."""

    def __init__(self) -> None:
        self.requests = 0
        self.status = 200
        self.body = json.dumps(ENABLED)
        self.may_respond = Event()
        self.may_respond.set()
        source = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                source.requests += 1
                source.may_respond.wait()
                body = source.body.encode()
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
    source.may_respond.set()
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
    Level.SHOULD,
    "While its configuration source fails, a server without a configuration defers requests: it stops no "
    "worker and enables nothing.",
    expected="503 with Retry-After for GET and POST, whatever the response contains",
    source="data safety: unknown is not disabled. MLflow's server falls back to disabled",
)
def test_failing_configuration_source_defers_requests(
    start_server: StartServer, source: _ConfigSource
) -> None:
    for status, body in FAILURES:
        source.status, source.body = status, body
        server = start_server(config=source.url)
        expect_unknown(server, f"a source that responds with {status} {body[:30]!r}")
        server.account()
        server.process.kill()


@case(
    "server/config/4/3",
    Level.SHOULD,
    "The last configuration holds while the source fails, even over a restart.",
    expected="the values from before, and success, for errors, other content and no response",
    source="data safety: unknown is not disabled",
)
def test_last_configuration_holds_while_source_fails(
    start_server: StartServer, source: _ConfigSource
) -> None:
    server = start_server(config=source.url)
    expect_accepts_record(server)
    for status, body in (*FAILURES, SILENCE):
        if (status, body) == SILENCE:
            source.may_respond.clear()
        source.status, source.body = status, body
        server.process.stop()
        server.restart()
        expect_config_values(server, LAST_VALUES, f"a source that responds with {status} {body!r}")
        expect_accepts_record(server)
    server.account()


@case(
    "server/config/4/4",
    Level.SHOULD,
    "The server uses a configuration that arrives late, and makes no request wait for it for long.",
    expected=f"503 within {MAX_WAIT_SECONDS} s while the source is silent, its values after it has responded",
    source="data safety: a source slower than the server's patience must not disable telemetry",
)
def test_late_configuration_is_used(start_server: StartServer, source: _ConfigSource) -> None:
    source.may_respond.clear()
    server = start_server(config=source.url)
    began = time.monotonic()
    expect_unknown(server, "a source that is silent")
    if time.monotonic() - began > MAX_WAIT_SECONDS:
        raise FindingError(f"responses within {MAX_WAIT_SECONDS} s", f"{time.monotonic() - began:.1f} s")
    source.may_respond.set()
    while is_deferred(response := server.get_config()):
        if time.monotonic() - began > RESPONSE_TIMEOUT_SECONDS:
            raise FindingError("the values of the source soon after it has responded", str(response))
    expect_config_values(server, LAST_VALUES, "a source that was slow")
    expect_accepts_record(server)
    server.account()


@case(
    "server/config/4/5",
    Level.SHOULD,
    "After an opt-out in its environment the server does not contact its configuration source.",
    expected="0 fetches; disabled for GET and POST",
    source="MLflow's server; privacy: whoever opts out sends nothing",
)
def test_opt_out_in_environment_fetches_nothing(start_server: StartServer, source: _ConfigSource) -> None:
    for variable in ("DO_NOT_TRACK", "MLFLOW_DISABLE_TELEMETRY", "CI"):
        server = start_server(config=source.url, environ={variable: "true"})
        expect_disabled(server, f"{variable}=true")
        server.account()
    if source.requests:
        raise FindingError("0 fetches", f"{source.requests} fetches")
