"""How the gateway asks the server: as the browser asked, with nothing added and nothing followed."""

from __future__ import annotations

from io import BytesIO

from aiohttp import ClientResponse, ClientSession, ClientTimeout
from yarl import URL

from pytest_sharedworker.gateway.route import UpstreamRequest


async def ask_server(
    session: ClientSession, url: URL, asked: UpstreamRequest, *, timeout: ClientTimeout | None = None
) -> ClientResponse:
    """Return the server's answer, whose body has yet to be read. Raises aiohttp.ClientError, TimeoutError."""
    return await session.request(
        asked.method,
        url,
        headers=asked.headers,
        data=BytesIO(asked.body) if asked.body else None,
        allow_redirects=False,
        skip_auto_headers=("User-Agent", "Accept-Encoding", "Content-Type"),
        timeout=timeout or session.timeout,
    )
