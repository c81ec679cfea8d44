"""The gateway between real connections and a real server: what it forwards, serves, and does in trouble.

Toxics stand in test_gateway_toxics.py, routes in test_routes.py.
"""

from __future__ import annotations

import gzip
import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from aiohttp import web
from multidict import CIMultiDict

from pytest_sharedworker.control.server import ControlServer
from pytest_sharedworker.errors import GatewayError
from pytest_sharedworker.gateway.gateway import Gateway
from pytest_sharedworker.integration.event_loop_thread import LoopThread
from unit.support.servers import Upstream, ask

WORKER_HEADERS = ("Sec-Fetch-Dest: sharedworker", "Sec-Fetch-Mode: same-origin")


# --- forwarding -----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_a_request_reaches_the_server_as_it_is(gateway: Gateway, upstream: Upstream, method: str) -> None:
    body = b"" if method == "GET" else bytes(range(256))
    ask(gateway, f"{method} /api HTTP/1.1", "X-Own: 1", "X-Own: 2", "Cookie: a=b", body=body)
    [received] = upstream.received
    assert (received.method, received.raw_path, received.body) == (method, "/api", body)
    assert received.header("X-Own") == ["1", "2"]
    assert received.header("Cookie") == ["a=b"]


@pytest.mark.parametrize(
    "path",
    ["/a%2Fb/%7Ec", "/a//b/./c/../d", "/q?x=%41&y=a+b%20c&z=%FF&x=", "/%C3%BC?%c3%bc", "/a;b=c,d?'(!)*"],
)
def test_path_and_query_are_not_rewritten(gateway: Gateway, upstream: Upstream, path: str) -> None:
    ask(gateway, f"GET {path} HTTP/1.1")
    assert upstream.received[0].raw_path == path


def test_the_server_sees_the_origin_that_the_browser_sees(gateway: Gateway, upstream: Upstream) -> None:
    ask(gateway)
    assert upstream.received[0].header("Host") == [gateway.url.removeprefix("http://")]


def test_headers_of_the_connection_and_of_the_harness_stay_behind(
    gateway: Gateway, upstream: Upstream
) -> None:
    ask(gateway, "GET / HTTP/1.1", "Connection: keep-alive", "TE: trailers", "X-Pytest-Sharedworker: w.1.0")
    received = upstream.received[0]
    assert received.header("TE") == []
    assert received.header("X-Pytest-Sharedworker") == []
    exchange = gateway.journal.exchanges[0]
    assert (exchange.sender, exchange.worker_id, exchange.request_number) == ("worker", "w", 1)
    assert "X-Pytest-Sharedworker" not in exchange.request_headers


def test_nothing_is_added_that_the_browser_did_not_say(gateway: Gateway, upstream: Upstream) -> None:
    ask(gateway, "POST / HTTP/1.1", body=b"x")
    assert {key.lower() for key, _ in upstream.received[0].headers} <= {
        b"host", b"accept", b"content-length", b"connection"
    }  # fmt: skip


def test_a_chunked_body_arrives_whole(gateway: Gateway, upstream: Upstream) -> None:
    # The client's own framing: the bytes behind the headers are two chunks and the end.
    chunks = "5\r\nfirst\r\n6\r\nsecond\r\n0\r\n"
    ask(gateway, "POST / HTTP/1.1", "Transfer-Encoding: chunked", "", chunks)
    assert upstream.received[0].body == b"firstsecond"


