"""How the gateway sends a request on: as the browser sent it, with nothing added and no redirect followed."""

from __future__ import annotations

from io import BytesIO

from aiohttp import ClientResponse, ClientSession, ClientTimeout
from yarl import URL

from pytest_sharedworker.gateway.messages import UpstreamRequest


async def request_upstream(
    session: ClientSession, url: URL, request: UpstreamRequest, *, timeout: ClientTimeout | None = None
) -> ClientResponse:
    """Return the server's response, whose body is not read yet. Raise aiohttp.ClientError, TimeoutError."""
    return await session.request(
        request.method,
        url,
        headers=request.headers,
        data=BytesIO(request.body) if request.body else None,
        allow_redirects=False,
        skip_auto_headers=("User-Agent", "Accept-Encoding", "Content-Type"),
        timeout=timeout or session.timeout,
    )
