"""Requests that neither a route nor served content handles, under each policy."""

from __future__ import annotations

import warnings

import pytest

from pytest_sharedworker.errors import GatewayError
from pytest_sharedworker.gateway.gateway import Gateway
from pytest_sharedworker.gateway.toxics import HttpStatus
from pytest_sharedworker.gateway.unhandled import UnhandledRequestWarning
from unit.support.servers import Upstream, send


def test_unhandled_request_goes_to_the_server_by_default(gateway: Gateway) -> None:
    assert gateway.on_unhandled_request == "bypass"
    assert send(gateway).body == b"fine"


def test_error_refuses_and_fails_the_test(gateway: Gateway, upstream: Upstream) -> None:
    gateway.on_unhandled_request = "error"
    reply = send(gateway, "POST /api?a=1 HTTP/1.1", "Referer: http://a.test/", body=b"x")
    assert reply.status == 500
    assert b"no route and no served content handles POST /api?a=1 x (sender: tab)" in reply.body
    assert upstream.received == []
    assert gateway.journal.exchanges[0].route == "unhandled"
    with pytest.raises(GatewayError, match=r"handles POST /api\?a=1 .*on_unhandled_request is 'error'"):
        gateway._raise_handler_error()


def test_warn_forwards_and_warns_at_the_end(gateway: Gateway, upstream: Upstream) -> None:
    gateway.on_unhandled_request = "warn"
    assert send(gateway, "GET /api HTTP/1.1").body == b"fine"
    with pytest.warns(UnhandledRequestWarning, match="handles GET /api"):
        gateway._stop()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gateway._stop()


def test_handled_requests_are_no_errors(gateway: Gateway) -> None:
    gateway.on_unhandled_request = "error"
    gateway.serve("/served", "x")
    gateway.route("/fulfilled", lambda route: route.fulfill())
    gateway.route("/continued", lambda route: route.continue_())
    gateway.add_toxic(HttpStatus(201), on="/broken")
    for path in ("served", "fulfilled", "continued", "broken", "favicon.ico"):
        assert send(gateway, f"GET /{path} HTTP/1.1").status in (200, 201)
    gateway._raise_handler_error()


def test_fallback_of_every_route_is_unhandled(gateway: Gateway) -> None:
    gateway.on_unhandled_request = "error"
    gateway.route("**", lambda route: route.fallback())
    gateway.serve("/served", "x")
    assert send(gateway, "GET /served HTTP/1.1").status == 200
    gateway._raise_handler_error()
    assert send(gateway, "GET /other HTTP/1.1").status == 500
    with pytest.raises(GatewayError, match="GET /other"):
        gateway._raise_handler_error()


def test_unknown_policy_is_refused(gateway: Gateway) -> None:
    with pytest.raises(GatewayError, match="one of 'error', 'warn', 'bypass', not 'ignore'"):
        gateway.on_unhandled_request = "ignore"  # type: ignore[assignment]
