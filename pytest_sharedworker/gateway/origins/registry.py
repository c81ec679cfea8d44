"""The origins of one gateway: its own, those that a test has put behind a name, and all others."""

from __future__ import annotations

from urllib.parse import urlsplit

from pytest_sharedworker.errors import GatewayError
from pytest_sharedworker.gateway.exchange import Exchange
from pytest_sharedworker.gateway.messages import RawResponse, UpstreamRequest
from pytest_sharedworker.gateway.origins.urls import check_origin
from pytest_sharedworker.gateway.patterns import Origin
from pytest_sharedworker.gateway.served_content import ServedContent
from pytest_sharedworker.gateway.upstream import Upstream
from pytest_sharedworker.gateway.websockets import WebSocketBridge

_REFUSED_STATUS = 502
_NEVER_REAL = (".test",)
"""Names that no network has (RFC 6761 §6.2)."""


class NamedOrigin:
    """What is behind a name: served content, and a server, if any."""

    def __init__(self, url: str) -> None:
        self.origin = Origin(url)
        self.content = ServedContent(self.origin)
        self.upstream = Upstream(self.origin, None)

    def set_upstream(self, upstream: str, *, ignore_https_errors: bool) -> None:
        """Put a server behind the name. Raise GatewayError."""
        self.upstream.origin = upstream
        if ignore_https_errors:
            self.upstream.accept_any_certificate()


class Origins:
    """Finds what responds to a request: by its origin served content, a server, or the network."""

    def __init__(self, origin: Origin, content: ServedContent, upstream: Upstream) -> None:
        self._own = origin
        self._content = content
        self._upstream = upstream
        self._named: dict[str, NamedOrigin] = {}
        self._is_open = False

    async def open(self) -> None:
        """Get ready for requests."""
        self._is_open = True
        await self._upstream.open()
        for named in self._named.values():
            await named.upstream.open()

    async def close(self) -> None:
        """Close the connections to all servers. Idempotent."""
        self._is_open = False
        await self._upstream.close()
        for named in self._named.values():
            await named.upstream.close()

    async def add(self, url: str) -> NamedOrigin:
        """Return the origin of this URL, a new one where it has none. Raise GatewayError."""
        url = check_origin(url)
        if url == self._own.url or self._own.normalize(url) == self._own.url:
            raise GatewayError(f"{url} is the gateway's own origin: call serve() of the gateway")
        if url not in self._named:
            named = NamedOrigin(url)
            if self._is_open:
                await named.upstream.open()
            self._named[url] = named
        return self._named[url]

    def respond(self, request: UpstreamRequest) -> RawResponse | None:
        """Return what is served for a request; None where nothing is."""
        named = self._find(request.url)
        return (named.content if named else self._content).respond(request)

    async def fetch(
        self, request: UpstreamRequest, exchange: Exchange, bridge: WebSocketBridge | None = None
    ) -> RawResponse:
        """Return the response of the server at the request's origin, of the network's where no name has one.

        Raise what `Upstream.fetch` does.
        """
        named = self._find(request.url)
        if named is None and self._own.is_proxy and not self._own.has(request.url):
            if (urlsplit(request.url).hostname or "").endswith(_NEVER_REAL):
                return self._refuse(request.url, exchange)
        return await (named.upstream if named else self._upstream).fetch(request, exchange, bridge)

    def _find(self, url: str) -> NamedOrigin | None:
        return self._named.get(_cut_origin(url)) if self._named else None

    def _refuse(self, url: str, exchange: Exchange) -> RawResponse:
        origin = _cut_origin(url)
        exchange.route = "refused: no origin"
        named = ", ".join(self._named) or "none"
        return RawResponse.plain(
            _REFUSED_STATUS,
            f"pytest-sharedworker: nothing is behind {origin}; call gateway.origin({origin!r})."
            f" The origins of this test: {named}",
        )


def _cut_origin(url: str) -> str:
    return "/".join(url.split("/", 3)[:3])
