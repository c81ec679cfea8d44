"""Refusal of requests that a page of another origin makes."""

import re
from typing import NamedTuple

from aiohttp import web
from yarl import URL

from reference_server.errors import Handler, WireError

# Scheme, host and port, and nothing that a URL may have besides: RFC 6454 §6.2, RFC 3986 §3.2.2.
_SHAPE = re.compile(r"[a-z]+://(\[[0-9a-f:.]+\]|[^\s\"<>\\^`{|}/?#@:\[\]]+)(:[0-9]+)?", re.IGNORECASE)


@web.middleware
async def same_origin_only(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let a request pass when it names no origin, or the one that it was sent to.

    Browsers name the origin of whoever asks in every POST; `null` stands for one that they hide. A proxy that
    ends TLS tells the scheme in `X-Forwarded-Proto`, which no page can add to a request of another origin
    unless that allows it (Fetch, CORS-preflight), and this server allows none.
    """
    origins = request.headers.getall("Origin", [])
    scheme = request.headers.get("X-Forwarded-Proto", request.scheme)
    own = origin_of(f"{scheme}://{request.host}")
    if own is None:
        raise WireError(400, "host_invalid", "The request names no host, or what is none.", field="Host")
    if any(origin_of(origin) != own for origin in origins):
        raise WireError(
            403, "cross_origin", "Pages of another origin may not use this server.", field="Origin"
        )
    return await handler(request)


class Origin(NamedTuple):
    """An origin in its one spelling. `host` is in lower case and without brackets."""

    scheme: str
    host: str
    port: int


def origin_of(text: str) -> Origin | None:
    """Give scheme, host and port (the scheme's own where none is written), or None for what is no origin."""
    if not _SHAPE.fullmatch(text):
        return None
    try:
        url = URL(text)
        if url.host is None or url.port is None:
            return None
        return Origin(url.scheme, url.host.lower(), url.port)
    except ValueError:
        return None
