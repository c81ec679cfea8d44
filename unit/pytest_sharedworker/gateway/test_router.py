"""Routes at the gateway, with a real server behind it and real connections in front of it.

What a worker and its virtual time see of a route is tested in e2e/plugin.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from aiohttp import web

from pytest_sharedworker.errors import (
    GatewayError,
    SharedWorkerError,
    UnsupportedError,
    WaitTimeoutError,
)
from pytest_sharedworker.gateway.gateway import Gateway
from pytest_sharedworker.gateway.messages import Request, Response
from pytest_sharedworker.gateway.route import AsyncRoute, BaseRoute, Route
from pytest_sharedworker.gateway.toxics import Down, LimitData
from pytest_sharedworker.integration.event_loop_thread import LoopThread
from unit.support.servers import Client, Reply, Upstream, send


def do_nothing(route: Route) -> None:
    """Leave the request pending."""


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


# --- fetch ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_async", [False, True])
def test_response_of_the_server_can_be_fetched_and_changed(
    gateway: Gateway, upstream: Upstream, is_async: bool
) -> None:
    upstream.respond = lambda request: web.json_response({"a": 1}, status=201, headers={"X-Server": "yes"})

    def add_b(route: Route) -> None:
        response = route.fetch()
        assert (response.status, response.ok, response.status_text) == (201, True, "Created")
        assert response.headers["x-server"] == "yes"
        assert response.url == f"{gateway.url}/"
        route.fulfill(response=response, json={**response.json(), "b": 2})

    async def add_b_later(route: AsyncRoute) -> None:
        response = await route.fetch()
        route.fulfill(response=response, json={**response.json(), "b": 2})

    gateway.route("**", add_b_later if is_async else add_b)
    reply = send(gateway)
    assert (reply.status, json.loads(reply.body)) == (201, {"a": 1, "b": 2})
    assert reply.header("X-Server") == ["yes"]


def test_headers_of_fulfill_replace_those_of_a_fetched_response(gateway: Gateway, upstream: Upstream) -> None:
    upstream.respond = lambda request: web.Response(text="x", headers={"X-A": "1", "X-B": "2"})

    def change(route: Route) -> None:
        response = route.fetch()
        headers = {**response.headers, "x-a": "3"}
        del headers["x-b"]
        route.fulfill(response=response, headers=headers)

    gateway.route("**", change)
    reply = send(gateway)
    assert (reply.body, reply.header("X-A"), reply.header("X-B")) == (b"x", ["3"], [])
    assert reply.header("Content-Type") == ["text/plain; charset=utf-8"]


def test_fetched_response_is_not_compressed(gateway: Gateway, upstream: Upstream) -> None:
    def compressed(request: web.Request) -> web.Response:
        response = web.Response(text="plain words")
        response.enable_compression()
        return response

    def shout(route: Route) -> None:
        response = route.fetch()
        route.fulfill(response=response, body=response.text().upper())

    upstream.respond = compressed
    gateway.route("**", shout)
    assert send(gateway, "GET / HTTP/1.1", "Accept-Encoding: gzip").body == b"PLAIN WORDS"


def test_fetched_response_is_decoded_where_the_server_compresses_anyway(
    gateway: Gateway, upstream: Upstream
) -> None:
    packed = gzip.compress(b"words")
    upstream.respond = lambda _: web.Response(body=packed, headers={"Content-Encoding": "gzip"})
    responses: list[Response] = []

    def fetch(route: Route) -> None:
        responses.append(route.fetch())
        route.fulfill(response=responses[0])

    gateway.route("**", fetch)
    reply = send(gateway)
    assert (reply.body, reply.header("Content-Encoding")) == (b"words", [])
    assert responses[0].body() == b"words"


def test_fetch_takes_changes_and_the_request_stays_unchanged(gateway: Gateway, upstream: Upstream) -> None:
    def fetch(route: Route) -> None:
        route.fetch(url="/other", method="PUT", post_data="new", headers={"X-A": "1"})
        route.continue_()

    gateway.route("**", fetch)
    send(gateway, "POST /x HTTP/1.1", body=b"old")
    received = [(each.method, each.raw_path, each.body, each.header("X-A")) for each in upstream.received]
    assert received == [("PUT", "/other", b"new", ["1"]), ("POST", "/x", b"old", [])]


@pytest.mark.parametrize("is_async", [False, True])
def test_fetch_has_a_timeout(gateway: Gateway, upstream: Upstream, is_async: bool) -> None:
    async def never(request: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    def fetch(route: Route) -> None:
        route.fetch(timeout=50)

    async def fetch_later(route: AsyncRoute) -> None:
        await route.fetch(timeout=50)

    upstream.respond_later = never
    gateway.route("**", fetch_later if is_async else fetch)
    assert send(gateway).status == 500
    with pytest.raises(WaitTimeoutError, match=r"route.fetch\(\) waited 50 ms for the response to GET http"):
        gateway._raise_handler_error()


def test_served_content_can_be_fetched_and_changed(gateway: Gateway) -> None:
    def shout(route: Route) -> None:
        response = route.fetch()
        route.fulfill(response=response, body=response.body().upper())

    gateway.serve("/page.html", "<p>words")
    gateway.route("/page.html", shout)
    reply = send(gateway, "GET /page.html HTTP/1.1")
    assert (reply.body, reply.header("Content-Type")) == (b"<P>WORDS", ["text/html"])


def test_plain_function_that_returns_a_coroutine_cannot_fetch(gateway: Gateway) -> None:
    async def fetch(route: Route) -> None:
        route.fetch()

    gateway.route("**", lambda route: fetch(route))
    assert send(gateway).status == 500
    with pytest.raises(SharedWorkerError, match="`async def` handler"):
        gateway._raise_handler_error()


# --- the request ----------------------------------------------------------------------------------


def test_handler_sees_the_request(gateway: Gateway) -> None:
    seen: list[Request] = []

    def note(route: Route, request: Request) -> None:
        assert route.request is request
        seen.append(request)
        route.fulfill()

    gateway.route("**", note)
    headers = ("X-A: 1", "x-a: 2", "Referer: http://a.test/", "Content-Type: application/json")
    send(gateway, "POST /a?b=c HTTP/1.1", *headers, body=b'{"n": "\xc3\xbc"}')
    (request,) = seen
    assert (request.method, request.url) == ("POST", f"{gateway.url}/a?b=c")
    assert (request.headers["x-a"], request.header_value("X-A"), request.header_value("x")) == (
        "1, 2",
        "1, 2",
        None,
    )
    assert request.post_data == '{"n": "ü"}'
    assert request.post_data_buffer == b'{"n": "\xc3\xbc"}'
    assert request.post_data_json == {"n": "ü"}
    assert (request.sender, request.worker_id) == ("tab", None)


def test_request_without_a_body_has_no_post_data(gateway: Gateway) -> None:
    rule = gateway.route("**", lambda route: route.fulfill())
    send(gateway)
    request = rule.routes[0].request
    assert (request.post_data, request.post_data_buffer, request.post_data_json) == (None, None, None)


def test_post_data_is_decoded_and_forms_are_dictionaries(gateway: Gateway) -> None:
    rule = gateway.route("**", lambda route: route.fulfill())
    packed = gzip.compress(b"[1]")
    send(gateway, "POST / HTTP/1.1", "Content-Encoding: gzip", body=packed)
    send(gateway, "POST / HTTP/1.1", "Content-Type: application/x-www-form-urlencoded", body=b"a=1&b=%20&c=")
    send(gateway, "POST / HTTP/1.1", body=b"no json")
    first, form, text = (route.request for route in rule.routes)
    assert (first.post_data, first.post_data_buffer, first.post_data_json) == ("[1]", packed, [1])
    assert form.post_data_json == {"a": "1", "b": " ", "c": ""}
    with pytest.raises(GatewayError, match="is not JSON"):
        _ = text.post_data_json


# --- pending requests -----------------------------------------------------------------------------


def test_undecided_request_is_pending_until_the_test_decides(gateway: Gateway, upstream: Upstream) -> None:
    with ThreadPoolExecutor(1) as threads, gateway.route("**", do_nothing) as rule:
        reply = threads.submit(send, gateway)
        (route,) = rule.wait_for()
        wait_until(lambda: route.exchange.route == "pending")
        assert (upstream.received, reply.done(), route.exchange.ended) == ([], False, False)
        route.continue_()
        assert reply.result().body == b"fine"
    assert len(upstream.received) == 1
    assert route.exchange.route == "continued"


@pytest.mark.parametrize("is_async", [False, True])
def test_pending_request_takes_every_decision(gateway: Gateway, is_async: bool) -> None:
    async def do_nothing_later(route: AsyncRoute) -> None:
        do_nothing(route)  # type: ignore[arg-type]

    decisions: list[tuple[Callable[[BaseRoute], object], bytes, bool]] = [
        (lambda route: route.fulfill(body="mine"), b"mine", False),
        (lambda route: route.abort(), b"", True),
        (lambda route: route.abort("connectionclosed"), b"", False),
        (lambda route: route.fallback(), b"older", False),
    ]
    gateway.route("**", lambda route: route.fulfill(body="older"))
    rule = gateway.route("**", do_nothing_later if is_async else do_nothing)
    with ThreadPoolExecutor(1) as threads:
        for number, (decide, body, reset) in enumerate(decisions):
            reply = threads.submit(send, gateway)
            decide(rule.wait_for(number + 1)[-1])
            assert (reply.result().body, reply.result().reset) == (body, reset)


def test_pending_route_can_fetch_in_the_test(gateway: Gateway) -> None:
    with ThreadPoolExecutor(1) as threads, gateway.route("**", do_nothing) as rule:
        reply = threads.submit(send, gateway)
        (route,) = rule.wait_for()
        assert isinstance(route, Route)
        response = route.fetch()
        route.fulfill(response=response, body=response.text() + "!")
        assert reply.result().body == b"fine!"


def test_async_handler_can_await_something_before_it_decides(gateway: Gateway) -> None:
    words = ["before"]
    event = threading.Event()

    async def wait_then_respond(route: AsyncRoute) -> None:
        await asyncio.to_thread(event.wait)
        route.fulfill(body=", ".join(words))

    rule = gateway.route("**", wait_then_respond)
    with ThreadPoolExecutor(1) as threads:
        reply = threads.submit(send, gateway)
        rule.wait_for()
        words.append("after")
        event.set()
        assert reply.result().body == b"before, after"


def test_pending_request_ends_when_the_client_leaves(gateway: Gateway, upstream: Upstream) -> None:
    rule = gateway.route("**", do_nothing)
    with Client(gateway):
        (route,) = rule.wait_for()
    assert gateway.journal.wait_for_end(route.exchange)
    assert (route.exchange.status, route.exchange.cut) == (None, None)
    route.continue_()  # Too late, but no error.
    assert upstream.received == []


def test_stop_closes_pending_requests(gateway: Gateway, upstream: Upstream) -> None:
    with ThreadPoolExecutor(1) as threads, gateway.route("**", do_nothing) as rule:
        reply = threads.submit(send, gateway)
        (route,) = rule.wait_for()
        gateway._stop()
        assert reply.result().body == b""
    assert route.exchange.ended
    assert upstream.received == []


def test_second_decision_is_an_error(gateway: Gateway) -> None:
    def twice(route: Route) -> None:
        route.abort()
        route.fulfill()

    gateway.route("**", twice)
    assert send(gateway).status == 500
    with pytest.raises(GatewayError, match="decided on already"):
        gateway._raise_handler_error()


def test_second_decision_of_the_test_is_an_error_there(gateway: Gateway) -> None:
    rule = gateway.route("**", lambda route: route.fulfill())
    assert send(gateway).status == 200
    with pytest.raises(GatewayError, match=r"decided on already \(fulfilled\)"):
        rule.routes[0].continue_()


# --- handlers -------------------------------------------------------------------------------------


def test_plain_handlers_run_one_at_a_time_and_may_block(gateway: Gateway) -> None:
    running: list[int] = []
    overlaps: list[int] = []

    def block(route: Route) -> None:
        running.append(1)
        overlaps.append(len(running))
        time.sleep(0.02)
        running.pop()
        route.fulfill()

    gateway.route("**", block)
    with ThreadPoolExecutor(8) as threads:
        replies = list(threads.map(lambda _: send(gateway).status, range(8)))
    assert (replies, overlaps) == ([200] * 8, [1] * 8)


def test_other_handlers_run_while_one_fetches(gateway: Gateway, upstream: Upstream) -> None:
    arrived = threading.Event()

    async def respond(request: web.Request) -> web.StreamResponse:
        if request.path == "/first":
            await asyncio.to_thread(arrived.wait, 5)
        return web.Response(text="fine")

    def fetch(route: Route) -> None:
        if route.request.url.endswith("/second"):
            arrived.set()
        route.fulfill(response=route.fetch())

    upstream.respond_later = respond
    gateway.route("**", fetch)
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(send, gateway, "GET /first HTTP/1.1")
        gateway.journal.wait_for("/first", ended=False)
        second = threads.submit(send, gateway, "GET /second HTTP/1.1")
        assert (first.result().body, second.result().body) == (b"fine", b"fine")


def test_handler_may_take_the_route_or_route_and_request(gateway: Gateway) -> None:
    class Handler:
        async def __call__(self, route: AsyncRoute, request: Request) -> None:
            route.fulfill(body=request.method)

    def with_default(route: Route, text: str = "default") -> None:
        route.fulfill(body=text)

    mock = Mock(side_effect=lambda route, request: route.fulfill(body=request.url[-5:]))
    gateway.route("/object", Handler())
    gateway.route("/default", with_default)
    gateway.route("/mock", mock)
    gateway.route("/method", Route.continue_)
    replies = [
        send(gateway, f"GET /{path} HTTP/1.1").body for path in ("object", "default", "mock", "method")
    ]
    assert replies == [b"GET", b"default", b"/mock", b"fine"]


@pytest.mark.parametrize("handler", [lambda: None, lambda a, b, c: None, "handler", None])
def test_handler_with_wrong_arguments_is_refused_at_once(gateway: Gateway, handler: Any) -> None:
    with pytest.raises(GatewayError, match="a handler"):
        gateway.route("**", handler)


@pytest.mark.parametrize("is_async", [False, True])
def test_handler_that_raises_gives_a_500_and_its_exception(
    gateway: Gateway, upstream: Upstream, is_async: bool
) -> None:
    def plain(route: object) -> None:
        raise LookupError("no such thing")

    async def later(route: AsyncRoute) -> None:
        plain(route)

    gateway.route("**", later if is_async else plain)
    reply = send(gateway)
    assert reply.status == 500
    assert b"LookupError('no such thing')" in reply.body
    assert upstream.received == []
    with pytest.raises(LookupError, match="no such thing"):
        gateway._raise_handler_error()
    gateway._raise_handler_error()


def test_failed_check_in_a_handler_counts_as_its_exception(gateway: Gateway) -> None:
    gateway.route("**", lambda route: pytest.fail("unexpected request"))
    assert send(gateway).status == 500
    with pytest.raises(pytest.fail.Exception, match="unexpected request"):
        gateway._raise_handler_error()


def test_stop_iteration_of_a_handler_is_an_error_too(gateway: Gateway) -> None:
    responses = iter([204])
    gateway.route("**", lambda route: route.fulfill(status=next(responses)))
    assert [send(gateway).status for _ in range(2)] == [204, 500]
    with pytest.raises(RuntimeError, match="StopIteration"):
        gateway._raise_handler_error()


def test_plain_handler_may_call_the_gateway(gateway: Gateway) -> None:
    def go_down(route: Route) -> None:
        with gateway.add_toxic(Down()):
            pass
        route.fulfill(body="down and up")

    gateway.route("**", go_down)
    assert send(gateway).body == b"down and up"


def test_async_handler_that_would_wait_for_its_own_thread_fails_at_once(gateway: Gateway) -> None:
    async def go_down(route: AsyncRoute) -> None:
        gateway.add_toxic(Down())

    gateway.route("**", go_down)
    started = time.monotonic()
    assert send(gateway).status == 500
    assert time.monotonic() - started < 5
    with pytest.raises(SharedWorkerError, match="do that in the test"):
        gateway._raise_handler_error()


# --- rules ----------------------------------------------------------------------------------------


def test_times_limits_how_many_requests_a_route_gets(gateway: Gateway) -> None:
    gateway.route("**", lambda route: route.fulfill(body="routed"), times=2)
    assert [send(gateway).body for _ in range(3)] == [b"routed", b"routed", b"fine"]


def test_route_ends_with_its_block_or_with_unroute(gateway: Gateway) -> None:
    def one(route: Route) -> None:
        route.fulfill(body="one")

    def two(route: Route) -> None:
        route.fulfill(body="two")

    with gateway.route("**", one):
        assert send(gateway).body == b"one"
    assert send(gateway).body == b"fine"
    gateway.route("**", one)
    gateway.route("**", two, optional=True)
    gateway.unroute("**", two)
    assert send(gateway).body == b"one"
    gateway.unroute("**")
    assert send(gateway).body == b"fine"


def test_unroute_takes_regular_expressions_and_callables(gateway: Gateway) -> None:
    def is_root(url: str) -> bool:
        return url.endswith("/")

    for url in (re.compile("/$"), is_root):
        gateway.route(url, lambda route: route.fulfill(body="routed"))
        assert send(gateway).body == b"routed"
        gateway.unroute(re.compile("/$") if isinstance(url, re.Pattern) else is_root)
        assert send(gateway).body == b"fine"


def test_unroute_all_removes_every_route(gateway: Gateway) -> None:
    gateway.route("/", lambda route: route.fulfill(body="one"), optional=True)
    gateway.route("**", lambda route: route.fulfill(body="two"), optional=True)
    gateway.unroute_all()
    assert gateway.rules == []
    assert send(gateway).body == b"fine"


def test_wrong_patterns_and_times_are_refused(gateway: Gateway) -> None:
    with pytest.raises(SharedWorkerError, match="cannot match any request"):
        gateway.route("GET /a /b", do_nothing)
    for times in (0, -1, 1.5, True):
        with pytest.raises(GatewayError, match="1 or more"):
            gateway.route("**", do_nothing, times=times)  # type: ignore[arg-type]


def test_wait_for_a_request_that_never_comes_fails(gateway: Gateway) -> None:
    rule = gateway.route("GET /never", do_nothing, optional=True)
    with pytest.raises(
        WaitTimeoutError, match=r"waited 50 ms for 1 requests at the route 'GET /never', saw 0"
    ):
        rule.wait_for(timeout=50)


def test_route_that_gets_no_request_is_reported(lone_gateway: Gateway) -> None:
    gateway = lone_gateway
    gateway._start()
    gateway.route("GET /used", lambda route: route.fulfill())
    gateway.route("GET /unused", do_nothing)
    gateway.route("GET /optional", do_nothing, optional=True)
    gateway.route_web_socket("/socket", lambda ws: None)
    gateway.route_web_socket("/optional", lambda ws: None, optional=True)
    send(gateway, "GET /used HTTP/1.1")
    gateway.unroute_all()
    assert gateway._list_unused_faults() == [
        "the route GET /unused met no request",
        "the web socket route /socket met no WebSocket",
    ]


# --- with other parts -----------------------------------------------------------------------------


def test_toxics_act_on_the_response_of_a_route(gateway: Gateway) -> None:
    gateway.route("**", lambda route: route.fulfill(body="0123456789"))
    gateway.add_toxic(LimitData(bytes=4))
    reply = send(gateway)
    assert (reply.body, reply.reset) == (b"0123", True)


def test_journal_has_what_a_route_did(gateway: Gateway) -> None:
    gateway.route("/a", lambda route: route.fulfill(status=204))
    gateway.route("/b", lambda route: route.continue_(post_data="new"))
    for path in ("/a", "/b", "/c"):
        send(gateway, f"GET {path} HTTP/1.1")
    assert [exchange.route for exchange in gateway.journal] == ["fulfilled", "continued, changed", None]
    assert str(gateway.journal.exchanges[0]).endswith("→ 204 [route: fulfilled]")
    assert repr(gateway.rules[0].routes[0]) == "<Route GET /a (fulfilled)>"


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.001)


# --- order ----------------------------------------------------------------------------------------


def test_request_of_an_async_route_is_not_overtaken(gateway: Gateway, upstream: Upstream) -> None:
    async def fetch(route: AsyncRoute) -> None:
        route.fulfill(response=await route.fetch())

    gateway.route("/first", fetch)
    host, port = gateway.url.removeprefix("http://").split(":")
    for _ in range(10):
        connections = [socket.create_connection((host, int(port))) for _ in range(2)]
        for connection, path in zip(connections, ("/first", "/second"), strict=True):
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        for connection in connections:
            while connection.recv(65_536):
                pass
            connection.close()
    assert [each.raw_path for each in upstream.received] == ["/first", "/second"] * 10


def test_async_handler_may_await_its_decision(gateway: Gateway) -> None:
    async def respond(route: AsyncRoute) -> None:
        await route.fulfill(body="awaited")

    gateway.route("/x", respond)
    assert send(gateway, "GET /x HTTP/1.1").body == b"awaited"


def test_requests_pending_at_the_end_are_no_errors(gateway: Gateway, upstream: Upstream) -> None:
    async def never(request: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    async def fetch(route: AsyncRoute) -> None:
        await route.fetch()

    upstream.respond_later = never
    plain = gateway.route("/plain", lambda route: route.fetch())
    coroutine = gateway.route("/async", fetch)
    host, port = gateway.url.removeprefix("http://").split(":")
    connections = [socket.create_connection((host, int(port))) for _ in range(3)]
    for connection, path in zip(connections, ("/plain", "/async", "/unrouted"), strict=True):
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    plain.wait_for(1)
    coroutine.wait_for(1)
    gateway.journal.wait_for("/unrouted", ended=False)
    gateway._stop()
    gateway._raise_handler_error()
    for connection in connections:
        connection.close()
