"""WebSockets through the gateway: a real client, a real server, no browser."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import pytest
from aiohttp import (
    ClientError,
    ClientSession,
    ClientWebSocketResponse,
    WSMsgType,
    WSServerHandshakeError,
    web,
)

from pytest_sharedworker.gateway.gateway import Gateway
from pytest_sharedworker.gateway.har import make_har
from pytest_sharedworker.gateway.route import Route
from pytest_sharedworker.gateway.toxics import Down, DropResponse, ResetPeer, Toxic
from pytest_sharedworker.gateway.websockets import close_socket
from pytest_sharedworker.integration.event_loop_thread import LoopThread
from unit.support.servers import Upstream, send

Socket: TypeAlias = "ClientWebSocketResponse[bool]"
Talk: TypeAlias = "Callable[[Socket], Awaitable[None]]"
CLOSED_BY_SERVER = 4001
CLOSED_BY_BROWSER = 4002
ABNORMAL = 1006
NO_CODE_IN_FRAME = 0
"""aiohttp's code of an empty close frame; a browser says 1005."""


async def echo(request: web.Request, ended: list[int | None]) -> web.StreamResponse:
    """Send everything back; end at "end"."""
    socket = web.WebSocketResponse(protocols=["second", "third"])
    await socket.prepare(request)
    async for message in socket:
        if message.type is WSMsgType.TEXT and message.data == "end":
            await socket.close(code=CLOSED_BY_SERVER, message=b"token expired")
        elif message.type is WSMsgType.TEXT:
            await socket.send_str(message.data)
        else:
            await socket.send_bytes(message.data)
    ended.append(socket.close_code)
    return socket


@pytest.fixture
def talk(gateway: Gateway, upstream: Upstream, sharedworker_loop: LoopThread) -> Callable[..., None]:
    """Open a WebSocket through the gateway and do something with it."""
    upstream.respond_later = lambda request: echo(request, upstream.ended)

    def talk(what: Talk, *, protocols: tuple[str, ...] = (), path: str = "/socket?a=1") -> None:
        async def run() -> None:
            async with (
                ClientSession() as session,
                session.ws_connect(gateway.url + path, protocols=protocols) as socket,
            ):
                await what(socket)

        sharedworker_loop.run(asyncio.wait_for(run(), 10))

    return talk


def test_messages_pass_both_ways_and_are_in_the_journal(
    gateway: Gateway, upstream: Upstream, talk: Callable[..., None]
) -> None:
    async def say(socket: Socket) -> None:
        await socket.send_str("hé")
        assert await socket.receive_str() == "hé"
        await socket.send_bytes(b"\x00\xff")
        assert await socket.receive_bytes() == b"\x00\xff"

    talk(say)
    (exchange,) = gateway.journal.wait_for("GET /socket?a=1")
    assert (exchange.status, exchange.path) == (101, "/socket?a=1")
    assert [(message.sender, message.data) for message in exchange.messages] == [
        ("unknown", "hé"),
        ("server", "hé"),
        ("unknown", b"\x00\xff"),
        ("server", b"\x00\xff"),
    ]
    assert "4 messages, last server: " in str(exchange)
    assert upstream.received[0].raw_path == "/socket?a=1"
    (entry,) = make_har(gateway.journal)["log"]["entries"]
    assert entry["_resourceType"] == "websocket"
    assert [(each["type"], each["opcode"], each["data"]) for each in entry["_webSocketMessages"]] == [
        ("send", 1, "hé"),
        ("receive", 1, "hé"),
        ("send", 2, "AP8="),
        ("receive", 2, "AP8="),
    ]


def test_message_may_be_long(talk: Callable[..., None]) -> None:
    async def say(socket: Socket) -> None:
        await socket.send_bytes(bytes(3_000_000))
        assert await socket.receive_bytes() == bytes(3_000_000)

    talk(say)


def test_server_and_browser_agree_on_a_protocol(talk: Callable[..., None]) -> None:
    async def check(socket: Socket) -> None:
        assert socket.protocol == "second"

    talk(check, protocols=("first", "second"))


def test_close_of_the_server_reaches_the_browser(gateway: Gateway, talk: Callable[..., None]) -> None:
    async def say(socket: Socket) -> None:
        await socket.send_str("end")
        message = await socket.receive()
        assert (message.data, message.extra) == (CLOSED_BY_SERVER, "token expired")

    talk(say)
    assert gateway.journal.wait_for("GET /socket?a=1")[0].ended


def test_close_of_the_browser_reaches_the_server(upstream: Upstream, talk: Callable[..., None]) -> None:
    async def leave(socket: Socket) -> None:
        await socket.close(code=CLOSED_BY_BROWSER)

    talk(leave)
    assert upstream.ended == [CLOSED_BY_BROWSER]


