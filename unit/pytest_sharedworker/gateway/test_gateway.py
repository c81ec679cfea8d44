"""The gateway between real connections and a real server: what it forwards, and what it notes.

Toxics are in test_toxics_on_the_wire.py, routes in test_route_*.py.
"""

from __future__ import annotations

import gzip
import re
import socket
from urllib.parse import urlsplit

import pytest
from aiohttp import web
from multidict import CIMultiDict

from pytest_sharedworker.control.server import ControlServer
from pytest_sharedworker.errors import GatewayError
from pytest_sharedworker.gateway.gateway import Gateway
from pytest_sharedworker.integration.event_loop_thread import LoopThread
from unit.support.servers import Upstream, send

# --- forwarding -----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_request_reaches_the_server_unchanged(gateway: Gateway, upstream: Upstream, method: str) -> None:
    body = b"" if method == "GET" else bytes(range(256))
    send(gateway, f"{method} /api HTTP/1.1", "X-Own: 1", "X-Own: 2", "Cookie: a=b", body=body)
    [received] = upstream.received
    assert (received.method, received.raw_path, received.body) == (method, "/api", body)
    assert received.header("X-Own") == ["1", "2"]
    assert received.header("Cookie") == ["a=b"]


@pytest.mark.parametrize(
    "path",
    ["/a%2Fb/%7Ec", "/a//b/./c/../d", "/q?x=%41&y=a+b%20c&z=%FF&x=", "/%C3%BC?%c3%bc", "/a;b=c,d?'(!)*"],
)
def test_path_and_query_stay_byte_for_byte(gateway: Gateway, upstream: Upstream, path: str) -> None:
    send(gateway, f"GET {path} HTTP/1.1")
    assert upstream.received[0].raw_path == path


def test_server_sees_the_host_that_the_browser_sees(gateway: Gateway, upstream: Upstream) -> None:
    send(gateway)
    assert upstream.received[0].header("Host") == [gateway.url.removeprefix("http://")]


def test_hop_by_hop_headers_are_not_forwarded(gateway: Gateway, upstream: Upstream) -> None:
    send(gateway, "GET / HTTP/1.1", "Connection: keep-alive", "TE: trailers")
    assert upstream.received[0].header("TE") == []


def test_no_header_is_added_to_a_request(gateway: Gateway, upstream: Upstream) -> None:
    send(gateway, "POST / HTTP/1.1", body=b"x")
    assert {key.lower() for key, _ in upstream.received[0].headers} <= {
        b"host", b"accept", b"content-length", b"connection"
    }  # fmt: skip


def test_chunked_body_arrives_complete(gateway: Gateway, upstream: Upstream) -> None:
    # The client's own framing: the bytes behind the headers are two chunks and the end.
    chunks = "5\r\nfirst\r\n6\r\nsecond\r\n0\r\n"
    send(gateway, "POST / HTTP/1.1", "Transfer-Encoding: chunked", "", chunks)
    assert upstream.received[0].body == b"firstsecond"


