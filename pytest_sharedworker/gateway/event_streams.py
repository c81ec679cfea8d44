"""Event streams: what the server sends bit by bit is handed on as it comes (HTML, server-sent events).

Toxics and routes meet such a request before its first event; `down` breaks what is open, too.
"""

from __future__ import annotations

import asyncio

from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout, web
from yarl import URL

from pytest_sharedworker.gateway.exchange import Exchange
from pytest_sharedworker.gateway.forwarding import ask_server
from pytest_sharedworker.gateway.headers import HOP_BY_HOP, without
from pytest_sharedworker.gateway.journal import Journal
from pytest_sharedworker.gateway.responses import cut_off
from pytest_sharedworker.gateway.route import Response, UpstreamRequest

CONTENT_TYPE = "text/event-stream"
STREAM_TIMEOUT = ClientTimeout(total=None, sock_connect=60)
"""A stream has no end to wait for."""
_LOOK_SECONDS = 0.25
"""How often a stream that is silent is asked whether its browser is still there."""


def is_event_stream(request: web.Request) -> bool:
    """Whether a browser asks for an event stream, as an EventSource does."""
    return CONTENT_TYPE in request.headers.get("Accept", "")


class EventStream:
    """One answer of the server that goes on, and the browser's request for it."""

    def __init__(self, request: web.Request, exchange: Exchange, journal: Journal) -> None:
        self._request = request
        self._exchange = exchange
        self._journal = journal
        self._server: ClientResponse | None = None

    async def open(self, session: ClientSession, url: URL, asked: UpstreamRequest) -> Response:
        """Ask the server: an answer without its body, or a whole one where that is no event stream."""
        server = await ask_server(session, url, asked, timeout=STREAM_TIMEOUT)
        headers = without(server.headers, HOP_BY_HOP)
        if server.content_type != CONTENT_TYPE:
            async with server:
                return Response(server.status, headers, await server.read())
        self._server = server
        return Response(server.status, headers, b"")

    def carries(self, answer: Response) -> bool:
        """Whether the server's stream is what follows an answer: no route has given it another body."""
        return self._server is not None and not answer.body

    async def run(self, answer: Response) -> web.StreamResponse:
        """Hand on what comes until one side has ended, and end the other."""
        response = web.StreamResponse(status=answer.status, headers=answer.headers)
        response.force_close()
        await response.prepare(self._request)
        self._exchange.status = answer.status
        self._exchange.response_headers = answer.headers
        await response.write(b"")  # The headers: the first event may be long in coming.
        try:
            while piece := await self._next():
                self._exchange.response_body += piece
                self._exchange.upstream_response_body = self._exchange.response_body
                self._journal.update()
                await response.write(piece)
        except ClientError:
            self.cut()  # The server broke off, and so does this.
        else:
            await response.write_eof()
        return response

    async def close(self) -> None:
        """Let go of the server. Idempotent."""
        if self._server is not None:
            self._server.close()

    def cut(self) -> None:
        """End the browser's side without a word."""
        cut_off(self._request)

    async def _next(self) -> bytes:
        """What comes next; nothing where the server has ended, or the browser has gone."""
        assert self._server is not None
        reading = asyncio.ensure_future(self._server.content.readany())
        while not (await asyncio.wait({reading}, timeout=_LOOK_SECONDS))[0]:
            transport = self._request.transport
            if transport is None or transport.is_closing():
                reading.cancel()
                raise ConnectionResetError
        return reading.result()
