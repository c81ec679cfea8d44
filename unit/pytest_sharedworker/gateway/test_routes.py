"""Routes at the gateway, with a real server behind it and real connections in front of it.

What a worker and its virtual time see of a route is for the browser's tests.
"""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from aiohttp import web

from pytest_sharedworker.errors import GatewayError, SharedWorkerError, WaitTimeoutError
from pytest_sharedworker.gateway.gateway import Gateway
from pytest_sharedworker.gateway.route import Route
from unit.support.servers import Reply, Upstream, ask


def test_a_fulfilled_request_never_reaches_the_server(gateway: Gateway, upstream: Upstream) -> None:
    gateway.route("GET /api/*", lambda route: route.fulfill(status=203, headers={"X-A": "1"}, json=[1]))
    reply = ask(gateway, "GET /api/items?page=2 HTTP/1.1")
    assert (reply.status, reply.body, reply.header("X-A")) == (203, b"[1]", ["1"])
    assert reply.header("Content-Type") == ["application/json"]
    assert upstream.received == []


def test_a_body_of_text_or_bytes_gets_a_content_type_unless_one_is_given(gateway: Gateway) -> None:
    gateway.route("/text", lambda route: route.fulfill(body="ü"))
    gateway.route("/bytes", lambda route: route.fulfill(body=b"\xff"))
    gateway.route("/own", lambda route: route.fulfill(body="{}", headers={"content-type": "text/x-own"}))
    text = ask(gateway, "GET /text HTTP/1.1")
    assert (text.body, text.header("Content-Type")) == ("ü".encode(), ["text/plain; charset=utf-8"])
    raw = ask(gateway, "GET /bytes HTTP/1.1")
    assert (raw.body, raw.header("Content-Type")) == (b"\xff", ["application/octet-stream"])
    assert ask(gateway, "GET /own HTTP/1.1").header("Content-Type") == ["text/x-own"]


def test_a_continued_request_reaches_the_server_unchanged(gateway: Gateway, upstream: Upstream) -> None:
    gateway.route("*", lambda route: route.continue_())
    assert ask(gateway, "POST /x?y=%20 HTTP/1.1", "X-A: 1", body=b"body").body == b"fine"
    (received,) = upstream.received
    assert (received.method, received.raw_path, received.body) == ("POST", "/x?y=%20", b"body")
    assert received.header("X-A") == ["1"]


def test_a_continued_request_can_change_its_method_headers_and_body(
    gateway: Gateway, upstream: Upstream
) -> None:
    gateway.route(
        "*",
        lambda route: route.continue_(
            method="PUT", headers={"x-a": "2", "X-B": None, "X-C": "3"}, body="new"
        ),
    )
    ask(gateway, "POST /x HTTP/1.1", "X-A: 1", "X-B: 1", body=b"longer than before")
    (received,) = upstream.received
    assert (received.method, received.body) == ("PUT", b"new")
    assert [received.header(name) for name in ("X-A", "X-B", "X-C")] == [["2"], [], ["3"]]


def test_the_servers_answer_can_be_fetched_and_changed(gateway: Gateway, upstream: Upstream) -> None:
    upstream.respond = lambda request: web.json_response({"a": 1}, status=201, headers={"X-Server": "yes"})

    async def add_b(route: Route) -> None:
        answer = await route.fetch()
        route.fulfill(answer=answer, json={**answer.json(), "b": 2})

    gateway.route("*", add_b)
    reply = ask(gateway)
    assert (reply.status, json.loads(reply.body)) == (201, {"a": 1, "b": 2})
    assert reply.header("X-Server") == ["yes"]


def test_a_fetched_answer_is_not_compressed(gateway: Gateway, upstream: Upstream) -> None:
    def compressed(request: web.Request) -> web.Response:
        response = web.Response(text="plain words")
        response.enable_compression()
        return response

    async def shout(route: Route) -> None:
        answer = await route.fetch()
        route.fulfill(answer=answer, body=answer.text.upper())

    upstream.respond = compressed
    gateway.route("*", shout)
    assert ask(gateway, "GET / HTTP/1.1", "Accept-Encoding: gzip").body == b"PLAIN WORDS"


