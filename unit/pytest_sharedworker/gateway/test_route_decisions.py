"""What a route decides: fulfill, continue, fall back, abort.

A real server is behind the gateway, and real connections in front of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from pytest_sharedworker.errors import (
    GatewayError,
    UnsupportedError,
)
from pytest_sharedworker.gateway.gateway import Gateway
from pytest_sharedworker.gateway.messages import Request
from pytest_sharedworker.gateway.route import Route
from pytest_sharedworker.integration.event_loop_thread import LoopThread
from unit.support.servers import Reply, Upstream, send

# --- fulfill --------------------------------------------------------------------------------------


def test_fulfilled_request_does_not_reach_the_server(gateway: Gateway, upstream: Upstream) -> None:
    gateway.route("GET /api/*", lambda route: route.fulfill(status=203, headers={"X-A": "1"}, json=[1]))
    reply = send(gateway, "GET /api/items?page=2 HTTP/1.1")
    assert (reply.status, reply.body, reply.header("X-A")) == (203, b"[1]", ["1"])
    assert reply.header("Content-Type") == ["application/json"]
    assert upstream.received == []


def test_body_gets_a_content_type_unless_one_is_given(gateway: Gateway) -> None:
    gateway.route("/text", lambda route: route.fulfill(body="ü"))
    gateway.route("/bytes", lambda route: route.fulfill(body=b"\xff"))
    gateway.route("/own", lambda route: route.fulfill(body="{}", headers={"content-type": "text/x-own"}))
    gateway.route("/named", lambda route: route.fulfill(json={}, content_type="text/x-named"))
    text = send(gateway, "GET /text HTTP/1.1")
    assert (text.body, text.header("Content-Type")) == ("ü".encode(), ["text/plain; charset=utf-8"])
    raw = send(gateway, "GET /bytes HTTP/1.1")
    assert (raw.body, raw.header("Content-Type")) == (b"\xff", ["application/octet-stream"])
    assert send(gateway, "GET /own HTTP/1.1").header("Content-Type") == ["text/x-own"]
    assert send(gateway, "GET /named HTTP/1.1").header("Content-Type") == ["text/x-named"]


def test_file_can_be_the_body(gateway: Gateway, tmp_path: Path) -> None:
    file = tmp_path / "a.css"
    file.write_text("body {}")
    gateway.route("/a", lambda route: route.fulfill(path=file))
    gateway.route("/b", lambda route: route.fulfill(path=str(file), content_type="text/plain", status=201))
    reply = send(gateway, "GET /a HTTP/1.1")
    assert (reply.status, reply.body, reply.header("Content-Type")) == (200, b"body {}", ["text/css"])
    reply = send(gateway, "GET /b HTTP/1.1")
    assert (reply.status, reply.header("Content-Type")) == (201, ["text/plain"])


def test_several_headers_of_one_name_are_separated_by_line_feeds(gateway: Gateway) -> None:
    gateway.route(
        "**", lambda route: route.fulfill(headers={"Set-Cookie": "a=1\nb=2", "Content-Length": "9"})
    )
    reply = send(gateway)
    assert reply.header("Set-Cookie") == ["a=1", "b=2"]
    assert reply.header("Content-Length") == ["0"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"body": "a", "json": "b"}, "one of body, json and path"),
        ({"body": "a", "path": "b"}, "one of body, json and path"),
        ({"json": 1, "path": "b"}, "one of body, json and path"),
        ({"path": "/none/such.txt"}, "cannot fulfill with the file /none/such.txt: No such file"),
        ({"status": 99}, "a status from 200 to 599, not 99"),
    ],
)
def test_wrong_arguments_of_fulfill_are_errors(
    gateway: Gateway, arguments: dict[str, Any], message: str
) -> None:
    gateway.route("**", lambda route: route.fulfill(**arguments))
    assert send(gateway).status == 500
    with pytest.raises(GatewayError, match=message):
        gateway._raise_handler_error()


# --- continue_ ------------------------------------------------------------------------------------


def test_continued_request_reaches_the_server_unchanged(gateway: Gateway, upstream: Upstream) -> None:
    gateway.route("**", lambda route: route.continue_())
    assert send(gateway, "POST /x?y=%20 HTTP/1.1", "X-A: 1", body=b"body").body == b"fine"
    (received,) = upstream.received
    assert (received.method, received.raw_path, received.body) == ("POST", "/x?y=%20", b"body")
    assert received.header("X-A") == ["1"]


def test_continued_request_can_change_url_method_headers_and_body(
    gateway: Gateway, upstream: Upstream
) -> None:
    def change(route: Route, request: Request) -> None:
        headers = {**request.headers, "x-a": "2", "X-C": "3", "host": "other"}
        del headers["x-b"]
        route.continue_(url="/other?a=%41", method="PUT", headers=headers, post_data="new")

    gateway.route("**", change)
    send(gateway, "POST /x HTTP/1.1", "X-A: 1", "X-B: 1", body=b"longer than before")
    (received,) = upstream.received
    assert (received.method, received.raw_path, received.body) == ("PUT", "/other?a=%41", b"new")
    assert [received.header(name) for name in ("X-A", "X-B", "X-C")] == [["2"], [], ["3"]]
    assert received.header("Host") == [gateway.url.removeprefix("http://")]
    assert received.header("Content-Length") == ["3"]
    (exchange,) = gateway.journal
    assert (exchange.method, exchange.path, exchange.request_body) == ("POST", "/x", b"longer than before")


def test_post_data_that_is_neither_text_nor_bytes_is_json(gateway: Gateway, upstream: Upstream) -> None:
    gateway.route("**", lambda route: route.continue_(post_data={"a": 1}))
    send(gateway, "POST / HTTP/1.1", body=b"x")
    (received,) = upstream.received
    assert json.loads(received.body) == {"a": 1}
    assert received.header("Content-Type") == ["application/json"]


def test_request_can_be_continued_to_another_origin(
    gateway: Gateway, upstream: Upstream, sharedworker_loop: LoopThread
) -> None:
    other = Upstream(lambda _: web.Response(text="other"))
    sharedworker_loop.run(other.start())
    gateway.route("**", lambda route: route.continue_(url=f"{other.url}/elsewhere"))
    assert send(gateway, "GET /x HTTP/1.1").body == b"other"
    sharedworker_loop.run(other.stop())
    assert upstream.received == []
    assert other.received[0].raw_path == "/elsewhere"
    assert other.received[0].header("Host") == [other.url.removeprefix("http://")]


@pytest.mark.parametrize("url", ["ws://host/socket", "file:///a", "https://?a", "data:,x"])
def test_url_that_is_not_http_is_refused(gateway: Gateway, url: str) -> None:
    gateway.route("**", lambda route: route.continue_(url=url))
    assert send(gateway).status == 500
    with pytest.raises(GatewayError, match="to http and https URLs"):
        gateway._raise_handler_error()


def test_continued_request_can_get_served_content(gateway: Gateway) -> None:
    gateway.serve("/served", "served")
    gateway.route("/a", lambda route: route.continue_(url="/served"))
    assert send(gateway, "GET /a HTTP/1.1").body == b"served"


def test_continue_skips_the_older_routes(gateway: Gateway) -> None:
    gateway.route("**", lambda route: route.fulfill(body="older"), optional=True)
    gateway.route("**", lambda route: route.continue_())
    assert send(gateway).body == b"fine"


# --- fallback -------------------------------------------------------------------------------------


def test_newest_route_comes_first_and_may_fall_back(gateway: Gateway, upstream: Upstream) -> None:
    called: list[str] = []

    def note(name: str) -> Callable[[Route], None]:
        def handle(route: Route) -> None:
            called.append(name)
            route.fallback()

        return handle

    gateway.route("**", note("oldest"))
    gateway.route("**", note("older"))
    gateway.route("GET /both", lambda route: route.fulfill(body="newest"))
    assert send(gateway, "GET /both HTTP/1.1").body == b"newest"
    assert called == []
    assert send(gateway, "GET /other HTTP/1.1").body == b"fine"
    assert called == ["older", "oldest"]


def test_older_route_sees_the_changes_of_a_fallback(gateway: Gateway, upstream: Upstream) -> None:
    seen: list[object] = []

    def note(route: Route, request: Request) -> None:
        seen.append((request.method, request.url, request.post_data, request.header_value("X-A")))
        route.fallback(post_data="twice")

    def change(route: Route) -> None:
        headers = {**route.request.headers, "X-A": "1"}
        route.fallback(url="/changed", method="PUT", headers=headers, post_data="once")

    gateway.route("**/a", lambda route: route.fulfill(body="not for the changed URL"), optional=True)
    gateway.route("PUT **/changed", note)
    gateway.route("POST **/a", change)
    assert send(gateway, "POST /a HTTP/1.1", body=b"x").body == b"fine"
    assert seen == [("PUT", f"{gateway.url}/changed", "once", "1")]
    (received,) = upstream.received
    assert (received.method, received.raw_path, received.body) == ("PUT", "/changed", b"twice")
    assert received.header("X-A") == ["1"]


# --- abort ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("error_code", ["failed", "connectionreset", "connectionaborted", "connectionclosed"])
def test_aborted_request_gets_no_response(gateway: Gateway, upstream: Upstream, error_code: str) -> None:
    reset = error_code != "connectionclosed"
    gateway.route("**", lambda route: route.abort(error_code))
    assert send(gateway) == Reply(b"", reset=reset)
    assert upstream.received == []
    (exchange,) = gateway.journal.wait_for()
    assert (exchange.status, exchange.cut) == (None, "reset" if reset else "closed")


def test_abort_resets_by_default(gateway: Gateway) -> None:
    gateway.route("**", lambda route: route.abort())
    assert send(gateway) == Reply(b"", reset=True)


@pytest.mark.parametrize(
    ("error_code", "message"),
    [
        ("timedout", "cannot make a browser report 'timedout'.*failed, connectionreset, connectionaborted"),
        ("namenotresolved", "cannot make a browser report"),
        ("connectionreste", "there is no error code 'connectionreste', did you mean 'connectionreset'"),
        ("xyzzy", "there is no error code 'xyzzy'; abort"),
    ],
)
def test_error_code_that_the_wire_cannot_express_is_refused(
    gateway: Gateway, error_code: str, message: str
) -> None:
    gateway.route("**", lambda route: route.abort(error_code))
    assert send(gateway).status == 500
    with pytest.raises(UnsupportedError, match=message):
        gateway._raise_handler_error()