def test_response_comes_back_unchanged(gateway: Gateway, upstream: Upstream) -> None:
    headers = CIMultiDict([("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("X-Own", "ü")])
    upstream.respond = lambda _: web.Response(status=418, body=bytes(range(256)), headers=headers)
    reply = send(gateway)
    assert (reply.status, reply.body) == (418, bytes(range(256)))
    assert reply.header("Set-Cookie") == ["a=1", "b=2"]
    assert reply.header("Content-Length") == ["256"]


def test_compressed_response_stays_compressed(gateway: Gateway, upstream: Upstream) -> None:
    packed = gzip.compress(b"text" * 100)
    upstream.respond = lambda _: web.Response(body=packed, headers={"Content-Encoding": "gzip"})
    reply = send(gateway, "GET / HTTP/1.1", "Accept-Encoding: gzip")
    assert reply.body == packed
    assert reply.header("Content-Encoding") == ["gzip"]


def test_redirect_is_left_to_the_browser(gateway: Gateway, upstream: Upstream) -> None:
    upstream.respond = lambda _: web.Response(status=302, headers={"Location": "/elsewhere"})
    reply = send(gateway)
    assert (reply.status, reply.header("Location")) == (302, ["/elsewhere"])
    assert len(upstream.received) == 1


@pytest.mark.parametrize("status", [204, 304])
def test_response_without_a_body_has_no_length(gateway: Gateway, upstream: Upstream, status: int) -> None:
    upstream.respond = lambda _: web.Response(status=status)
    reply = send(gateway)
    assert (reply.status, reply.body, reply.header("Content-Length")) == (status, b"", [])


def test_head_response_has_a_length_and_no_body(gateway: Gateway, upstream: Upstream) -> None:
    upstream.respond = lambda _: web.Response(body=b"x" * 37)
    reply = send(gateway, "HEAD / HTTP/1.1")
    assert (reply.status, reply.header("Content-Length"), reply.body) == (200, ["37"], b"")


def test_five_megabytes_pass_both_ways(gateway: Gateway, upstream: Upstream) -> None:
    body = bytes(range(256)) * (5 * 1024 * 4)
    upstream.respond = lambda _: web.Response(body=body)
    assert send(gateway, "POST / HTTP/1.1", body=body).body == body
    assert upstream.received[0].body == body


def test_client_that_leaves_during_a_response_is_not_logged(
    gateway: Gateway, upstream: Upstream, caplog: pytest.LogCaptureFixture
) -> None:
    upstream.respond = lambda _: web.Response(body=bytes(20_000_000))
    host, _, port = urlsplit(gateway.url).netloc.partition(":")
    with socket.create_connection((host, int(port))) as browser:
        browser.sendall(f"GET /large HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        assert browser.recv(12) == b"HTTP/1.1 200"
    gateway.journal.wait_for("GET /large")
    gateway._stop()  # What is to be logged has been logged then.
    assert [record.getMessage() for record in caplog.records] == []


def test_every_response_closes_its_connection(gateway: Gateway) -> None:
    # `send` reads to the end of the connection: otherwise it would time out.
    assert send(gateway, "GET / HTTP/1.1", "Connection: keep-alive").header("Connection") == ["close"]


def test_journal_has_request_and_response(gateway: Gateway, upstream: Upstream) -> None:
    upstream.respond = lambda _: web.json_response({"status": "success"}, status=201)
    send(gateway, "POST /api?x=1 HTTP/1.1", "Content-Type: application/json", body=b"{}")
    [exchange] = gateway.journal.wait_for("POST /api?x=1")
    assert (exchange.method, exchange.path, exchange.url) == ("POST", "/api?x=1", gateway.url + "/api?x=1")
    assert exchange.request_headers["Content-Type"] == "application/json"
    assert (exchange.request_body, exchange.json()) == (b"{}", {})
    assert (exchange.status, exchange.response_body) == (201, b'{"status": "success"}')
    assert (exchange.upstream_status, exchange.upstream_response_body) == (201, b'{"status": "success"}')
    assert exchange.ended_seconds is not None
    assert exchange.ended_seconds >= exchange.started_seconds


# --- trouble --------------------------------------------------------------------------------------


def test_port_in_use_is_an_error_with_advice(gateway: Gateway, lone_gateway: Gateway) -> None:
    port = int(gateway.url.rpartition(":")[2])
    with pytest.raises(GatewayError, match=rf"127\.0\.0\.1:{port} .*choose another port, or 0"):
        lone_gateway._start(port)


def test_dead_server_gives_a_502_that_names_it(
    gateway: Gateway, upstream: Upstream, sharedworker_loop: LoopThread
) -> None:
    sharedworker_loop.run(upstream.stop())
    reply = send(gateway, "GET /api HTTP/1.1")
    assert reply.status == 502
    assert f"cannot reach the server {upstream.url}" in reply.body.decode()
    [exchange] = gateway.journal.wait_for("/api")
    assert exchange.status == 502
    assert "cannot reach the server" in str(exchange)


def test_stop_is_idempotent(lone_gateway: Gateway) -> None:
    lone_gateway._stop()
    lone_gateway._start()
    lone_gateway._stop()
    lone_gateway._stop()


@pytest.mark.parametrize(
    ("origin", "suggestion"),
    [
        ("localhost:5000", "http://localhost:5000"),
        ("127.0.0.1", "http://127.0.0.1"),
        ("//host", "http://host"),
        ("ws://host:1", "http://host:1"),
        ("file:///tmp", "http:///tmp"),
        ("http://host/?a=1", "http://host/"),
    ],
)
def test_upstream_that_is_no_origin_is_refused_at_once(
    sharedworker_loop: LoopThread, sharedworker_control: ControlServer, origin: str, suggestion: str
) -> None:
    with pytest.raises(
        GatewayError, match=rf"{re.escape(repr(origin))} is not an http or https origin"
    ) as error:
        Gateway(sharedworker_loop, sharedworker_control, origin)
    assert f"did you mean {suggestion!r}?" in str(error.value)


@pytest.mark.parametrize("origin", ["", "http://", "https:", "/"])
def test_upstream_without_a_host_is_refused(lone_gateway: Gateway, origin: str) -> None:
    with pytest.raises(GatewayError, match="is not an http or https origin"):
        lone_gateway._upstream.origin = origin


def test_brackets_in_a_path_are_no_error(gateway: Gateway, upstream: Upstream) -> None:
    assert send(gateway, "GET /[::1]:x?[ HTTP/1.1").status == 200
    assert upstream.received[0].raw_path == "/[::1]:x?["
    gateway._raise_handler_error()
