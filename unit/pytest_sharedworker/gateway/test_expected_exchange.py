"""expect_request and expect_response: exchanges from now on."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from pytest_sharedworker.errors import GatewayError, WaitTimeoutError
from pytest_sharedworker.gateway.gateway import Gateway
from unit.support.servers import send

SHORT = 50
"""In ms."""


def test_expected_request_is_one_of_the_block(gateway: Gateway) -> None:
    send(gateway, "GET /api?n=1 HTTP/1.1")
    with gateway.expect_request("**/api?*") as info:
        send(gateway, "GET /other HTTP/1.1")
        send(gateway, "GET /api?n=2 HTTP/1.1")
        send(gateway, "GET /api?n=3 HTTP/1.1")
    assert info.value.path == "/api?n=2"


def test_expected_request_may_come_after_the_block(gateway: Gateway) -> None:
    with ThreadPoolExecutor(1) as threads, gateway.expect_request("/api") as info:
        threading.Timer(SHORT / 1000, lambda: threads.submit(send, gateway, "GET /api HTTP/1.1")).start()
    assert info.value.method == "GET"


def test_expected_request_need_not_have_ended(gateway: Gateway) -> None:
    with ThreadPoolExecutor(1) as threads, gateway.route("/api", lambda route: None) as rule:
        with gateway.expect_request("/api") as info:
            threads.submit(send, gateway, "GET /api HTTP/1.1")
        assert not info.value.ended
        with gateway.expect_response("/api") as info:
            rule.wait_for()[0].fulfill(status=204)
        assert (info.value.ended, info.value.status) == (True, 204)


def test_expected_response_is_one_from_now_on(gateway: Gateway) -> None:
    send(gateway, "GET /api HTTP/1.1")
    gateway.journal.wait_for("/api")
    with pytest.raises(WaitTimeoutError):
        with gateway.expect_response("/api", timeout=SHORT):
            pass


def test_value_waits_inside_the_block(gateway: Gateway) -> None:
    with ThreadPoolExecutor(1) as threads, gateway.expect_request("/api") as info:
        threads.submit(send, gateway, "GET /api HTTP/1.1")
        assert info.value.path == "/api"


def test_request_that_never_comes_is_a_timeout(gateway: Gateway) -> None:
    with pytest.raises(WaitTimeoutError) as error:
        with gateway.expect_request("POST /api", timeout=SHORT):
            send(gateway, "GET /api HTTP/1.1")
    text = str(error.value)
    assert text.startswith("waited 50 ms for a request of 'POST /api', saw 0.")
    assert "GET /api" in text


def test_error_of_the_block_is_not_hidden(gateway: Gateway) -> None:
    with pytest.raises(ZeroDivisionError), gateway.expect_request("/api"):
        _ = 1 / 0


def test_wrong_pattern_is_refused_at_once(gateway: Gateway) -> None:
    with pytest.raises(GatewayError, match="did you mean '/api'"):
        gateway.expect_request("http://localhost/api")