@pytest.mark.parametrize("reset", [True, False])
def test_an_aborted_request_gets_no_answer(gateway: Gateway, upstream: Upstream, reset: bool) -> None:
    gateway.route("*", lambda route: route.abort(reset=reset))
    assert ask(gateway) == Reply(b"", reset=reset)
    assert upstream.received == []
    (exchange,) = gateway.journal.wait_for()
    assert (exchange.status, exchange.cut) == (None, "reset" if reset else "closed")


def test_the_newest_route_is_asked_first_and_may_leave_it_to_the_older(
    gateway: Gateway, upstream: Upstream
) -> None:
    asked: list[str] = []
    gateway.route("*", lambda route: asked.append("oldest"))
    gateway.route("*", lambda route: asked.append("older"))
    gateway.route("GET /both", lambda route: route.fulfill(body="newest"))
    assert ask(gateway, "GET /both HTTP/1.1").body == b"newest"
    assert asked == []
    assert ask(gateway, "GET /other HTTP/1.1").body == b"fine"
    assert asked == ["older", "oldest"]


def test_after_continue_the_older_routes_are_not_asked(gateway: Gateway) -> None:
    gateway.route("*", lambda route: route.fulfill(body="older"))
    gateway.route("*", lambda route: route.continue_())
    assert ask(gateway).body == b"fine"


def test_times_limits_how_many_requests_a_route_gets(gateway: Gateway) -> None:
    gateway.route("*", lambda route: route.fulfill(body="routed"), times=2)
    assert [ask(gateway).body for _ in range(3)] == [b"routed", b"routed", b"fine"]


def test_a_route_ends_with_its_block_or_with_unroute(gateway: Gateway) -> None:
    def one(route: Route) -> None:
        route.fulfill(body="one")

    def two(route: Route) -> None:
        route.fulfill(body="two")

    with gateway.route("*", one):
        assert ask(gateway).body == b"one"
    assert ask(gateway).body == b"fine"
    gateway.route("*", one)
    gateway.route("*", two)
    gateway.unroute("*", two)
    assert ask(gateway).body == b"one"
    gateway.unroute("*")
    assert ask(gateway).body == b"fine"


def test_a_held_request_waits_for_its_release(gateway: Gateway, upstream: Upstream) -> None:
    with ThreadPoolExecutor(1) as threads, gateway.route("*", lambda route: route.hold()) as held:
        reply = threads.submit(ask, gateway)
        (route,) = held.wait_for()
        assert (upstream.received, reply.done(), route.exchange.ended) == ([], False, False)
        assert route.exchange.route == "held"
        route.release()
        assert reply.result().body == b"fine"
    assert len(upstream.received) == 1


def test_what_a_handler_decides_waits_for_the_release_too(gateway: Gateway) -> None:
    def hold_and_refuse(route: Route) -> None:
        route.hold()
        route.fulfill(status=503)

    async def hold_then_look(route: Route) -> None:
        await route.hold()
        route.fulfill(body=", ".join(words))

    words = ["before"]
    gateway.route("/plain", hold_and_refuse)
    gateway.route("/async", hold_then_look)
    with ThreadPoolExecutor(2) as threads:
        plain = threads.submit(ask, gateway, "GET /plain HTTP/1.1")
        late = threads.submit(ask, gateway, "GET /async HTTP/1.1")
        gateway.journal.wait_for(count=2, ended=False)
        assert not plain.done()
        assert not late.done()
        words.append("after")
        for rule in gateway.rules:
            rule.wait_for()
            rule.release()
        assert plain.result().status == 503
        assert late.result().body == b"before, after"


