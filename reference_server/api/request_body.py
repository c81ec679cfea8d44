"""The body of a request: read within a time limit, decompressed, and bounded in both forms."""

import asyncio
import sys
import zlib
from collections.abc import Callable

from aiohttp import web

from reference_server.errors import WireError

if sys.version_info >= (3, 11):
    from asyncio import timeout
else:
    from async_timeout import timeout

IDENTITY = "identity"

_WINDOW_BITS = {
    "gzip": zlib.MAX_WBITS | 16,
    "x-gzip": zlib.MAX_WBITS | 16,  # the same under an older name: RFC 9110 §8.4.1.3
    "deflate": zlib.MAX_WBITS,
}


def parse_content_encoding(request: web.Request) -> str:
    """Return the body's content encoding in lower case. Raise WireError 415 for an unknown one."""
    encoding = request.headers.get("Content-Encoding", IDENTITY).strip().lower()
    if encoding == IDENTITY or encoding in _WINDOW_BITS:
        return encoding
    known = ", ".join(_WINDOW_BITS)
    raise WireError(
        415,
        "unsupported_content_encoding",
        f"Expected a Content-Encoding of {known}, or none.",
        field="Content-Encoding",
        headers={"Accept-Encoding": known},
    )


async def read_body(
    request: web.Request, limit_bytes: int, timeout_seconds: float, on_chunk: Callable[[int], None]
) -> bytes:
    """Read the body as it is on the wire, and call `on_chunk` with the size of each chunk.

    Raise WireError 413 if the announced or the actual length is above the limit; 408 if the body does not
    end in time; and what `on_chunk` raises.
    """
    if (request.content_length or 0) > limit_bytes:
        raise _too_large_error(limit_bytes)

    async def read() -> bytes:
        body = bytearray()
        async for chunk in request.content.iter_any():
            body += chunk
            if len(body) > limit_bytes:
                raise _too_large_error(limit_bytes)
            on_chunk(len(chunk))
        return bytes(body)

    try:
        async with timeout(timeout_seconds):  # not wait_for(), which starts a task for each body
            return await read()
    except RuntimeError as error:
        if request.transport is not None:
            raise
        # aiohttp's error for a connection that was closed before its body was read.
        raise ConnectionResetError("the connection is closed") from error
    except asyncio.TimeoutError:
        raise WireError(
            408,
            "body_too_slow",
            f"The body did not end within {timeout_seconds:g} seconds.",
            headers={"Connection": "close"},
        ) from None


def decompress(body: bytes, encoding: str, limit_bytes: int) -> bytes:
    """Decompress a body, never beyond the limit.

    Raise WireError 413 for a body above the limit, and 400 for one that is not in its encoding, is cut off,
    or is followed by more data.
    """
    if encoding == IDENTITY:
        return body
    stream = zlib.decompressobj(_WINDOW_BITS[encoding])
    try:
        decompressed = stream.decompress(body, limit_bytes + 1)
    except zlib.error as error:
        raise _unreadable_error(f"it is not {encoding}") from error
    if len(decompressed) > limit_bytes:
        raise _too_large_error(limit_bytes)
    if not stream.eof:
        raise _unreadable_error(f"its {encoding} data ends early")
    if stream.unused_data:
        raise _unreadable_error(f"more data follows its {encoding} data")
    return decompressed


def _unreadable_error(reason: str) -> WireError:
    return WireError(400, "body_unreadable", f"The body is badly encoded: {reason}.")


def _too_large_error(limit_bytes: int) -> WireError:
    return WireError(
        413, "body_too_large", f"The limit of a body is {limit_bytes} bytes; send fewer records at a time."
    )
