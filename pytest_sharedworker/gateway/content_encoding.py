"""Bodies as their readers see them, without the coding they travelled in (RFC 9110, section 8.4.1)."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

_KNOWN = ("gzip", "x-gzip", "deflate")
_FINDS_OUT = zlib.MAX_WBITS | 32
"""Has zlib find out by itself whether a body is gzip or zlib."""


def unpacked(body: bytes, headers: Mapping[str, str]) -> bytes:
    """The body unpacked; as it stands where it cannot be: cut off, damaged, or of another coding."""
    if headers.get("Content-Encoding", "").strip().lower() not in _KNOWN:
        return body
    try:
        return zlib.decompress(body, wbits=_FINDS_OUT)
    except zlib.error:
        return body
