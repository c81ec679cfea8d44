"""Routes for WebSockets: a real client, a real server where the route connects to it, no browser."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import pytest
from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType, WSServerHandshakeError, web

from pytest_sharedworker.errors import GatewayError
from pytest_sharedworker.gateway.gateway import Gateway
from pytest_sharedworker.gateway.toxics import Down, ResetPeer
from pytest_sharedworker.gateway.web_socket_route import WebSocketRoute
from pytest_sharedworker.gateway.websockets import close_socket
from pytest_sharedworker.integration.event_loop_thread import LoopThread
from unit.support.servers import Upstream

Socket: TypeAlias = "ClientWebSocketResponse[bool]"
Talk: TypeAlias = "Callable[..., None]"
PATH = "/socket?a=1"


async def echo(request: web.Request, ended: list[int | None]) -> web.StreamResponse:
    """Send everything back in capitals; close at "END"."""
    socket = web.WebSocketResponse(protocols=["second"])
    await socket.prepare(request)
    async for message in socket:
        if message.data == "END":
            await socket.close(code=4001, message=b"bye")
        elif message.type is WSMsgType.TEXT:
            await socket.send_str(message.data.upper())
        else:
            await socket.send_bytes(message.data)
    ended.append(socket.close_code)
    return socket


@pytest.fixture
def talk(gateway: Gateway, upstream: Upstream, sharedworker_loop: LoopThread) -> Talk:
    """Open a WebSocket through the gateway and do something with it."""
    upstream.respond_later = lambda request: echo(request, upstream.ended)

    def talk(what: Callable[[Socket], Awaitable[None]], *, protocols: tuple[str, ...] = ()) -> None:
        async def run() -> None:
            async with (
                ClientSession() as session,
                session.ws_connect(gateway.url + PATH, protocols=protocols) as socket,
            ):
                await what(socket)

        sharedworker_loop.run(asyncio.wait_for(run(), 10))

    return talk


async def expect_close(socket: Socket) -> tuple[int | None, object]:
    message = await socket.receive()
    assert message.type is WSMsgType.CLOSE
    return socket.close_code, message.extra


# --- mocks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_async", [False, True])
def test_route_mocks_the_server(gateway: Gateway, upstream: Upstream, talk: Talk, is_async: bool) -> None:
    routes: list[WebSocketRoute] = []

    def mock(ws: WebSocketRoute) -> None:
        routes.append(ws)
        ws.send("welcome")
        ws.on_message(lambda message: ws.send(b"\x01" if message == "bytes" else f"you said {message!r}"))

    async def mock_later(ws: WebSocketRoute) -> None:
        mock(ws)

    async def say(socket: Socket) -> None:
        assert await socket.receive_str() == "welcome"
        await socket.send_str("hé")
        assert await socket.receive_str() == "you said 'hé'"
        await socket.send_bytes(b"\xff")
        assert await socket.receive_str() == "you said b'\\xff'"
        await socket.send_str("bytes")
        assert await socket.receive_bytes() == b"\x01"

    gateway.route_web_socket("**/socket?*", mock_later if is_async else mock)
    talk(say)
    assert upstream.received == []
    assert routes[0].url == f"ws{gateway.url[4:]}{PATH}"
    (exchange,) = gateway.journal.wait_for(PATH)
    assert (exchange.status, exchange.route, exchange.upstream_status) == (101, "web socket route", None)
    assert [(message.sender, message.data) for message in exchange.messages] == [
        ("server", "welcome"),
        ("unknown", "hé"),
        ("server", "you said 'hé'"),
        ("unknown", b"\xff"),
        ("server", "you said b'\\xff'"),
        ("unknown", "bytes"),
        ("server", b"\x01"),
    ]


def test_messages_without_a_handler_are_dropped(gateway: Gateway, upstream: Upstream, talk: Talk) -> None:
    async def say(socket: Socket) -> None:
        await socket.send_str("unheard")

    gateway.route_web_socket(PATH, lambda ws: None)
    talk(say)
    assert upstream.received == []
    assert [each.data for each in gateway.journal.wait_for(PATH)[0].messages] == ["unheard"]


def test_test_can_send_and_close_later(gateway: Gateway, talk: Talk) -> None:
    rule = gateway.route_web_socket(PATH, lambda ws: None)

    async def listen(socket: Socket) -> None:
        (ws,) = rule.routes
        await asyncio.to_thread(ws.send, "one")
        await asyncio.to_thread(ws.send, "two")
        assert [await socket.receive_str() for _ in range(2)] == ["one", "two"]
        await asyncio.to_thread(lambda: ws.close(code=4002, reason="enough"))
        assert await expect_close(socket) == (4002, "enough")

    talk(listen)


def test_close_is_normal_by_default(gateway: Gateway, talk: Talk) -> None:
    async def listen(socket: Socket) -> None:
        assert await expect_close(socket) == (1000, "")

    gateway.route_web_socket(PATH, lambda ws: ws.close())
    talk(listen)


def test_close_of_the_browser_calls_the_handler(gateway: Gateway, talk: Talk) -> None:
    closes: list[tuple[int | None, str | None]] = []

    async def leave(socket: Socket) -> None:
        await socket.close(code=4003, message=b"gone")

    gateway.route_web_socket(PATH, lambda ws: ws.on_close(lambda code, reason: closes.append((code, reason))))
    talk(leave)
    gateway.journal.wait_for(PATH)
    assert closes == [(4003, "gone")]


def test_close_without_a_code_calls_the_handler_without_one(gateway: Gateway, talk: Talk) -> None:
    closes: list[tuple[int | None, str | None]] = []

    async def leave(socket: Socket) -> None:
        await close_socket(socket, None)

    gateway.route_web_socket(PATH, lambda ws: ws.on_close(lambda code, reason: closes.append((code, reason))))
    talk(leave)
    gateway.journal.wait_for(PATH)
    assert closes == [(None, "")]


def test_close_without_a_code_is_forwarded_without_one(
    gateway: Gateway, upstream: Upstream, talk: Talk
) -> None:
    async def leave(socket: Socket) -> None:
        await close_socket(socket, None)

    gateway.route_web_socket(PATH, lambda ws: ws.connect_to_server())
    talk(leave)
    gateway.journal.wait_for(PATH)
    assert upstream.ended == [0], "aiohttp's code of an empty frame"


def test_mock_sees_the_offered_protocols_and_accepts_the_first(gateway: Gateway, talk: Talk) -> None:
    async def check(socket: Socket) -> None:
        assert socket.protocol == "first"

    rule = gateway.route_web_socket(PATH, lambda ws: None)
    talk(check, protocols=("first", "second"))
    assert rule.routes[0].protocols == ["first", "second"]


# --- with the server ------------------------------------------------------------------------------


def test_connected_route_forwards_both_ways(gateway: Gateway, upstream: Upstream, talk: Talk) -> None:
    async def say(socket: Socket) -> None:
        assert socket.protocol == "second"
        await socket.send_str("a")
        assert await socket.receive_str() == "A"
        await socket.send_bytes(b"\x00")
        assert await socket.receive_bytes() == b"\x00"
        await socket.close(code=4004)

    gateway.route_web_socket(PATH, lambda ws: ws.connect_to_server())
    talk(say, protocols=("first", "second"))
    (exchange,) = gateway.journal.wait_for(PATH)
    assert (exchange.route, exchange.upstream_status) == ("web socket route, connected", 101)
    assert [message.data for message in exchange.messages] == ["a", "A", b"\x00", b"\x00"]
    assert upstream.received[0].raw_path == PATH
    assert upstream.ended == [4004]


def test_route_changes_messages_both_ways(gateway: Gateway, talk: Talk) -> None:
    def between(ws: WebSocketRoute) -> None:
        server = ws.connect_to_server()
        ws.on_message(lambda message: server.send(f"{message!s}?"))
        server.on_message(lambda message: ws.send(f"{message!s}!"))

    async def say(socket: Socket) -> None:
        await socket.send_str("a")
        assert await socket.receive_str() == "A?!"

    gateway.route_web_socket(PATH, between)
    talk(say)
    (exchange,) = gateway.journal.wait_for(PATH)
    assert [(message.sender, message.data) for message in exchange.messages] == [
        ("unknown", "a"),
        ("server", "A?!"),
    ]


def test_close_of_the_server_reaches_the_browser(gateway: Gateway, talk: Talk) -> None:
    async def say(socket: Socket) -> None:
        await socket.send_str("END")
        assert await expect_close(socket) == (4001, "bye")

    gateway.route_web_socket(PATH, lambda ws: ws.connect_to_server())
    talk(say)


def test_route_handles_the_close_of_the_server(gateway: Gateway, talk: Talk) -> None:
    def reopen(ws: WebSocketRoute) -> None:
        server = ws.connect_to_server()
        server.on_close(lambda code, reason: ws.send(f"closed {code} {reason}"))

    async def say(socket: Socket) -> None:
        await socket.send_str("END")
        assert await socket.receive_str() == "closed 4001 bye"

    gateway.route_web_socket(PATH, reopen)
    talk(say)


def test_route_may_connect_late(gateway: Gateway, talk: Talk) -> None:
    def connect_at_first_message(ws: WebSocketRoute) -> None:
        servers: list[WebSocketRoute] = []

        def handle(message: str | bytes) -> None:
            if not servers:
                servers.append(ws.connect_to_server())
            servers[0].send(message)

        ws.on_message(handle)

    async def say(socket: Socket) -> None:
        for text in ("a", "b"):
            await socket.send_str(text)
            assert await socket.receive_str() == text.upper()

    gateway.route_web_socket(PATH, connect_at_first_message)
    talk(say)


def test_server_that_refuses_has_its_status(gateway: Gateway, upstream: Upstream, talk: Talk) -> None:
    upstream.respond_later = None
    upstream.respond = lambda _: web.Response(status=403)

    async def never(socket: Socket) -> None:
        raise AssertionError

    gateway.route_web_socket(PATH, lambda ws: ws.connect_to_server())
    with pytest.raises(WSServerHandshakeError, match="403"):
        talk(never)


def test_server_that_refuses_a_late_connection_closes(
    gateway: Gateway, upstream: Upstream, talk: Talk
) -> None:
    upstream.respond_later = None
    upstream.respond = lambda _: web.Response(status=403)

    async def say(socket: Socket) -> None:
        await socket.send_str("connect")
        assert await expect_close(socket) == (1011, "the server refused the WebSocket")

    gateway.route_web_socket(PATH, lambda ws: ws.on_message(lambda _: ws.connect_to_server()))
    talk(say)


def test_second_connection_is_an_error(gateway: Gateway, talk: Talk) -> None:
    def twice(ws: WebSocketRoute) -> None:
        server = ws.connect_to_server()
        for side in (ws, server):
            with pytest.raises(GatewayError, match="already connected"):
                side.connect_to_server()

    async def say(socket: Socket) -> None:
        await socket.send_str("a")
        assert await socket.receive_str() == "A"

    gateway.route_web_socket(PATH, twice)
    talk(say)


# --- rules, errors and toxics ---------------------------------------------------------------------


def test_newest_route_counts_and_http_routes_do_not_see_the_handshake(gateway: Gateway, talk: Talk) -> None:
    async def listen(socket: Socket) -> None:
        assert await socket.receive_str() == "newest"

    gateway.route("**", lambda route: route.abort(), optional=True)
    gateway.route_web_socket("**", lambda ws: ws.send("older"), optional=True)
    with gateway.route_web_socket(PATH, lambda ws: ws.send("newest")):
        talk(listen)


def test_other_sockets_are_not_routed(gateway: Gateway, talk: Talk) -> None:
    async def say(socket: Socket) -> None:
        await socket.send_str("a")
        assert await socket.receive_str() == "A"

    gateway.route_web_socket("**/other", lambda ws: ws.close(), optional=True)
    with gateway.route_web_socket(PATH, lambda ws: ws.close(), optional=True):
        pass
    talk(say)


def test_handler_that_raises_refuses_and_fails_the_test(gateway: Gateway, talk: Talk) -> None:
    def fail(ws: WebSocketRoute) -> None:
        raise LookupError("no mock")

    async def never(socket: Socket) -> None:
        raise AssertionError

    gateway.route_web_socket(PATH, fail)
    with pytest.raises(WSServerHandshakeError, match="500"):
        talk(never)
    with pytest.raises(LookupError, match="no mock"):
        gateway._raise_handler_error()


def test_message_handler_that_raises_closes_and_fails_the_test(gateway: Gateway, talk: Talk) -> None:
    def fail(message: object) -> None:
        raise LookupError(message)

    async def say(socket: Socket) -> None:
        await socket.send_str("a")
        assert await expect_close(socket) == (1011, "the handler raised")

    gateway.route_web_socket(PATH, lambda ws: ws.on_message(fail))
    talk(say)
    with pytest.raises(LookupError, match="a"):
        gateway._raise_handler_error()


def test_wrong_use_is_an_error_with_advice(gateway: Gateway, talk: Talk) -> None:
    async def nothing(socket: Socket) -> None:
        pass

    rule = gateway.route_web_socket(PATH, lambda ws: None)
    talk(nothing)
    (ws,) = rule.routes
    for code in (0, 999, 1005, 1006, 5000):
        with pytest.raises(GatewayError, match=f"3000 to 4999, not {code}"):
            ws.close(code=code)
    with pytest.raises(GatewayError, match="at most 123 bytes"):
        ws.close(reason="ü" * 62)
    with pytest.raises(GatewayError, match=r"text or bytes, not \{\}"):
        ws.send({})  # type: ignore[arg-type]
    with pytest.raises(GatewayError, match="a handler"):
        ws.on_message(lambda: None)  # type: ignore[arg-type, misc]


def test_toxic_meets_the_handshake_before_the_route(gateway: Gateway, talk: Talk) -> None:
    async def never(socket: Socket) -> None:
        raise AssertionError

    gateway.route_web_socket(PATH, lambda ws: None, optional=True)
    with (
        gateway.add_toxic(ResetPeer(), on=f"GET {PATH}"),
        pytest.raises(OSError, match=r"reset|disconnected"),
    ):
        talk(never)


def test_down_breaks_a_routed_socket(gateway: Gateway, talk: Talk) -> None:
    async def go_down(socket: Socket) -> None:
        assert await socket.receive_str() == "open"
        await asyncio.to_thread(gateway.add_toxic, Down())
        await socket.receive()
        assert socket.close_code == 1006

    gateway.route_web_socket(PATH, lambda ws: ws.send("open"))
    talk(go_down)
    assert gateway.journal.wait_for(PATH)[0].ended
