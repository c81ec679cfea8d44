"""Bodies without their content encoding (RFC 9110, section 8.4.1).

Python decodes gzip and deflate, and from 3.14 on zstd. Others need a package that may be installed: `brotli`
or `brotlicffi` for br, `backports.zstd` or `zstandard` for zstd.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

_DETECT = zlib.MAX_WBITS | 32
"""Makes zlib detect whether a body is gzip or zlib."""


def decode_body(body: bytes, headers: Mapping[str, str]) -> bytes:
    """Return the decoded body; unchanged where it is cut off, damaged, or of another encoding."""
    try:
        for encoding in reversed(list_encodings(headers)):
            decode = _DECODERS.get(encoding)
            if decode is None:
                return body
            body = decode(body)
    except Exception:  # Each package has exceptions of its own.
        return body
    return body


def list_encodings(headers: Mapping[str, str]) -> list[str]:
    """Return the encodings of a body, in the order in which they were applied."""
    names = headers.get("Content-Encoding", "").lower().split(",")
    return [name.strip() for name in names if name.strip() not in ("", "identity")]


def _inflate(body: bytes) -> bytes:
    try:
        return zlib.decompress(body, wbits=_DETECT)
    except zlib.error:  # "deflate" without a header, which browsers read too.
        return zlib.decompress(body, wbits=-zlib.MAX_WBITS)


def _find(*modules: str) -> Any | None:
    for name in modules:
        try:
            return import_module(name)
        except ImportError:
            continue
    return None


def _make_decoders() -> dict[str, Callable[[bytes], bytes]]:
    decoders: dict[str, Callable[[bytes], bytes]] = dict.fromkeys(("gzip", "x-gzip", "deflate"), _inflate)
    if brotli := _find("brotli", "brotlicffi"):
        decoders["br"] = brotli.decompress
    if zstd := _find("compression.zstd", "backports.zstd"):
        decoders["zstd"] = zstd.decompress
    elif zstandard := _find("zstandard"):
        decoders["zstd"] = lambda body: bytes(zstandard.ZstdDecompressor().decompressobj().decompress(body))
    return decoders


_DECODERS = _make_decoders()
