"""What a route fetches and reads: the response of the server, the request of the client.

A real server is behind the gateway, and real connections in front of it.
"""

from __future__ import annotations

import asyncio
import gzip
import json

import pytest
from aiohttp import web

from pytest_sharedworker.errors import (
    GatewayError,
    SharedWorkerError,
    WaitTimeoutError,
)
from pytest_sharedworker.gateway.gateway import Gateway
from pytest_sharedworker.gateway.messages import Request, Response
from pytest_sharedworker.gateway.route import AsyncRoute, Route
from unit.support.servers import Upstream, send

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
