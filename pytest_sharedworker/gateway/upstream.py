"""Upstream: the server under test, behind the gateway."""

from __future__ import annotations

import asyncio
import ssl
from urllib.parse import urlsplit

from aiohttp import (
    ClientConnectorCertificateError,
    ClientError,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
)
from yarl import URL

from pytest_sharedworker.errors import GatewayError
from pytest_sharedworker.gateway.body_stream import UpstreamBody
from pytest_sharedworker.gateway.exchange import Exchange
from pytest_sharedworker.gateway.exchange_control import ClientDisconnectedError
from pytest_sharedworker.gateway.headers import NOT_FORWARDED_FROM_SERVER, remove_headers
from pytest_sharedworker.gateway.http_client import BadResponseError, send_request
from pytest_sharedworker.gateway.messages import RawResponse, UpstreamRequest
from pytest_sharedworker.gateway.patterns import Origin
from pytest_sharedworker.gateway.websockets import WebSocketBridge, never_redirect

TIMEOUT_SECONDS = 60


class Upstream:
    """The server at `origin` (None: no server)."""

    def __init__(self, gateway_origin: Origin, origin: str | None) -> None:
        self._gateway_origin = gateway_origin
        self.origin = origin
        self._rewrites: dict[str, str] = {}
        self._session: ClientSession | None = None
        """For WebSockets."""
        self._tls: ssl.SSLContext | None = None
        """How certificates of the server are verified, once that was needed."""
        self._bodies: set[UpstreamBody] = set()

    @property
    def origin(self) -> str | None:
        """The server's origin, without a slash at its end."""
        return self._origin

    @origin.setter
    def origin(self, origin: str | None) -> None:
        self._origin = None if origin is None else _check_origin(origin)

    def accept_any_certificate(self) -> None:
        """Accept also certificates that no authority has signed, from now on."""
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._tls.check_hostname = False
        self._tls.verify_mode = ssl.CERT_NONE

    async def open(self) -> None:
        """Get ready for requests."""
        self._session = ClientSession(
            auto_decompress=False,
            cookie_jar=DummyCookieJar(),
            timeout=ClientTimeout(TIMEOUT_SECONDS),
            trace_configs=[never_redirect()],
        )

    async def close(self) -> None:
        """Close the connections to the server. Idempotent."""
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()
        for body in list(self._bodies):
            body.close()

    def rewrite(self, path: str, upstream_path: str) -> None:
        """Request `upstream_path` where the browser requests `path`; the query stays. Raise GatewayError."""
        for each in (path, upstream_path):
            if not each.startswith("/") or set(each) & set("?#"):
                raise GatewayError(f"cannot rewrite {path!r} to {upstream_path!r}: both are plain paths")
        self._rewrites[path] = upstream_path

    async def fetch(
        self, request: UpstreamRequest, exchange: Exchange, proxy: WebSocketBridge | None = None
    ) -> RawResponse:
        """Return the server's response, by `proxy` where one is given; its body may still be on its way.

        Raise ClientDisconnectedError once the test is over.
        """
        is_own = self._gateway_origin.has(request.url)
        if is_own and self.origin is None:
            return RawResponse.plain(
                404, "pytest-sharedworker's gateway serves nothing under this path and has no upstream"
            )
        if self._session is None:
            raise ClientDisconnectedError
        url = self._rewrite(request.url) if is_own else request.url
        if not is_own:
            request = request.copy()
            request.headers.popall("Host", None)
        elif self._gateway_origin.url.startswith("https:") and url.startswith("http:"):
            # As every proxy that ends TLS says: the server makes its cookies, redirects and checks by it.
            request = request.copy()
            request.headers.setdefault("X-Forwarded-Proto", "https")
        try:
            if proxy is not None:
                response = await proxy.open(
                    self._session, URL(url, encoded=True), request, tls=self._get_tls(url)
                )
            else:
                response = await self._forward(url, request, exchange)
        except RuntimeError as error:
            if self._session is not None:
                raise
            raise ClientDisconnectedError from error  # The test is over, and aiohttp's session is closed.
        except (ClientError, OSError, asyncio.TimeoutError, BadResponseError, ValueError) as error:
            server = self.origin if is_own else url
            text = f"pytest-sharedworker's gateway cannot reach the server {server}: {error!r}"
            if isinstance(error, ssl.SSLCertVerificationError | ClientConnectorCertificateError):
                text += " (ignore_https_errors, an option of the browser's context, accepts any certificate)"
            response = RawResponse.plain(502, text)
        exchange.upstream_status, exchange.upstream_response_body = response.status, response.body
        return response

    def _get_tls(self, url: str) -> ssl.SSLContext | None:
        if not url.lower().startswith(("https:", "wss:")):
            return None
        if self._tls is None:  # Not for every gateway: it reads all authorities, which takes 20 ms.
            self._tls = ssl.create_default_context()
        return self._tls

    def _rewrite(self, url: str) -> str:
        path, mark, query = url.removeprefix(self._gateway_origin.url).partition("?")
        # Byte for byte as the browser wrote it.
        return f"{self.origin}{self._rewrites.get(path, path)}{mark}{query}"

    async def _forward(self, url: str, request: UpstreamRequest, exchange: Exchange) -> RawResponse:
        server = await send_request(url, request, self._get_tls(url))
        stream = UpstreamBody(server, exchange, self._bodies)
        try:
            if self._session is None:  # Closed meanwhile: nobody else closes this connection.
                raise ClientDisconnectedError
            status, reason, headers = server.head
            headers = remove_headers(headers, NOT_FORWARDED_FROM_SERVER)
            if server.is_chunked:
                headers.popall("Content-Length", None)
            return RawResponse(status, headers, await stream.read_ahead(), reason, stream)
        except BaseException:
            stream.close()
            raise


def _check_origin(origin: str) -> str:
    parts = urlsplit(origin)
    if parts.scheme in ("http", "https") and parts.hostname and not parts.query and not parts.fragment:
        return origin.rstrip("/")
    host = origin.partition("://")[2] or origin.lstrip("/")
    hint = f"; did you mean 'http://{host.partition('?')[0].partition('#')[0]}'?" if host else ""
    raise GatewayError(f"the upstream {origin!r} is not an http or https origin{hint}")