def test_an_answer_comes_back_as_it_is(gateway: Gateway, upstream: Upstream) -> None:
    headers = CIMultiDict([("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("X-Own", "ü")])
    upstream.respond = lambda _: web.Response(status=418, body=bytes(range(256)), headers=headers)
    reply = ask(gateway)
    assert (reply.status, reply.body) == (418, bytes(range(256)))
    assert reply.header("Set-Cookie") == ["a=1", "b=2"]
    assert reply.header("Content-Length") == ["256"]


def test_a_compressed_answer_stays_compressed(gateway: Gateway, upstream: Upstream) -> None:
    packed = gzip.compress(b"text" * 100)
    upstream.respond = lambda _: web.Response(body=packed, headers={"Content-Encoding": "gzip"})
    reply = ask(gateway, "GET / HTTP/1.1", "Accept-Encoding: gzip")
    assert reply.body == packed
    assert reply.header("Content-Encoding") == ["gzip"]


def test_a_redirect_is_the_browsers_business(gateway: Gateway, upstream: Upstream) -> None:
    upstream.respond = lambda _: web.Response(status=302, headers={"Location": "/elsewhere"})
    reply = ask(gateway)
    assert (reply.status, reply.header("Location")) == (302, ["/elsewhere"])
    assert len(upstream.received) == 1


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_without_a_body_has_none(gateway: Gateway, upstream: Upstream, status: int) -> None:
    upstream.respond = lambda _: web.Response(status=status)
    reply = ask(gateway)
    assert (reply.status, reply.body, reply.header("Content-Length")) == (status, b"", [])


def test_head_tells_the_length_and_sends_no_body(gateway: Gateway, upstream: Upstream) -> None:
    upstream.respond = lambda _: web.Response(body=b"x" * 37)
    reply = ask(gateway, "HEAD / HTTP/1.1")
    assert (reply.status, reply.header("Content-Length"), reply.body) == (200, ["37"], b"")


def test_five_megabytes_pass_both_ways(gateway: Gateway, upstream: Upstream) -> None:
    body = bytes(range(256)) * (5 * 1024 * 4)
    upstream.respond = lambda _: web.Response(body=body)
    assert ask(gateway, "POST / HTTP/1.1", body=body).body == body
    assert upstream.received[0].body == body


def test_a_browser_that_leaves_in_the_midst_of_an_answer_is_no_error(
    gateway: Gateway, upstream: Upstream, caplog: pytest.LogCaptureFixture
) -> None:
    upstream.respond = lambda _: web.Response(body=bytes(20_000_000))
    host, _, port = urlsplit(gateway.url).netloc.partition(":")
    with socket.create_connection((host, int(port))) as browser:
        browser.sendall(f"GET /large HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        assert browser.recv(12) == b"HTTP/1.1 200"
    gateway.journal.wait_for("GET /large")
    gateway.stop()  # What is to be logged has been logged then.
    assert [record.getMessage() for record in caplog.records] == []


def test_every_answer_closes_its_connection(gateway: Gateway) -> None:
    # `ask` reads to the connection's end: it would wait for ever otherwise.
    assert ask(gateway, "GET / HTTP/1.1", "Connection: keep-alive").header("Connection") == ["close"]


def test_the_journal_has_request_and_answer(gateway: Gateway, upstream: Upstream) -> None:
    upstream.respond = lambda _: web.json_response({"status": "success"}, status=201)
    ask(gateway, "POST /api?x=1 HTTP/1.1", "Content-Type: application/json", body=b"{}")
    [exchange] = gateway.journal.wait_for("POST /api")
    assert (exchange.method, exchange.path, exchange.url) == ("POST", "/api?x=1", gateway.url + "/api?x=1")
    assert exchange.request_headers["Content-Type"] == "application/json"
    assert (exchange.request_body, exchange.json()) == (b"{}", {})
    assert (exchange.status, exchange.response_body) == (201, b'{"status": "success"}')
    assert (exchange.upstream_status, exchange.upstream_response_body) == (201, b'{"status": "success"}')
    assert exchange.ended_seconds is not None
    assert exchange.ended_seconds >= exchange.started_seconds


@pytest.mark.parametrize(
    ("headers", "sender"),
    [
        ([], "unknown"),
        (["Sec-Fetch-Mode: navigate"], "tab"),
        (["Referer: {origin}/page.html"], "tab"),
        (["Referer: {origin}/static/own.worker.js"], "worker"),
        (["X-Pytest-Sharedworker: abc.7.30000"], "worker"),
    ],
)
def test_tabs_and_workers_are_told_apart(gateway: Gateway, headers: list[str], sender: str) -> None:
    ask(gateway, "GET /static/own.worker.js HTTP/1.1", *WORKER_HEADERS)
    ask(gateway, "GET /x HTTP/1.1", *(header.format(origin=gateway.url) for header in headers))
    assert gateway.journal.select("/x")[0].sender == sender


# --- trouble --------------------------------------------------------------------------------------


def test_a_port_in_use_is_told_with_what_to_do(gateway: Gateway, lone_gateway: Gateway) -> None:
    port = int(gateway.url.rpartition(":")[2])
    with pytest.raises(GatewayError, match=rf"127\.0\.0\.1:{port} .*choose another port, or 0"):
        lone_gateway.start(port)


def test_a_dead_server_is_a_502_that_says_so(
    gateway: Gateway, upstream: Upstream, sharedworker_loop: LoopThread
) -> None:
    sharedworker_loop.run(upstream.stop())
    reply = ask(gateway, "GET /api HTTP/1.1")
    assert reply.status == 502
    assert f"cannot reach the server {upstream.url}" in reply.body.decode()
    [exchange] = gateway.journal.wait_for("/api")
    assert exchange.status == 502
    assert "cannot reach the server" in str(exchange)


def test_stop_is_idempotent(lone_gateway: Gateway) -> None:
    lone_gateway.stop()
    lone_gateway.start()
    lone_gateway.stop()
    lone_gateway.stop()


# --- mounts ---------------------------------------------------------------------------------------


def test_what_is_mounted_is_not_asked_of_the_server(gateway: Gateway, upstream: Upstream) -> None:
    assert gateway.mount("/own.js", "self.a = 'ü';") == gateway.url + "/own.js"
    reply = ask(gateway, "GET /own.js?v=1 HTTP/1.1")
    assert reply.body.decode() == "self.a = 'ü';"
    assert "javascript" in reply.header("Content-Type")[0]
    assert upstream.received == []


def test_a_file_and_a_folder_are_served_as_they_are_now(gateway: Gateway, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    file = tmp_path / "deep" / "a.css"
    file.write_text("old")
    gateway.mount("/one", file, "text/x-own")
    gateway.mount("/all/", tmp_path)
    file.write_text("new")
    assert ask(gateway, "GET /one HTTP/1.1").body == b"new"
    assert ask(gateway, "GET /one HTTP/1.1").header("Content-Type") == ["text/x-own"]
    assert ask(gateway, "GET /all/deep/a.css HTTP/1.1").header("Content-Type") == ["text/css"]


@pytest.mark.parametrize(
    "path", ["/all/../secret", "/all/%2e%2e/secret", "/all/..%2fsecret", "/all//etc/passwd", "/all/link"]
)
def test_no_path_leads_out_of_a_mounted_folder(lone_gateway: Gateway, tmp_path: Path, path: str) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (tmp_path / "secret").write_text("secret")
    (folder / "link").symlink_to(tmp_path / "secret")
    lone_gateway.start()
    lone_gateway.mount("/all/", folder)
    reply = ask(lone_gateway, f"GET {path} HTTP/1.1")
    assert (reply.status, reply.body) == (404, b"nothing is mounted here")


def test_a_wrong_mount_is_told_what_to_do(gateway: Gateway, tmp_path: Path) -> None:
    with pytest.raises(GatewayError, match="there is no such file or folder"):
        gateway.mount("/a", tmp_path / "missing")
    with pytest.raises(GatewayError, match="a path begins with a slash"):
        gateway.mount("a.js", "1")
    with pytest.raises(GatewayError, match="end the path in a slash"):
        gateway.mount("/folder", tmp_path)


# --- worker scripts -------------------------------------------------------------------------------


def script_of(
    gateway: Gateway, script: str, *headers: str, policy: str | None = None
) -> tuple[str, list[str]]:
    """Serve a worker's script from the server with a prologue `P;`; return its text and policies."""
    gateway.scripts.prologue = lambda: "P;"
    gateway.mount("/w.js", script)
    reply = ask(gateway, "GET /w.js HTTP/1.1", *(headers or WORKER_HEADERS))
    return reply.body.decode(), reply.header("Content-Security-Policy")


def test_the_prologue_stands_on_the_scripts_first_line(gateway: Gateway) -> None:
    assert script_of(gateway, "a();\nb();")[0] == "P; a();\nb();"


def test_a_strict_script_stays_strict(gateway: Gateway) -> None:
    assert script_of(gateway, "'use strict';\na();")[0] == "\"use strict\"; P; 'use strict';\na();"


def test_a_module_imports_the_prologue_before_its_own_imports(gateway: Gateway) -> None:
    text, _ = script_of(gateway, 'import "./a.js";')
    path = text.partition('"')[2].partition('"')[0]
    assert text == f'import "{path}"; import "./a.js";'
    reply = ask(gateway, f"GET {path} HTTP/1.1")
    assert (reply.status, reply.body) == (200, b"P;")
    assert gateway.journal.select("*prologue*") == []


@pytest.mark.parametrize(
    "headers",
    [
        ("Sec-Fetch-Dest: script", "Sec-Fetch-Mode: no-cors"),
        ("Sec-Fetch-Dest: worker", "Sec-Fetch-Mode: same-origin"),
        ("Sec-Fetch-Dest: sharedworker", "Sec-Fetch-Mode: cors"),
        ("Accept: */*",),
    ],
)
def test_nothing_else_gets_a_prologue(gateway: Gateway, headers: tuple[str, ...]) -> None:
    assert script_of(gateway, "a();", *headers)[0] == "a();"


def test_where_browsers_do_not_tell_a_pattern_does(gateway: Gateway) -> None:
    gateway.add_worker_script("**/w.js")
    assert script_of(gateway, "a();", "Accept: */*")[0] == "P; a();"


def test_a_script_with_a_prologue_is_never_cached(gateway: Gateway, upstream: Upstream) -> None:
    gateway.scripts.prologue = lambda: "P;"
    headers = {"ETag": '"1"', "Last-Modified": "x", "Cache-Control": "max-age=3600"}
    upstream.respond = lambda _: web.Response(text="a();", headers=headers)
    reply = ask(gateway, "GET /w.js HTTP/1.1", *WORKER_HEADERS, "Accept-Encoding: gzip")
    assert reply.body == b"P; a();"
    assert reply.header("Cache-Control") == ["no-store"]
    assert reply.header("ETag") == reply.header("Last-Modified") == []
    assert upstream.received[0].header("Accept-Encoding") == ["identity"]


@pytest.mark.parametrize(
    ("policies", "expected"),
    [
        (["script-src 'self'"], ["script-src 'self'"]),
        (["connect-src 'self'"], ["connect-src 'self' {control}"]),
        (["connect-src 'none'"], ["connect-src {control}"]),
        (["default-src 'self'"], ["default-src 'self'; connect-src 'self' {control}"]),
        (["default-src 'none'; img-src *;"], ["default-src 'none'; img-src *; connect-src {control}"]),
        (
            ["Default-Src 'self'; Connect-Src https://a.test"],
            ["Default-Src 'self'; connect-src https://a.test {control}"],
        ),
        (
            ["connect-src 'self'", "default-src 'none'"],
            ["connect-src 'self' {control}", "default-src 'none'; connect-src {control}"],
        ),
        (
            ["connect-src 'self', default-src 'none'"],
            ["connect-src 'self' {control}", "default-src 'none'; connect-src {control}"],
        ),
    ],
)
def test_a_policy_lets_the_worker_reach_the_harness_and_nothing_else(
    gateway: Gateway,
    upstream: Upstream,
    sharedworker_control: ControlServer,
    policies: list[str],
    expected: list[str],
) -> None:
    gateway.scripts.prologue = lambda: "P;"
    headers = CIMultiDict(("Content-Security-Policy", policy) for policy in policies)
    upstream.respond = lambda _: web.Response(text="a();", headers=headers)
    reply = ask(gateway, "GET /w.js HTTP/1.1", *WORKER_HEADERS)
    control = f"http://*:{sharedworker_control.port} ws://*:{sharedworker_control.port}"
    assert reply.header("Content-Security-Policy") == [each.format(control=control) for each in expected]
    # A page's own policy is its own business.
    assert ask(gateway).header("Content-Security-Policy") == policies
