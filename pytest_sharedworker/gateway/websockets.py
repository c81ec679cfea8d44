"""WebSockets: the gateway forwards their messages, both ways, and notes each in the journal.

Toxics and routes meet the handshake, which is a GET; some toxics also act on open connections.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from typing import Any, TypeAlias

from aiohttp import (
    ClientError,
    ClientResponse,
    ClientSession,
    ClientWebSocketResponse,
    TraceConfig,
    TraceRequestRedirectParams,
    WSMsgType,
    WSServerHandshakeError,
    web,
)
from multidict import CIMultiDict
from yarl import URL

from pytest_sharedworker.control.socket_counts import SocketCounts
from pytest_sharedworker.gateway.exchange import Exchange, SocketMessage
from pytest_sharedworker.gateway.exchange_control import abort_connection
from pytest_sharedworker.gateway.headers import NOT_FORWARDED, remove_headers
from pytest_sharedworker.gateway.journal import Journal
from pytest_sharedworker.gateway.messages import RawResponse, UpstreamRequest
from pytest_sharedworker.gateway.socket_toxics import MessageQueue, SocketToxics

SWITCHING_PROTOCOLS = 101
ABNORMAL = 1006
"""The code of a connection that ended without a close frame (RFC 6455 §7.1.5); no frame may carry it."""
NO_CODE = 1005
NORMAL = 1000
NEVER_SENT = (1004, NO_CODE, ABNORMAL, 1015)
"""Codes that no close frame may carry (RFC 6455 §7.4.1)."""
_EMPTY = 0
"""aiohttp's code of a close frame that has none."""
_HANDSHAKE = "sec-websocket-"
_COMPRESSION = "permessage-deflate"
_LARGEST_WINDOW = 15
"""Of compression, as a power of two (RFC 7692 §7.1.2)."""

ServerSocket: TypeAlias = "ClientWebSocketResponse[bool]"
Socket: TypeAlias = "ClientWebSocketResponse[bool] | web.WebSocketResponse"


class _RedirectedError(Exception):
    """The server redirects a handshake, which browsers do not follow (WebSockets Standard §2.1)."""

    def __init__(self, response: ClientResponse) -> None:
        self.response = response


def never_redirect() -> TraceConfig:
    """Return what makes aiohttp raise and not follow redirects, for which `ws_connect` has no option."""

    async def refuse(_session: ClientSession, _context: object, params: TraceRequestRedirectParams) -> None:
        raise _RedirectedError(params.response)

    config = TraceConfig()
    config.on_request_redirect.append(refuse)
    return config


def is_handshake(request: web.Request) -> bool:
    """Return whether a browser requests a WebSocket."""
    return request.headers.get("Upgrade", "").lower() == "websocket"


def get_protocols(request: web.Request) -> list[str]:
    """Return the subprotocols that a browser offers."""
    offered = request.headers.get("Sec-WebSocket-Protocol", "")
    return [name.strip() for name in offered.split(",") if name.strip()]