def test_close_of_the_browser_has_its_reason_and_gets_the_servers_reply(
    upstream: Upstream, talk: Callable[..., None]
) -> None:
    closes: list[tuple[object, object]] = []

    async def serve(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(autoclose=False)
        await socket.prepare(request)
        message = await socket.receive()
        closes.append((message.data, message.extra))
        await socket.close(code=4003)
        return socket

    async def leave(socket: Socket) -> None:
        await socket.close(code=3001, message=b"bye")
        assert socket.close_code == 4003

    upstream.respond_later = serve
    talk(leave)
    assert closes == [(3001, "bye")]


def test_close_without_a_code_has_none_on_the_other_side(
    upstream: Upstream, talk: Callable[..., None]
) -> None:
    """As `close()` of a browser sends it, and as a server replies that repeats what it gets."""
    closes: list[object] = []

    async def serve(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(autoclose=False)
        await socket.prepare(request)
        closes.append((await socket.receive()).data)
        await close_socket(socket, None)
        return socket

    async def leave(socket: Socket) -> None:
        await close_socket(socket, None)
        assert socket.close_code == NO_CODE_IN_FRAME

    upstream.respond_later = serve
    talk(leave)
    assert closes == [NO_CODE_IN_FRAME]


@pytest.mark.parametrize(("reply", "received"), [(None, NO_CODE_IN_FRAME), (1000, 1000)])
def test_servers_reply_to_a_close_reaches_the_browser(
    upstream: Upstream, talk: Callable[..., None], reply: int | None, received: int
) -> None:
    async def serve(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(autoclose=False)
        await socket.prepare(request)
        await socket.receive()
        await close_socket(socket, reply)
        return socket

    async def leave(socket: Socket) -> None:
        await socket.close(code=CLOSED_BY_BROWSER)
        assert socket.close_code == received

    upstream.respond_later = serve
    talk(leave)


def test_server_closes_without_a_code(upstream: Upstream, talk: Callable[..., None]) -> None:
    async def serve(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(autoclose=False)
        await socket.prepare(request)
        await close_socket(socket, None)
        upstream.ended.append(socket.close_code)
        return socket

    async def listen(socket: Socket) -> None:
        message = await socket.receive()
        assert (message.type, message.data) == (WSMsgType.CLOSE, NO_CODE_IN_FRAME)

    upstream.respond_later = serve
    talk(listen)


def test_server_without_websockets_refuses_with_its_status(
    upstream: Upstream, talk: Callable[..., None]
) -> None:
    upstream.respond_later = None
    upstream.respond = lambda _: web.Response(status=403)

    async def never(socket: Socket) -> None:
        raise AssertionError

    with pytest.raises(WSServerHandshakeError, match="403"):
        talk(never)


@pytest.mark.parametrize("status", [200, 302, 307])
def test_response_that_is_no_handshake_reaches_the_browser(
    gateway: Gateway, upstream: Upstream, status: int
) -> None:
    upstream.respond_later = None
    upstream.respond = lambda _: web.Response(status=status, headers={"Location": "/elsewhere"})
    handshake = (
        "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    )  # fmt: skip
    reply = send(gateway, "GET /socket HTTP/1.1", *handshake)
    assert (reply.status, reply.header("Location")) == (status, ["/elsewhere"])
    assert [received.raw_path for received in upstream.received] == ["/socket"]


COOKIES = [("Set-Cookie", "one=1"), ("Set-Cookie", "two=2"), ("X-Node", "7")]


def test_headers_of_the_servers_handshake_reach_the_browser(
    upstream: Upstream, talk: Callable[..., None]
) -> None:
    async def serve(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        socket.headers.extend(COOKIES)
        await socket.prepare(request)
        await socket.close()
        return socket

    async def check(socket: Socket) -> None:
        headers = socket._response.headers
        assert (headers.getall("Set-Cookie"), headers["X-Node"]) == (["one=1", "two=2"], "7")
        assert len(headers.getall("Sec-WebSocket-Accept")) == len(headers.getall("Upgrade")) == 1

    upstream.respond_later = serve
    talk(check)


def test_headers_of_a_refused_handshake_reach_the_browser(
    upstream: Upstream, talk: Callable[..., None]
) -> None:
    upstream.respond_later = None
    upstream.respond = lambda _: web.Response(status=401, headers=COOKIES, text="who are you?")

    async def never(socket: Socket) -> None:
        raise AssertionError

    with pytest.raises(WSServerHandshakeError, match="401") as refusal:
        talk(never)
    assert refusal.value.headers is not None
    assert list(refusal.value.headers.getall("Set-Cookie")) == ["one=1", "two=2"]


@pytest.mark.parametrize("toxic", [ResetPeer(), DropResponse()])
def test_toxic_meets_the_handshake(gateway: Gateway, talk: Callable[..., None], toxic: Toxic) -> None:
    async def never(socket: Socket) -> None:
        raise AssertionError

    with gateway.add_toxic(toxic, on="GET /socket?a=1"), pytest.raises(ClientError):
        talk(never)


def test_route_refuses_or_continues_the_handshake(gateway: Gateway, talk: Callable[..., None]) -> None:
    async def say(socket: Socket) -> None:
        await socket.send_str("through")
        assert await socket.receive_str() == "through"

    def refuse(route: Route) -> None:
        route.fulfill(status=401)

    with gateway.route("/socket?a=1", Route.continue_):
        talk(say)
    with gateway.route("/socket?a=1", refuse), pytest.raises(WSServerHandshakeError, match="401"):
        talk(say)


def test_down_breaks_open_sockets(gateway: Gateway, talk: Callable[..., None]) -> None:
    async def go_down(socket: Socket) -> None:
        await socket.send_str("open")
        await socket.receive_str()
        await asyncio.to_thread(gateway.add_toxic, Down())
        await socket.receive()
        assert socket.close_code == ABNORMAL

    talk(go_down)
    (exchange,) = gateway.journal.wait_for("GET /socket?a=1")
    assert [message.data for message in exchange.messages] == ["open", "open"]


def test_stopping_does_not_wait_for_open_sockets(gateway: Gateway, talk: Callable[..., None]) -> None:
    async def stop(socket: Socket) -> None:
        await socket.send_str("open")
        await socket.receive_str()
        await asyncio.to_thread(gateway._stop)
        await socket.receive()

    talk(stop)
