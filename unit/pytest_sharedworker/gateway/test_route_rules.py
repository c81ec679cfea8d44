"""The rules that the gateway keeps: which route gets a request, and how often.

A real server is behind the gateway, and real connections in front of it.
"""

from __future__ import annotations

import re

import pytest

from pytest_sharedworker.errors import (
    GatewayError,
    SharedWorkerError,
    WaitTimeoutError,
)
from pytest_sharedworker.gateway.gateway import Gateway
from pytest_sharedworker.gateway.route import Route
from pytest_sharedworker.gateway.toxics import LimitData
from unit.support.servers import send


def do_nothing(route: Route) -> None:
    """Leave the request pending."""


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
