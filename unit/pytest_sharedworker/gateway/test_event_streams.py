"""Event streams through the gateway: a real client, a real server, no browser."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import ClientError, ClientResponse, ClientSession, web

from pytest_sharedworker.gateway.gateway import Gateway
from pytest_sharedworker.gateway.route import AsyncRoute
from pytest_sharedworker.gateway.toxics import Down, ResetPeer
from pytest_sharedworker.integration.event_loop_thread import LoopThread
from unit.support.servers import Upstream

TIMEOUT_SECONDS = 10
ACCEPT = {"Accept": "text/event-stream"}


class Events:
    """A server of one event stream, that a test can feed."""

    def __init__(self) -> None:
        self.next: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.left = asyncio.Event()

    async def respond(self, request: web.Request) -> web.StreamResponse:
        """Send what the test says; None ends the stream, b"" breaks it off."""
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "X-Own": "1"})
        await response.prepare(request)
        await response.write(b"")
        while (piece := await self._next(request)) is not None:
            if not piece:
                assert request.transport is not None
                request.transport.abort()
                return response
            await response.write(piece)
        return response

    async def _next(self, request: web.Request) -> bytes | None:
        while request.transport is not None and not request.transport.is_closing():
            try:
                return await asyncio.wait_for(self.next.get(), 0.05)
            except asyncio.TimeoutError:
                continue
        self.left.set()
        return None


@pytest.fixture
def events(upstream: Upstream, sharedworker_loop: LoopThread) -> Events:
    """Serve a stream that a test feeds."""

    async def make() -> Events:
        return Events()

    events = sharedworker_loop.run(make())
    upstream.respond_later = events.respond
    return events


@pytest.fixture
def listen(gateway: Gateway, sharedworker_loop: LoopThread) -> Callable[..., None]:
    """Request the stream through the gateway and do something with the response."""

    def listen(what: Callable[[ClientResponse], Awaitable[None]]) -> None:
        async def run() -> None:
            async with (
                ClientSession() as session,
                session.get(gateway.url + "/events", headers=ACCEPT) as response,
            ):
                await what(response)

        sharedworker_loop.run(asyncio.wait_for(run(), TIMEOUT_SECONDS))

    return listen


def test_each_event_comes_when_the_server_sends_it(
    gateway: Gateway, events: Events, listen: Callable[..., None]
) -> None:
    async def read(response: ClientResponse) -> None:
        assert (response.status, response.content_type, response.headers["X-Own"]) == (
            200,
            "text/event-stream",
            "1",
        )
        for event in (b"data: 1\n\n", b"data: 2\n\n"):
            events.next.put_nowait(event)
            assert await response.content.readany() == event
        (exchange,) = gateway.journal.select("GET /events")
        assert (exchange.ended, exchange.response_body) == (False, b"data: 1\n\ndata: 2\n\n")
        events.next.put_nowait(None)
        assert await response.content.read() == b""

    listen(read)
    (exchange,) = gateway.journal.wait_for("GET /events")
    assert exchange.response_body == exchange.upstream_response_body == b"data: 1\n\ndata: 2\n\n"


def test_server_sees_that_the_browser_has_left(events: Events, listen: Callable[..., None]) -> None:
    async def leave(response: ClientResponse) -> None:
        response.close()
        await events.left.wait()

    listen(leave)


def test_stream_breaks_where_the_server_breaks_it(events: Events, listen: Callable[..., None]) -> None:
    async def read(response: ClientResponse) -> None:
        events.next.put_nowait(b"data: 1\n\n")
        assert await response.content.readany() == b"data: 1\n\n"
        events.next.put_nowait(b"")
        with pytest.raises(ClientError):
            await response.content.read()

    listen(read)


def test_down_breaks_open_streams(gateway: Gateway, events: Events, listen: Callable[..., None]) -> None:
    async def go_down(response: ClientResponse) -> None:
        await asyncio.to_thread(gateway.add_toxic, Down())
        with pytest.raises(ClientError):
            await response.content.read()

    listen(go_down)


def test_toxic_meets_the_request(gateway: Gateway, events: Events, listen: Callable[..., None]) -> None:
    async def never(response: ClientResponse) -> None:
        raise AssertionError

    with gateway.add_toxic(ResetPeer(), on="GET /events"), pytest.raises(ClientError):
        listen(never)


def test_route_responds_in_the_servers_place(
    gateway: Gateway, events: Events, listen: Callable[..., None]
) -> None:
    async def read(response: ClientResponse) -> None:
        assert await response.read() == b"data: mine\n\n"

    async def change(route: AsyncRoute) -> None:
        route.fulfill(response=await route.fetch(), body="data: mine\n\n")

    with gateway.route("/events", change):
        listen(read)


def test_posted_body_reaches_the_server(
    gateway: Gateway, upstream: Upstream, events: Events, sharedworker_loop: LoopThread
) -> None:
    async def send() -> None:
        events.next.put_nowait(b"data: 1\n\n")
        events.next.put_nowait(None)
        async with ClientSession() as session:
            async with session.post(gateway.url + "/events", data=b"a message", headers=ACCEPT) as response:
                assert await response.read() == b"data: 1\n\n"

    sharedworker_loop.run(asyncio.wait_for(send(), TIMEOUT_SECONDS))
    assert upstream.received[0].body == b"a message"


def test_response_that_is_no_stream_comes_complete(upstream: Upstream, listen: Callable[..., None]) -> None:
    upstream.respond = lambda _: web.Response(status=503, text="not now")

    async def read(response: ClientResponse) -> None:
        assert (response.status, await response.text()) == (503, "not now")

    listen(read)
