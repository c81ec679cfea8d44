"""Upstream: the server under test, behind the gateway."""

from __future__ import annotations

import asyncio
from typing import TypeAlias
from urllib.parse import urlsplit

from aiohttp import ClientError, ClientSession, ClientTimeout, DummyCookieJar
from yarl import URL

from pytest_sharedworker.errors import GatewayError
from pytest_sharedworker.gateway.event_streams import EventStream
from pytest_sharedworker.gateway.exchange import Exchange
from pytest_sharedworker.gateway.exchange_control import ClientDisconnectedError
from pytest_sharedworker.gateway.forwarding import request_upstream
from pytest_sharedworker.gateway.headers import NOT_FORWARDED, remove_headers
from pytest_sharedworker.gateway.messages import RawResponse, UpstreamRequest
from pytest_sharedworker.gateway.patterns import Origin
from pytest_sharedworker.gateway.websockets import WebSocketBridge

TIMEOUT_SECONDS = 60

StreamingProxy: TypeAlias = "WebSocketBridge | EventStream"
"""What goes on after the server's first response."""


class Upstream:
    """The server at `origin` (None: no server)."""

    def __init__(self, gateway_origin: Origin, origin: str | None) -> None:
        self._gateway_origin = gateway_origin
        self.origin = origin
        self._rewrites: dict[str, str] = {}
        self._session: ClientSession | None = None

    @property
    def origin(self) -> str | None:
        """The server's origin, without a slash at its end."""
        return self._origin

    @origin.setter
    def origin(self, origin: str | None) -> None:
        self._origin = None if origin is None else _check_origin(origin)

    async def open(self) -> None:
        """Get ready for requests."""
        self._session = ClientSession(
            auto_decompress=False, cookie_jar=DummyCookieJar(), timeout=ClientTimeout(TIMEOUT_SECONDS)
        )

    async def close(self) -> None:
        """Close the connections to the server. Idempotent."""
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()

    def rewrite(self, path: str, upstream_path: str) -> None:
        """Request `upstream_path` where the browser requests `path`; the query stays. Raise GatewayError."""
        for each in (path, upstream_path):
            if not each.startswith("/") or set(each) & set("?#"):
                raise GatewayError(f"cannot rewrite {path!r} to {upstream_path!r}: both are plain paths")
        self._rewrites[path] = upstream_path

    async def fetch(
        self, request: UpstreamRequest, exchange: Exchange, proxy: StreamingProxy | None = None
    ) -> RawResponse:
        """Return the server's response, by `proxy` where one is given.

        Raise ClientDisconnectedError once the test is over.
        """
        is_own = request.url.startswith(self._gateway_origin.url + "/")
        if is_own and self.origin is None:
            return RawResponse.plain(
                404, "pytest-sharedworker's gateway serves nothing under this path and has no upstream"
            )
        if self._session is None:
            raise ClientDisconnectedError
        url = self._rewrite(request.url) if is_own else URL(request.url, encoded=True)
        if not is_own:
            request = request.copy()
            request.headers.popall("Host", None)
        try:
            if proxy is not None:
                response = await proxy.open(self._session, url, request)
            else:
                response = await self._forward(self._session, url, request)
        except RuntimeError as error:
            if self._session is not None:
                raise
            raise ClientDisconnectedError from error  # The test is over, and aiohttp's session is closed.
        except (ClientError, asyncio.TimeoutError, ValueError) as error:
            server = self.origin if is_own else str(url)
            text = f"pytest-sharedworker's gateway cannot reach the server {server}: {error!r}"
            response = RawResponse.plain(502, text)
        exchange.upstream_status, exchange.upstream_response_body = response.status, response.body
        return response

    def _rewrite(self, url: str) -> URL:
        path, mark, query = url.removeprefix(self._gateway_origin.url).partition("?")
        # Byte for byte as the browser wrote it.
        return URL(f"{self.origin}{self._rewrites.get(path, path)}{mark}{query}", encoded=True)

    async def _forward(self, session: ClientSession, url: URL, request: UpstreamRequest) -> RawResponse:
        async with await request_upstream(session, url, request) as response:
            body = await response.read()
            headers = remove_headers(response.headers, NOT_FORWARDED)
            if request.method == "HEAD" and "Content-Length" in response.headers:
                headers["Content-Length"] = response.headers["Content-Length"]  # Of the body that GET has.
            return RawResponse(response.status, headers, body)


def _check_origin(origin: str) -> str:
    parts = urlsplit(origin)
    if parts.scheme in ("http", "https") and parts.hostname and not parts.query and not parts.fragment:
        return origin.rstrip("/")
    host = origin.partition("://")[2] or origin.lstrip("/")
    hint = f"; did you mean 'http://{host.partition('?')[0].partition('#')[0]}'?" if host else ""
    raise GatewayError(f"the upstream {origin!r} is not an http or https origin{hint}")
