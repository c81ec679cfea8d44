"""The middleware that refuses requests from pages of another origin."""

import re
from typing import NamedTuple

from aiohttp import web
from aiohttp.typedefs import Handler
from yarl import URL

from reference_server.errors import WireError

# Scheme, host and port, and no other part of a URL: RFC 6454 §6.2, RFC 3986 §3.2.2.
_SHAPE = re.compile(r"[a-z]+://(\[[0-9a-f:.]+\]|[^\s\"<>\\^`{|}/?#@:\[\]]+)(:[0-9]+)?", re.IGNORECASE)


@web.middleware
async def require_same_origin(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Pass on a request that names no origin, or the origin that it was sent to.

    Browsers send the page's origin with every POST; `null` stands for an origin that they hide. A proxy that
    terminates TLS sends the scheme in `X-Forwarded-Proto`; of several proxies, the first one wrote the first
    member. A page cannot add this header to a cross-origin request unless the server allows it (Fetch,
    CORS-preflight), and this server allows none.
    """
    origins = request.headers.getall("Origin", [])
    own = parse_origin(f"{_get_scheme(request)}://{request.host}")
    if own is None:
        raise WireError(400, "host_invalid", "The request has no valid Host.", field="Host")
    if any(parse_origin(origin) != own for origin in origins):
        raise WireError(
            403, "cross_origin", "Pages of another origin may not use this server.", field="Origin"
        )
    return await handler(request)


def _get_scheme(request: web.Request) -> str:
    """Return the scheme that the browser used. A forwarded one that no browser uses is ignored."""
    forwarded = request.headers.get("X-Forwarded-Proto", "").partition(",")[0].strip().lower()
    return forwarded if forwarded in ("http", "https") else request.scheme


class Origin(NamedTuple):
    """An origin in normal form. `host` is in lower case and without brackets."""

    scheme: str
    host: str
    port: int


def parse_origin(text: str) -> Origin | None:
    """Return scheme, host and port (by default the scheme's port), or None if the text is not an origin."""
    if not _SHAPE.fullmatch(text):
        return None
    try:
        url = URL(text)
        if url.host is None or url.port is None:
            return None
        return Origin(url.scheme, url.host.lower(), url.port)
    except ValueError:
        return None
