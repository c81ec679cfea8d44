"""WebSockets: the gateway hands their messages on, both ways, and notes each in the journal.

Toxics and routes meet the handshake, which is a GET; `down` breaks what is open, too.
"""

from __future__ import annotations

import asyncio
from typing import TypeAlias

from aiohttp import (
    ClientError,
    ClientSession,
    ClientWebSocketResponse,
    WSMsgType,
    WSServerHandshakeError,
    web,
)
from multidict import CIMultiDict
from yarl import URL

from pytest_sharedworker.gateway.exchange import Exchange, SocketMessage
from pytest_sharedworker.gateway.journal import Journal
from pytest_sharedworker.gateway.responses import cut_off
from pytest_sharedworker.gateway.route import Response, UpstreamRequest

SWITCHING_PROTOCOLS = 101
_ABNORMAL = 1006
"""What an end says that came without a word (RFC 6455 §7.1.5); nobody may send it."""
_NO_CODE = 1005
_HANDSHAKE = "sec-websocket-"

_ServerSocket: TypeAlias = "ClientWebSocketResponse[bool]"
_Socket: TypeAlias = "ClientWebSocketResponse[bool] | web.WebSocketResponse"


def is_handshake(request: web.Request) -> bool:
    """Whether a browser asks for a WebSocket."""
    return request.headers.get("Upgrade", "").lower() == "websocket"


class SocketBridge:
    """One WebSocket of a browser, and the one to the server that belongs to it."""

    def __init__(self, request: web.Request, exchange: Exchange, journal: Journal) -> None:
        self._request = request
        self._exchange = exchange
        self._journal = journal
        self._server: _ServerSocket | None = None

    async def open(self, session: ClientSession, url: URL, asked: UpstreamRequest) -> Response:
        """Shake hands with the server; its answer is 101, or what it says instead."""
        offered = asked.headers.get("Sec-WebSocket-Protocol", "")
        headers = CIMultiDict(
            (name, value) for name, value in asked.headers.items() if not name.lower().startswith(_HANDSHAKE)
        )
        try:
            self._server = await session.ws_connect(
                url,
                headers=headers,
                protocols=[name.strip() for name in offered.split(",") if name.strip()],
                max_msg_size=0,
            )
        except WSServerHandshakeError as error:
            # What is no status of an error did not shake hands either.
            status = error.status if error.status >= 400 else 502
            return Response(status, CIMultiDict({"Content-Type": "text/plain"}), error.message.encode())
        return Response(SWITCHING_PROTOCOLS, CIMultiDict(), b"")

    def carries(self, answer: Response) -> bool:
        """Whether an answer has shaken hands, so that messages follow it."""
        return self._server is not None and answer.status == SWITCHING_PROTOCOLS

    async def run(self, answer: Response) -> web.WebSocketResponse:
        """Hand messages on until one side has ended, and end the other in the same way."""
        assert self._server is not None
        protocol = self._server.protocol
        browser = web.WebSocketResponse(
            protocols=[protocol] if protocol else [], max_msg_size=0, compress=False, timeout=1
        )
        await browser.prepare(self._request)
        self._exchange.status = answer.status
        self._exchange.response_headers = CIMultiDict(browser.headers)
        self._journal.update()
        await asyncio.gather(
            self._hand_on(browser, self._server, from_browser=True),
            self._hand_on(self._server, browser, from_browser=False),
        )
        return browser

    async def close(self) -> None:
        """Let go of the server. Idempotent."""
        if self._server is not None:
            await self._server.close()

    def cut(self) -> None:
        """End the browser's side without a word."""
        cut_off(self._request)

    async def _hand_on(self, source: _Socket, sink: _Socket, *, from_browser: bool) -> None:
        try:
            async for message in source:
                self._note(message.data, from_browser)
                if message.type is WSMsgType.TEXT:
                    await sink.send_str(message.data)
                else:
                    await sink.send_bytes(message.data)
        except (ClientError, ConnectionError):
            pass  # The other side has gone meanwhile.
        code = source.close_code
        if code not in (None, _ABNORMAL):
            await sink.close(code=1000 if code == _NO_CODE else code)
        elif from_browser:
            await self.close()
        else:
            self.cut()

    def _note(self, data: str | bytes, from_browser: bool) -> None:
        sender = self._exchange.sender if from_browser else "server"
        self._exchange.messages.append(SocketMessage(sender, data, self._journal.seconds()))
        self._journal.update()