class WebSocketBridge:
    """One WebSocket of a browser, and the one to the server that belongs to it."""

    def __init__(
        self,
        request: web.Request,
        exchange: Exchange,
        journal: Journal,
        counts: SocketCounts,
        toxics: SocketToxics,
    ) -> None:
        self._request = request
        self._toxics = toxics
        self.counts = counts
        """The messages that have passed, for the worker's clock."""
        self._exchange = exchange
        self._journal = journal
        self._server: ServerSocket | None = None

    async def open(
        self, session: ClientSession, url: URL, request: UpstreamRequest, *, tls: ssl.SSLContext | None
    ) -> RawResponse:
        """Shake hands with the server; its response is 101, or the server's refusal."""
        headers = CIMultiDict(
            (name, value)
            for name, value in request.headers.items()
            if not name.lower().startswith(_HANDSHAKE)
        )
        try:
            self._server = await session.ws_connect(
                url,
                headers=headers,
                protocols=get_protocols(self._request),
                compress=_LARGEST_WINDOW if _COMPRESSION in self._get_offered_extensions() else 0,
                max_msg_size=0,
                autoclose=False,
                ssl=tls or True,
            )
        except WSServerHandshakeError as error:
            # A handshake that is none, such as one with a wrong key.
            status = 502 if error.status == SWITCHING_PROTOCOLS else error.status
            refusal = _remove_handshake(error.headers or {})
            refusal["Content-Type"] = "text/plain"
            return RawResponse(status, refusal, error.message.encode())
        except _RedirectedError as error:
            error.response.close()
            return RawResponse(error.response.status, _remove_handshake(error.response.headers), b"")
        return RawResponse(SWITCHING_PROTOCOLS, _remove_handshake(self._server._response.headers), b"")

    def is_streaming(self, response: RawResponse) -> bool:
        """Return whether a response is a handshake, so that messages follow it."""
        return self._server is not None and response.status == SWITCHING_PROTOCOLS

    async def run(self, response: RawResponse) -> web.StreamResponse:
        """Forward messages until one side has ended, and end the other in the same way."""
        assert self._server is not None
        browser = await self._accept(response, self._server.protocol)
        from_browser = asyncio.ensure_future(self._forward(browser, self._server, from_browser=True))
        from_server = asyncio.ensure_future(self._forward(self._server, browser, from_browser=False))
        try:
            await asyncio.wait({from_browser, from_server}, return_when=asyncio.FIRST_COMPLETED)
            has_server_ended = from_server.done()
            await self._toxics.delay_close()
            if has_server_ended:
                # Before the close: aiohttp would not wait for the browser's reply while somebody reads.
                from_browser.cancel()
                await asyncio.wait({from_browser})
                await self._end(self._server, browser, from_server.result())
            else:
                await self._end(browser, self._server, from_browser.result())
        finally:
            from_browser.cancel()
            from_server.cancel()
            await asyncio.wait({from_browser, from_server})
        return browser

    async def close(self) -> None:
        """Close the connection to the server. Idempotent."""
        if self._server is not None:
            await self._server.close()

    def cut(self) -> None:
        """End the browser's side without a close frame."""
        abort_connection(self._request)

    def _get_offered_extensions(self) -> str:
        return self._request.headers.get("Sec-WebSocket-Extensions", "")

    async def _accept(self, response: RawResponse, protocol: str | None) -> web.WebSocketResponse:
        """Shake hands with the browser."""
        protocols = [protocol] if protocol else []
        compresses = self._server is not None and bool(self._server.compress)
        browser = web.WebSocketResponse(
            protocols=protocols, max_msg_size=0, compress=compresses, timeout=1, autoclose=False
        )
        browser.headers.extend(response.headers)
        await browser.prepare(self._request)
        self._exchange.status = response.status
        self._exchange.response_headers = CIMultiDict(browser.headers)
        self._journal.update()
        return browser

    async def _forward(self, source: Socket, sink: Socket, *, from_browser: bool) -> Any:
        """Forward messages; return the one that ended them, None where the other side has gone."""

        async def send(data: str | bytes) -> None:
            if not from_browser:
                self.counts.count_event()
            await send_message(sink, data)
            if from_browser:
                self.counts.count_delivered()

        queue = MessageQueue(send, self._toxics)
        try:
            while (message := await source.receive()).type in (WSMsgType.TEXT, WSMsgType.BINARY):
                await self._pass(message.data, queue, from_browser=from_browser)
            await queue.flush()
        except (ClientError, ConnectionError):
            return None
        finally:
            queue.cancel()
        return message

    async def _pass(self, data: str | bytes, queue: MessageQueue, *, from_browser: bool) -> None:
        """Note a message, and send it as the toxics of this WebSocket let it through."""
        size = len(data if isinstance(data, bytes) else data.encode("utf-8", "replace"))
        plan = self._toxics.plan(size, from_browser=from_browser)
        self._note(data, from_browser=from_browser, is_dropped=plan.is_dropped)
        if not plan.is_dropped:
            await queue.put(data, plan)
        if from_browser:
            self.counts.count_passed()
        elif plan.is_dropped:
            self.counts.count_lost_answer()
        if plan.ends_connection:
            await queue.flush()
            self._toxics.reset()

    async def _end(self, source: Socket, sink: Socket, message: Any) -> None:
        """End one side as the other has ended."""
        if sink is not self._server:
            self.counts.count_event("close")
        if message is not None and message.type is WSMsgType.CLOSE:
            await _pass_close_on(source, sink, message)
        elif source.close_code not in (None, ABNORMAL):
            await close_socket(sink, None if source.close_code == NO_CODE else source.close_code)
        elif sink is self._server:
            await self.close()
        else:
            self.cut()

    def _note(self, data: str | bytes, *, from_browser: bool, is_dropped: bool) -> None:
        sender = self._exchange.sender if from_browser else "server"
        message = SocketMessage(sender, data, self._journal.seconds(), is_dropped)
        self._exchange.messages.append(message)
        self._journal.update()


def _remove_handshake(headers: Mapping[str, str]) -> CIMultiDict[str]:
    """Return what a server's response to a handshake says besides, such as its cookies."""
    others = remove_headers(headers, NOT_FORWARDED)
    return remove_headers(others, [name.lower() for name in others if name.lower().startswith(_HANDSHAKE)])


async def _pass_close_on(source: Socket, sink: Socket, message: Any) -> None:
    """Close one side as the other has closed, and reply to that as the first has replied."""
    code, reason = get_close(message)
    await close_socket(sink, code, reason)
    reply = sink.close_code
    if reply == _EMPTY:
        await close_socket(source, None)
    elif reply in (code, None, *NEVER_SENT):
        await close_socket(source, code, reason)
    else:
        await close_socket(source, reply)


def get_close(message: Any) -> tuple[int | None, bytes]:
    """Return code and reason of a close frame; no code for an empty one."""
    if message.data in (None, _EMPTY):
        return None, b""
    code = NORMAL if message.data in NEVER_SENT else message.data
    return code, message.extra.encode() if isinstance(message.extra, str) else b""


class _EmptyCloseWriter:
    """A socket's writer whose close frame is empty, as that of `close()` in a browser (RFC 6455 §5.5.1).

    aiohttp's own always sends a code.
    """

    def __init__(self, writer: Any) -> None:
        self._writer = writer

    async def close(self, *_: object) -> None:
        await self._writer.send_frame(b"", WSMsgType.CLOSE)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._writer, name)


async def close_socket(socket: Socket, code: int | None, reason: bytes = b"") -> None:
    """Close a socket, and wait for the other side's reply. Without a code, by an empty frame."""
    if code is None:
        socket._writer = _EmptyCloseWriter(socket._writer)  # type: ignore[assignment]
    await socket.close(code=NORMAL if code is None else code, message=reason)


async def send_message(sink: Socket, data: str | bytes) -> None:
    """Send text or bytes."""
    if isinstance(data, str):
        await sink.send_str(data)
    else:
        await sink.send_bytes(data)