def test_toxics_work_on_what_a_route_answers(gateway: Gateway) -> None:
    gateway.route("*", lambda route: route.fulfill(body="0123456789"))
    gateway.toxic("limit_data", bytes=4)
    reply = ask(gateway)
    assert (reply.body, reply.reset) == (b"0123", True)


def test_a_mounted_file_can_be_fetched_and_changed(gateway: Gateway) -> None:
    async def shout(route: Route) -> None:
        answer = await route.fetch()
        route.fulfill(answer=answer, body=answer.body.upper())

    gateway.mount("/page.html", "<p>words")
    gateway.route("/page.html", shout)
    reply = ask(gateway, "GET /page.html HTTP/1.1")
    assert (reply.body, reply.header("Content-Type")) == (b"<P>WORDS", ["text/html"])


@pytest.mark.parametrize("is_async", [False, True])
def test_a_handler_that_raises_gives_a_500_and_its_exception_to_the_test(
    gateway: Gateway, upstream: Upstream, is_async: bool
) -> None:
    def plain(route: Route) -> None:
        raise LookupError("no such thing")

    async def later(route: Route) -> None:
        plain(route)

    gateway.route("*", later if is_async else plain)
    reply = ask(gateway)
    assert reply.status == 500
    assert b"LookupError('no such thing')" in reply.body
    assert upstream.received == []
    with pytest.raises(LookupError, match="no such thing"):
        gateway.raise_handler_error()
    gateway.raise_handler_error()


def test_a_failed_check_in_a_handler_counts_as_its_exception(gateway: Gateway) -> None:
    gateway.route("*", lambda route: pytest.fail("unexpected request"))
    assert ask(gateway).status == 500
    with pytest.raises(pytest.fail.Exception, match="unexpected request"):
        gateway.raise_handler_error()


def test_a_second_decision_is_an_error(gateway: Gateway) -> None:
    def twice(route: Route) -> None:
        route.abort()
        route.fulfill()

    gateway.route("*", twice)
    assert ask(gateway).status == 500
    with pytest.raises(GatewayError, match="decided on already"):
        gateway.raise_handler_error()


def test_a_body_and_a_json_at_once_are_an_error(gateway: Gateway) -> None:
    gateway.route("*", lambda route: route.fulfill(body="a", json="b"))
    ask(gateway)
    with pytest.raises(GatewayError, match="not both"):
        gateway.raise_handler_error()


def test_a_handler_that_would_wait_for_its_own_thread_is_told_so_at_once(gateway: Gateway) -> None:
    gateway.route("*", lambda route: gateway.toxic("down"))
    started = time.monotonic()
    assert ask(gateway).status == 500
    assert time.monotonic() - started < 5
    with pytest.raises(SharedWorkerError, match="do that in the test"):
        gateway.raise_handler_error()


def test_a_pattern_that_is_none_and_times_below_one_are_refused(gateway: Gateway) -> None:
    with pytest.raises(SharedWorkerError, match="no pattern"):
        gateway.route("GET /a /b", lambda route: None)
    with pytest.raises(GatewayError, match="1 or more"):
        gateway.route("*", lambda route: None, times=0)


def test_waiting_for_a_request_that_never_comes_says_so(gateway: Gateway) -> None:
    rule = gateway.route("GET /never", lambda route: None)
    with pytest.raises(WaitTimeoutError, match=r"1 requests at the route 'GET /never', saw 0"):
        rule.wait_for(timeout_seconds=0.05)


def test_the_journal_tells_what_a_route_did(gateway: Gateway) -> None:
    gateway.route("/a", lambda route: route.fulfill(status=204))
    gateway.route("/b", lambda route: route.continue_(body="new"))
    for path in ("/a", "/b", "/c"):
        ask(gateway, f"GET {path} HTTP/1.1")
    assert [exchange.route for exchange in gateway.journal] == ["fulfilled", "continued, changed", None]
    assert str(gateway.journal.exchanges[0]).endswith("→ 204 [route: fulfilled]")
