"""The body of a request: read in time, unpacked, and never larger than the limit in either form."""

import asyncio
import zlib
from collections.abc import Callable

from aiohttp import web

from reference_server.errors import WireError

IDENTITY = "identity"
ACCEPT_ENCODINGS = ("gzip",)
"""What a worker is told that it may pack its bodies with."""

_WINDOW_BITS = {
    "gzip": zlib.MAX_WBITS | 16,
    "x-gzip": zlib.MAX_WBITS | 16,  # the same by an older name: RFC 9110 §8.4.1.3
    "deflate": zlib.MAX_WBITS,
}

DEFAULT_BODY_TIMEOUT_SECONDS = 30.0
"""How long a body may take from its first byte to its last."""


def encoding_of(request: web.Request) -> str:
    """Give how the body is packed, in lower case. Raises WireError 415 for what cannot be unpacked."""
    encoding = request.headers.get("Content-Encoding", IDENTITY).strip().lower()
    if encoding == IDENTITY or encoding in _WINDOW_BITS:
        return encoding
    known = ", ".join(_WINDOW_BITS)
    raise WireError(
        415,
        "unsupported_content_encoding",
        f"Content-Encoding has to be one of {known}, or absent.",
        field="Content-Encoding",
        headers={"Accept-Encoding": known},
    )


async def read_body(
    request: web.Request, limit_bytes: int, timeout_seconds: float, received: Callable[[int], None]
) -> bytes:
    """Read the body as it comes over the wire; `received` hears of every part how long it is.

    Raises WireError 413 by the announced length, else when it grows too large; 408 when it does not end in
    time; and what `received` raises.
    """
    if (request.content_length or 0) > limit_bytes:
        raise _too_large(limit_bytes)

    async def read() -> bytes:
        body = bytearray()
        async for chunk in request.content.iter_any():
            body += chunk
            if len(body) > limit_bytes:
                raise _too_large(limit_bytes)
            received(len(chunk))
        return bytes(body)

    try:
        return await asyncio.wait_for(read(), timeout_seconds)
    except asyncio.TimeoutError:
        raise WireError(
            408,
            "body_too_slow",
            f"The body did not come to its end within {timeout_seconds:g} seconds.",
            headers={"Connection": "close"},
        ) from None


def unpack(body: bytes, encoding: str, limit_bytes: int) -> bytes:
    """Unpack a body; no more than the limit is ever unpacked.

    Raises WireError 413 for one that is larger than the limit, and 400 for one that is not packed so, or is
    cut off, or is followed by more.
    """
    if encoding == IDENTITY:
        return body
    stream = zlib.decompressobj(_WINDOW_BITS[encoding])
    try:
        unpacked = stream.decompress(body, limit_bytes + 1)
    except zlib.error as error:
        raise _unreadable(f"it is not {encoding}") from error
    if len(unpacked) > limit_bytes:
        raise _too_large(limit_bytes)
    if not stream.eof:
        raise _unreadable(f"its {encoding} ends early")
    if stream.unused_data:
        raise _unreadable(f"there is more behind its {encoding}")
    return unpacked


def _unreadable(reason: str) -> WireError:
    return WireError(400, "body_unreadable", f"The body is badly encoded: {reason}.")


def _too_large(limit_bytes: int) -> WireError:
    return WireError(
        413, "body_too_large", f"A body may have {limit_bytes} bytes at most; send fewer records at a time."
    )
