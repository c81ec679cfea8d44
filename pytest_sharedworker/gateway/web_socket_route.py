"""Routes for WebSockets, as Playwright has them: a handler mocks the server, or changes messages.

`gateway.route_web_socket(url, handler)` calls `handler(ws)` for every WebSocket that matches, the newest
route first. Without `ws.connect_to_server()` the server is not contacted. With it, messages and closes are
forwarded both ways, except those for which `on_message` or `on_close` of the side that sends them was called.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from aiohttp import ClientError, WSMsgType, web
from multidict import CIMultiDict

from pytest_sharedworker.control.socket_counts import SocketCounts
from pytest_sharedworker.errors import GatewayError
from pytest_sharedworker.gateway.exchange import Exchange
from pytest_sharedworker.gateway.exchange_control import ClientDisconnectedError
from pytest_sharedworker.gateway.handlers import HandlerRunner, count_arguments
from pytest_sharedworker.gateway.journal import Journal
from pytest_sharedworker.gateway.messages import RawResponse
from pytest_sharedworker.gateway.patterns import Origin, URLMatch, to_web_socket_url
from pytest_sharedworker.gateway.router import HANDLER_ERROR_STATUS, Rule, Rules
from pytest_sharedworker.gateway.socket_toxics import MessageQueue, SocketToxics
from pytest_sharedworker.gateway.websockets import (
    ABNORMAL,
    NEVER_SENT,
    NORMAL,
    SWITCHING_PROTOCOLS,
    Socket,
    WebSocketBridge,
    close_socket,
    get_close,
    get_protocols,
    send_message,
)

_INTERNAL_ERROR = 1011
_LONGEST_REASON_BYTES = 123
"""What a control frame leaves for it (RFC 6455 §5.5)."""

_Outgoing: TypeAlias = "str | bytes | tuple[int | None, str] | None"
"""A message, a close by code and reason, or the end of what was sent before."""
MessageHandler: TypeAlias = Callable[[str | bytes], object]
CloseHandler: TypeAlias = Callable[[int | None, str | None], object]


class WebSocketRoute:
    """One side of a WebSocket: the browser's, or of `connect_to_server()` the server's.

    Its methods can be called from any thread, also after the handler has returned.
    """

    def __init__(
        self,
        url: str,
        protocols: list[str],
        loop: asyncio.AbstractEventLoop,
        *,
        counts: SocketCounts | None = None,
    ) -> None:
        """Make the browser's side, whose messages `counts` counts; without it the server's."""
        self._url = url
        self._counts = counts
        self._protocols = protocols
        self._loop = loop
        self._outgoing: asyncio.Queue[_Outgoing] = asyncio.Queue()
        self._message_handler: MessageHandler | None = None
        self._close_handler: CloseHandler | None = None
        self._server: WebSocketRoute | None = None
        self._is_server = counts is None
        self._connected = asyncio.Event()

    @property
    def url(self) -> str:
        """The URL of the WebSocket."""
        return self._url

    @property
    def protocols(self) -> list[str]:
        """The subprotocols that the browser offers."""
        return list(self._protocols)

    def on_message(self, handler: MessageHandler) -> None:
        """Call `handler` with each message that this side sends, instead of forwarding it."""
        count_arguments(handler, 1)
        self._message_handler = handler

    def on_close(self, handler: CloseHandler) -> None:
        """Call `handler` with code and reason when this side closes, instead of closing the other side."""
        count_arguments(handler, 2, least=0)
        self._close_handler = handler

    def send(self, message: str | bytes) -> None:
        """Send a message to this side."""
        if not isinstance(message, (str, bytes)):
            raise GatewayError(f"a WebSocket sends text or bytes, not {message!r}")
        self._put(message)

    def close(self, *, code: int | None = None, reason: str | None = None) -> None:
        """Close this side, by default with code 1000 (a normal end)."""
        if code is not None and (not 1000 <= code <= 4999 or code in NEVER_SENT):
            raise GatewayError(f"a WebSocket is closed with 1000 or 3000 to 4999, not {code!r}")
        if len((reason or "").encode()) > _LONGEST_REASON_BYTES:
            raise GatewayError(f"the reason of a close is at most {_LONGEST_REASON_BYTES} bytes long")
        self._put((NORMAL if code is None else code, reason or ""))

    def connect_to_server(self) -> WebSocketRoute:
        """Connect to the server, and return that side. Raise GatewayError for a second call."""
        if self._is_server or self._server is not None:
            raise GatewayError(f"the WebSocket {self.url} is already connected to the server")
        self._server = WebSocketRoute(self._url, self._protocols, self._loop)
        self._loop.call_soon_threadsafe(self._connected.set)
        return self._server

    def _put(self, item: _Outgoing) -> None:
        # The order of calls is the order of messages, also from several threads.
        self._loop.call_soon_threadsafe(self._enqueue, item)

    def _enqueue(self, item: _Outgoing) -> None:
        if self._counts is not None:
            if isinstance(item, tuple):
                self._counts.count_event("close")
            else:
                self._counts.count_started()
        self._outgoing.put_nowait(item)

    def __repr__(self) -> str:
        return f"<WebSocketRoute {self._url} ({'server' if self._is_server else 'browser'})>"


WebSocketHandler: TypeAlias = Callable[[WebSocketRoute], object]
WebSocketRule: TypeAlias = Rule[WebSocketRoute]


class WebSocketRouter:
    """The WebSocket routes of one gateway."""

    def __init__(self, origin: Origin, runner: HandlerRunner) -> None:
        self._origin = origin
        self._runner = runner
        self.rules: Rules[WebSocketRoute] = Rules()

    def add(self, url: URLMatch, handler: WebSocketHandler, optional: bool) -> WebSocketRule:
        """Add a route, which comes before all others. Raise GatewayError."""
        count_arguments(handler, 1)
        pattern = self._origin.compile(url, web_socket=True)
        return self.rules.add(url, pattern, handler, optional=optional)

    def find(self, exchange: Exchange) -> WebSocketRule | None:
        """Return the newest route for a handshake."""
        url = to_web_socket_url(exchange.url)
        for rule in reversed(self.rules.in_force):
            if rule.takes(exchange.method, url):
                return rule
        return None

    def make_bridge(
        self,
        rule: WebSocketRule,
        request: web.Request,
        exchange: Exchange,
        journal: Journal,
        counts: SocketCounts,
        toxics: SocketToxics,
    ) -> RoutedWebSocket:
        """Return the bridge of a WebSocket that a route handles."""
        url = to_web_socket_url(exchange.url)
        route = WebSocketRoute(url, get_protocols(request), asyncio.get_running_loop(), counts=counts)
        rule.add(route)
        return RoutedWebSocket(request, exchange, journal, counts, toxics, rule.handler, route, self._runner)


class RoutedWebSocket(WebSocketBridge):
    """A WebSocket of a browser that a route handles, and the one to the server, if any."""

    def __init__(
        self,
        request: web.Request,
        exchange: Exchange,
        journal: Journal,
        counts: SocketCounts,
        toxics: SocketToxics,
        handler: Callable[..., object],
        route: WebSocketRoute,
        runner: HandlerRunner,
    ) -> None:
        super().__init__(request, exchange, journal, counts, toxics)
        self._handler = handler
        self._route = route
        self._runner = runner
        self._connect: Callable[[], Awaitable[RawResponse]] | None = None
        self._reading: asyncio.Future[None] | None = None
        """Reads the browser's messages."""
        self._is_receiving = False

    async def decide(self, connect: Callable[[], Awaitable[RawResponse]]) -> RawResponse:
        """Run the handler; return the response for the browser, from `connect` if the route connected."""
        self._connect = connect
        self._exchange.route = "web socket route"
        if not await self._run(self._handler, self._route):
            return RawResponse.plain(HANDLER_ERROR_STATUS, "pytest-sharedworker: the handler raised")
        if self._route._server is not None:
            self._exchange.route = "web socket route, connected"
            return await connect()
        return RawResponse(SWITCHING_PROTOCOLS, CIMultiDict(), b"")

    def is_streaming(self, response: RawResponse) -> bool:
        """Return whether a response is a handshake, so that messages follow it."""
        return response.status == SWITCHING_PROTOCOLS

    async def run(self, response: RawResponse) -> web.StreamResponse:
        """Have the route's handlers see the messages until the browser's side has ended."""
        offered = self._route.protocols
        protocol = self._server.protocol if self._server else (offered[0] if offered else None)
        browser = await self._accept(response, protocol)
        serving = asyncio.ensure_future(self._serve_server())
        writing = asyncio.ensure_future(self._write(self._route, browser))
        reading = asyncio.ensure_future(self._read(browser, self._route, lambda: self._route._server))
        tasks = [reading, writing, serving]
        self._reading = reading
        try:
            await asyncio.wait({reading})
            if reading.cancelled():
                await asyncio.wait({writing})
                return browser
            reading.result()
            if self._server is not None and self._route._server is not None:
                self._route._server._put(None)  # What was sent to the server before must reach it.
                await serving
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return browser

    async def _serve_server(self) -> None:
        """Carry the server's messages, from the moment when the route connects to it."""
        await self._route._connected.wait()
        side = self._route._server
        assert side is not None
        if self._server is None:
            assert self._connect is not None
            await self._connect()  # A route may also connect late.
        if self._server is None:
            self._route.close(code=_INTERNAL_ERROR, reason="the server refused the WebSocket")
            return
        reading = asyncio.ensure_future(self._read(self._server, side, lambda: self._route))
        try:
            await self._write(side, self._server)
        finally:
            reading.cancel()

    async def _read(
        self, source: Socket, side: WebSocketRoute, get_other: Callable[[], WebSocketRoute | None]
    ) -> None:
        """Handle or forward what one side sends, to its end."""
        from_browser = side is self._route

        async def handle(data: str | bytes) -> None:
            other = get_other()
            if side._message_handler is not None:
                if not await self._run(side._message_handler, data):
                    self._route.close(code=_INTERNAL_ERROR, reason="the handler raised")
            elif other is not None:
                other.send(data)
            if from_browser:
                self.counts.is_mocked = self._route._server is None
                self.counts.count_delivered()

        queue = MessageQueue(handle, self._toxics)
        try:
            while (message := await self._receive(source)).type in (WSMsgType.TEXT, WSMsgType.BINARY):
                if from_browser:
                    await self._pass(message.data, queue, from_browser=True)
                else:
                    await handle(message.data)  # Its toxics act where it leaves for the browser.
            await queue.flush()
        finally:
            queue.cancel()
        if message.type is WSMsgType.CLOSE:
            code, reason = get_close(message)
            other = get_other()
            if side._close_handler is not None:
                await self._run(side._close_handler, code, reason.decode())
            elif other is not None:
                other._put((code, reason.decode()))
            if from_browser:
                await self._toxics.delay_close()
            await close_socket(source, code, reason)
        elif message.type in (WSMsgType.CLOSED, WSMsgType.ERROR) and source.close_code in (None, ABNORMAL):
            if side._close_handler is not None:
                await self._run(side._close_handler, None, None)
            elif not from_browser:
                self.cut()

    async def _receive(self, source: Socket) -> Any:
        if source is self._server:
            return await source.receive()
        self._is_receiving = True
        try:
            return await source.receive()
        finally:
            self._is_receiving = False

    async def _write(self, side: WebSocketRoute, sink: Socket) -> None:
        """Send one side what is meant for it."""

        async def send(data: str | bytes) -> None:
            self.counts.count_event()
            await send_message(sink, data)

        queue = MessageQueue(send, self._toxics)
        try:
            while True:
                item = await side._outgoing.get()
                if item is None:
                    return
                if isinstance(item, tuple):
                    code, reason = item
                    await queue.flush()
                    if side is self._route:
                        await self._toxics.delay_close()
                    if side is self._route and self._reading is not None and self._is_receiving:
                        # aiohttp would not wait for the browser's reply while somebody reads.
                        self._reading.cancel()
                        await asyncio.wait({self._reading})
                    await close_socket(sink, code, reason.encode())
                    return
                if side is self._route:
                    self.counts.count_started(-1)
                    await self._pass(item, queue, from_browser=False)
                else:
                    await send_message(sink, item)
        except (ClientError, ConnectionError):
            pass  # This side has gone.
        finally:
            queue.cancel()

    async def _run(self, handler: Callable[..., Any], *arguments: object) -> bool:
        try:
            count = count_arguments(handler, len(arguments), least=0)
            await self._runner.run(handler, *arguments[:count])
        except (asyncio.CancelledError, ClientDisconnectedError):
            raise
        except BaseException as error:  # pytest.fail() raises no Exception, and it must fail the test too.
            self._runner.keep_error(error)
            self._exchange.route = f"handler raised {type(error).__name__}"
            return False
        return True
