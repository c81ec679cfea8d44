"""Toxics on WebSockets that are open, to a real server and mocked ones: a real client, no browser."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import pytest
from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType, web

from pytest_sharedworker.errors import WaitTimeoutError
from pytest_sharedworker.gateway.exchange import SocketMessage
from pytest_sharedworker.gateway.gateway import Gateway
from pytest_sharedworker.gateway.toxics import (
    AppliedToxic,
    Bandwidth,
    HttpStatus,
    Latency,
    LimitData,
    ResetPeer,
    Slicer,
    SlowClose,
    Timeout,
    Toxic,
)
from pytest_sharedworker.gateway.web_socket_route import WebSocketRoute
from pytest_sharedworker.integration.event_loop_thread import LoopThread
from unit.support.servers import Upstream

Socket: TypeAlias = "ClientWebSocketResponse[bool]"
QUIET_SECONDS = 0.3
"""How long nothing has to arrive."""


@pytest.fixture
def run(sharedworker_loop: LoopThread) -> Callable[[Awaitable[None]], None]:
    def run(work: Awaitable[None]) -> None:
        async def wait() -> None:
            await asyncio.wait_for(work, 20)

        sharedworker_loop.run(wait())

    return run


@pytest.fixture(params=["server", "mocked", "mocked and connected"])
def received(request: pytest.FixtureRequest, gateway: Gateway, upstream: Upstream) -> list[str]:
    """Let the server, or a route in its place, send everything back; return what arrives there."""
    received: list[str] = []

    async def echo(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            received.append(message.data)
            await socket.send_str(message.data)
        return socket

    upstream.respond_later = echo
    if request.param == "mocked":

        def mock(socket: WebSocketRoute) -> None:
            def answer(message: str | bytes) -> None:
                received.append(str(message))
                socket.send(message)

            socket.on_message(answer)

        gateway.route_web_socket("**/socket", mock)
    elif request.param == "mocked and connected":
        gateway.route_web_socket("**/socket", lambda socket: socket.connect_to_server())
    return received


@pytest.fixture(params=["server", "mocked"])
def kind(request: pytest.FixtureRequest) -> str:
    """Return what answers a WebSocket."""
    return str(request.param)


async def add(gateway: Gateway, toxic: Toxic, **options: object) -> AppliedToxic:
    """Add a toxic from another thread, as a test does."""
    return await asyncio.to_thread(gateway.add_toxic, toxic, **options)  # type: ignore[arg-type]


async def is_quiet(socket: Socket) -> bool:
    try:
        await asyncio.wait_for(socket.receive(), QUIET_SECONDS)
    except asyncio.TimeoutError:
        return True
    return False


async def ask(socket: Socket, text: str) -> float:
    """Send a text, require it back, and return after how many seconds it came."""
    begun = time.monotonic()
    await socket.send_str(text)
    assert await socket.receive_str() == text
    return time.monotonic() - begun


@pytest.mark.parametrize("stream", ["upstream", "downstream"])
def test_latency_that_is_added_later_delays_messages_in_order(
    gateway: Gateway, received: list[str], run: Callable[[Awaitable[None]], None], stream: str
) -> None:
    async def say() -> None:
        async with ClientSession() as session, session.ws_connect(gateway.url + "/socket") as socket:
            await ask(socket, "before")
            latency = await add(gateway, Latency(latency=500), on="**/socket", stream=stream)
            begun = time.monotonic()
            for number in range(10):
                await socket.send_str(str(number))
            assert [await socket.receive_str() for _ in range(10)] == [str(number) for number in range(10)]
            # Delays of several messages pass at the same time.
            assert 0.49 < time.monotonic() - begun < 10 * 0.5
            assert latency.hits == 1
            await asyncio.to_thread(latency.remove)
            assert await ask(socket, "after") < 0.5

    run(say())
    assert received[0] == "before"
    assert received[-1] == "after"


def test_latency_that_hits_the_handshake_delays_messages_too(
    gateway: Gateway, received: list[str], run: Callable[[Awaitable[None]], None]
) -> None:
    async def say() -> None:
        await add(gateway, Latency(latency=150), on="**/socket")
        async with ClientSession() as session, session.ws_connect(gateway.url + "/socket") as socket:
            assert await ask(socket, "late") > 0.14

    run(say())


def test_bandwidth_sends_messages_one_after_the_other(
    gateway: Gateway, received: list[str], run: Callable[[Awaitable[None]], None]
) -> None:
    async def say() -> None:
        async with ClientSession() as session, session.ws_connect(gateway.url + "/socket") as socket:
            await ask(socket, "before")
            await add(gateway, Bandwidth(rate=10), on="**/socket")
            begun = time.monotonic()
            for _ in range(3):
                await socket.send_str("x" * 1024)
            for _ in range(3):
                await socket.receive_str()
            assert time.monotonic() - begun > 0.29

    run(say())


def test_timeout_drops_messages_until_it_is_removed(
    gateway: Gateway, received: list[str], run: Callable[[Awaitable[None]], None]
) -> None:
    async def say() -> None:
        async with ClientSession() as session, session.ws_connect(gateway.url + "/socket") as socket:
            await ask(socket, "before")
            timeout = await add(gateway, Timeout(), on="**/socket")
            await socket.send_str("lost")
            assert await is_quiet(socket)
            await asyncio.to_thread(timeout.remove)
            await ask(socket, "after")

    run(say())
    assert received == ["before", "after"]
    (exchange,) = gateway.journal.wait_for("GET /socket")
    assert [message.data for message in exchange.messages if message.is_dropped] == ["lost"]
    assert exchange.toxics == ["timeout"]


def test_timeout_downstream_drops_what_the_server_sends(
    gateway: Gateway, received: list[str], run: Callable[[Awaitable[None]], None]
) -> None:
    async def say() -> None:
        async with ClientSession() as session, session.ws_connect(gateway.url + "/socket") as socket:
            await ask(socket, "before")
            await add(gateway, Timeout(), on="**/socket", stream="downstream")
            await socket.send_str("seen")
            assert await is_quiet(socket)

    run(say())
    assert received == ["before", "seen"]


@pytest.mark.parametrize(
    ("toxic", "cut"), [(ResetPeer(timeout=50), "reset"), (Timeout(timeout=50), "closed")]
)
def test_toxic_that_is_added_later_ends_the_connection(
    gateway: Gateway, received: list[str], run: Callable[[Awaitable[None]], None], toxic: Toxic, cut: str
) -> None:
    async def say() -> None:
        async with ClientSession() as session, session.ws_connect(gateway.url + "/socket") as socket:
            await ask(socket, "before")
            await add(gateway, toxic, on="**/socket")
            message = await socket.receive()
            assert message.type in (WSMsgType.CLOSED, WSMsgType.ERROR)

    run(say())
    (exchange,) = gateway.journal.wait_for("GET /socket")
    assert exchange.cut == cut


WHEN_ADDED = pytest.mark.parametrize("is_added_later", [True, False], ids=["later", "before"])


@WHEN_ADDED
def test_limit_of_data_resets_the_connection(
    gateway: Gateway, received: list[str], run: Callable[[Awaitable[None]], None], is_added_later: bool
) -> None:
    async def say() -> None:
        if not is_added_later:
            await add(gateway, LimitData(bytes=7), on="**/socket")
        async with ClientSession() as session, session.ws_connect(gateway.url + "/socket") as socket:
            if is_added_later:
                await ask(socket, "x" * 100)
                await add(gateway, LimitData(bytes=7), on="**/socket")
            for text in ("four", "äöü", "lost"):
                await socket.send_str(text)
            assert await socket.receive_str() == "four"
            message = await socket.receive()
            assert message.type is not WSMsgType.TEXT, message  # Letters have two bytes.
            assert socket.close_code == 1006

    run(say())
    (exchange,) = gateway.journal.wait_for("GET /socket")
    assert exchange.cut == "reset"
    assert next(message.data for message in exchange.messages if message.is_dropped) == "äöü"


def test_limit_of_data_lets_delayed_messages_pass_first(
    gateway: Gateway, received: list[str], run: Callable[[Awaitable[None]], None]
) -> None:
    async def say() -> None:
        async with ClientSession() as session, session.ws_connect(gateway.url + "/socket") as socket:
            await add(gateway, Latency(latency=200), on="**/socket")
            await add(gateway, LimitData(bytes=4), on="**/socket")
            await socket.send_str("four")
            await socket.send_str("five")
            assert await socket.receive_str() == "four"
            assert (await socket.receive()).type is not WSMsgType.TEXT

    run(say())


@WHEN_ADDED
def test_slicer_delays_a_message_by_its_slices(
    gateway: Gateway, received: list[str], run: Callable[[Awaitable[None]], None], is_added_later: bool
) -> None:
    async def say() -> None:
        if not is_added_later:
            await add(gateway, Slicer(average_size=2, delay=100), on="**/socket")
        async with ClientSession() as session, session.ws_connect(gateway.url + "/socket") as socket:
            if is_added_later:
                await ask(socket, "before")
                await add(gateway, Slicer(average_size=2, delay=100), on="**/socket")
            assert await ask(socket, "three") >= 0.29

    run(say())


@WHEN_ADDED
@pytest.mark.parametrize("side", ["browser", "server"])
def test_slow_close_delays_the_end(
    gateway: Gateway,
    upstream: Upstream,
    run: Callable[[Awaitable[None]], None],
    is_added_later: bool,
    side: str,
    kind: str,
) -> None:
    async def end(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            await (socket.close(code=4001) if message.data == "end" else socket.send_str(message.data))
        return socket

    def mock(socket: WebSocketRoute) -> None:
        socket.on_message(lambda text: socket.close(code=4001) if text == "end" else socket.send(text))

    upstream.respond_later = end
    if kind == "mocked":
        gateway.route_web_socket("**/socket", mock)

    async def say() -> None:
        if not is_added_later:
            await add(gateway, SlowClose(delay=300), on="**/socket")
        async with ClientSession() as session, session.ws_connect(gateway.url + "/socket") as socket:
            await ask(socket, "before")
            if is_added_later:
                await add(gateway, SlowClose(delay=300), on="**/socket")
            begun = time.monotonic()
            if side == "browser":
                await socket.close(code=4001)
            else:
                await socket.send_str("end")
                assert (await socket.receive()).type is WSMsgType.CLOSE
                assert socket.close_code == 4001
            assert time.monotonic() - begun >= 0.29

    run(say())


def test_toxic_takes_a_web_socket_as_one_exchange(
    gateway: Gateway, received: list[str], run: Callable[[Awaitable[None]], None]
) -> None:
    async def say() -> None:
        async with ClientSession() as session:
            sockets = [await session.ws_connect(gateway.url + "/socket") for _ in range(2)]
            for socket in sockets:
                await ask(socket, "before")
            once = await add(gateway, Timeout(), on="**/socket", times=1)
            other = await add(gateway, Timeout(), on="**/other", optional=True)
            status = await add(gateway, HttpStatus(503), on="**/socket", times=1, optional=True)
            for socket in sockets:
                await socket.send_str("one")
                await socket.send_str("two")
            assert await is_quiet(sockets[0])
            assert [await sockets[1].receive_str() for _ in range(2)] == ["one", "two"]
            assert (once.hits, other.hits, status.hits) == (1, 0, 0)
            for socket in sockets:
                await socket.close()

    run(say())


def test_expected_message_is_one_of_the_block(
    gateway: Gateway, received: list[str], run: Callable[[Awaitable[None]], None]
) -> None:
    async def say() -> None:
        async with ClientSession() as session, session.ws_connect(gateway.url + "/socket") as socket:
            await ask(socket, "before")

            def wait() -> SocketMessage:
                with gateway.expect_web_socket_message(
                    "**/socket", lambda message: message.sender == "server" and message.data != "one"
                ) as info:
                    asyncio.run_coroutine_threadsafe(ask_twice(), loop).result()
                return info.value

            async def ask_twice() -> None:
                await ask(socket, "one")
                await ask(socket, "two")

            loop = asyncio.get_running_loop()
            message = await asyncio.to_thread(wait)
            assert (message.sender, message.data) == ("server", "two")

    run(say())


def test_expected_message_must_come(gateway: Gateway) -> None:
    with pytest.raises(WaitTimeoutError, match=r"a message on a WebSocket of '\*\*/socket', saw 0"):
        with gateway.expect_web_socket_message("**/socket", timeout=50):
            pass
