"""Handlers of routes: how they are called, how they fail, and how long they may take.

A real server is behind the gateway, and real connections in front of it.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest.mock import Mock

import pytest
from aiohttp import web

from pytest_sharedworker.errors import (
    GatewayError,
    SharedWorkerError,
)
from pytest_sharedworker.gateway.gateway import Gateway
from pytest_sharedworker.gateway.messages import Request
from pytest_sharedworker.gateway.route import AsyncRoute, BaseRoute, Route
from pytest_sharedworker.gateway.toxics import Down
from unit.support.servers import Client, Upstream, send


def do_nothing(route: Route) -> None:
    """Leave the request pending."""


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.001)


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
    assert send(gateway).status == 500
    with pytest.raises(SharedWorkerError, match="do that in the test"):
        gateway._raise_handler_error()


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
