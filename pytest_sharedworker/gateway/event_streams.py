"""Event streams (server-sent events): forward each piece of the response when the server sends it.

Toxics and routes apply before the first event; `Down` also closes open streams.
"""

from __future__ import annotations

from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout, web
from yarl import URL

from pytest_sharedworker.gateway.exchange import Exchange
from pytest_sharedworker.gateway.exchange_control import abort_connection, wait_while_connected
from pytest_sharedworker.gateway.forwarding import request_upstream
from pytest_sharedworker.gateway.headers import NOT_FORWARDED, remove_headers
from pytest_sharedworker.gateway.journal import Journal
from pytest_sharedworker.gateway.messages import RawResponse, UpstreamRequest

CONTENT_TYPE = "text/event-stream"
STREAM_TIMEOUT = ClientTimeout(total=None, sock_connect=60)
"""No limit for the whole response: a stream stays open until one side closes it."""


def is_event_stream(request: web.Request) -> bool:
    """Return whether a browser requests an event stream, as an EventSource does."""
    return CONTENT_TYPE in request.headers.get("Accept", "")


class EventStream:
    """One streamed response of the server, and the browser's request for it."""

    def __init__(self, request: web.Request, exchange: Exchange, journal: Journal) -> None:
        self._request = request
        self._exchange = exchange
        self._journal = journal
        self._server: ClientResponse | None = None

    async def open(self, session: ClientSession, url: URL, request: UpstreamRequest) -> RawResponse:
        """Send the request; return a response without its body, or a complete one that is no event stream."""
        server = await request_upstream(session, url, request, timeout=STREAM_TIMEOUT)
        headers = remove_headers(server.headers, NOT_FORWARDED)
        if server.content_type != CONTENT_TYPE:
            async with server:
                return RawResponse(server.status, headers, await server.read())
        self._server = server
        return RawResponse(server.status, headers, b"")

    def is_streaming(self, response: RawResponse) -> bool:
        """Return whether the body is the server's stream: no route has replaced it."""
        return self._server is not None and not response.body

    async def run(self, response: RawResponse) -> web.StreamResponse:
        """Forward pieces until one side has ended, and end the other."""
        stream = web.StreamResponse(status=response.status, headers=response.headers)
        stream.force_close()
        await stream.prepare(self._request)
        self._exchange.status = response.status
        self._exchange.response_headers = response.headers
        await stream.write(b"")  # The headers: the first event may come late.
        try:
            while piece := await self._read():
                self._exchange.response_body += piece
                self._exchange.upstream_response_body = self._exchange.response_body
                self._journal.update()
                await stream.write(piece)
        except ClientError:
            self.cut()  # The server closed the connection before the end: so does the gateway.
        else:
            await stream.write_eof()
        return stream

    async def close(self) -> None:
        """Close the connection to the server. Idempotent."""
        if self._server is not None:
            self._server.close()

    def cut(self) -> None:
        """End the browser's side at once."""
        abort_connection(self._request)

    async def _read(self) -> bytes:
        """Return the next piece, b"" at the end. Raise ClientDisconnectedError where the browser has gone."""
        assert self._server is not None
        return await wait_while_connected(self._request, self._server.content.readany())
