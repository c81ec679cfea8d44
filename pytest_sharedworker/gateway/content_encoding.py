"""Bodies without their content encoding (RFC 9110, section 8.4.1)."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

_KNOWN = ("gzip", "x-gzip", "deflate")
_DETECT = zlib.MAX_WBITS | 32
"""Makes zlib detect whether a body is gzip or zlib."""


def decode_body(body: bytes, headers: Mapping[str, str]) -> bytes:
    """Return the decoded body; unchanged where it is cut off, damaged, or of another encoding."""
    if headers.get("Content-Encoding", "").strip().lower() not in _KNOWN:
        return body
    try:
        return zlib.decompress(body, wbits=_DETECT)
    except zlib.error:
        return body
