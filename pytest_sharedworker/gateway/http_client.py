"""An HTTP/1.1 client that changes nothing: it sends bytes as they were read, and reads what browsers accept.

Libraries normalize methods, header values and broken responses; an app behind the gateway must not see that.
Headers and reason phrases are text in which bytes that are not UTF-8 are surrogates (`surrogateescape`), as
in aiohttp's requests, so that they can be written as they were read.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from multidict import CIMultiDict
from yarl import URL

from pytest_sharedworker.gateway.messages import UpstreamRequest
from pytest_sharedworker.integration.time_limits import time_limit

CONNECT_SECONDS = 60.0
HEAD_SECONDS = 600.0
"""How long a server may take until its response begins; the body has no limit.

Longer than browsers wait, so that their own limit (300 s in Firefox) holds for a long poll.
"""

_LONGEST_LINE = 1 << 20
_PIECE_BYTES = 1 << 16
_WITHOUT_BODY = (204, 304)
_WITH_BODY = ("POST", "PUT", "PATCH")
"""For these a length is sent even if it is 0 (RFC 9110 §8.6)."""
_STATUS_LINE = re.compile(r"HTTP/\d(?:\.\d+)? +(\d{3})(?: (.*))?")
_CHUNK_SIZE = re.compile(rb"[0-9a-fA-F]+")


class BrokenBodyError(Exception):
    """The server ended the connection before the end of its response's body; `is_reset`: by a reset."""

    def __init__(self, *, is_reset: bool) -> None:
        self.is_reset = is_reset


class BadResponseError(Exception):
    """What the server sent is no HTTP response."""


class Head(NamedTuple):
    """The begin of a response."""

    status: int
    reason: str
    headers: CIMultiDict[str]


class ServerResponse:
    """A response whose body is not read yet. Close it."""

    def __init__(
        self, head: Head, method: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.head = head
        self.is_chunked = False
        self._reader = reader
        self._writer = writer
        self._left = 0
        self._read = self._make_read(method)

    def _make_read(self, method: str) -> Callable[[], Awaitable[bytes]]:
        """Return how the body is read (RFC 9112 §6.3)."""
        headers = self.head.headers
        if method == "HEAD" or self.head.status in _WITHOUT_BODY:
            return self._read_length
        if headers.get("Transfer-Encoding", "").lower().rpartition(",")[2].strip() == "chunked":
            self.is_chunked = True
            return self._read_chunk
        length = headers.get("Content-Length", "").strip()
        if length.isascii() and length.isdigit():
            self._left = int(length)
            return self._read_length
        return self._read_to_end

    @property
    def is_at_end(self) -> bool:
        """Whether all of the body has been read; of one without a length it shows at the next read."""
        return not self._left and self._read == self._read_length

    async def read_piece(self) -> bytes:
        """Return the next bytes of the body as they come, b"" at its end. Raise BrokenBodyError."""
        try:
            return await self._read()
        except (OSError, asyncio.IncompleteReadError, ValueError) as error:
            raise BrokenBodyError(is_reset=isinstance(error, OSError)) from error

    def close(self) -> None:
        """Close the connection at once. Idempotent."""
        self._writer.transport.abort()

    async def _read_length(self) -> bytes:
        if not self._left:
            return b""
        piece = await self._reader.read(min(self._left, _PIECE_BYTES))
        if not piece:
            raise asyncio.IncompleteReadError(b"", self._left)
        self._left -= len(piece)
        return piece

    async def _read_to_end(self) -> bytes:
        return await self._reader.read(_PIECE_BYTES)

    async def _read_chunk(self) -> bytes:
        if not self._left:
            line = await _read_line(self._reader)
            size = _CHUNK_SIZE.match(line)
            if size is None:
                raise ValueError(f"no size of a chunk: {line[:20]!r}")
            self._left = int(size[0], 16)
            if not self._left:
                while await _read_line(self._reader):  # Trailers, which no script can read.
                    pass
                self._read = self._read_length
                return b""
        piece = await self._read_length()
        if not self._left:
            await _read_line(self._reader)
        return piece


async def _read_last_line(reader: asyncio.StreamReader) -> bytes:
    """Return a line of a head, which the end of the connection may end too, as in browsers."""
    try:
        return await _read_line(reader)
    except asyncio.IncompleteReadError as error:
        return error.partial.removesuffix(b"\r")


async def _read_line(reader: asyncio.StreamReader) -> bytes:
    """Return a line without its end, which may be LF alone. Raise IncompleteReadError."""
    line = await reader.readuntil(b"\n")
    return line[:-1].removesuffix(b"\r")


async def send_request(url: str, request: UpstreamRequest, tls: ssl.SSLContext | None) -> ServerResponse:
    """Send a request to an absolute URL on a connection of its own, over TLS if given; return the response.

    Raise OSError, TimeoutError, ValueError (for the URL) or BadResponseError.
    """
    address = URL(url, encoded=True)
    async with time_limit(CONNECT_SECONDS):
        reader, writer = await asyncio.open_connection(
            address.raw_host,
            address.port,
            limit=_LONGEST_LINE,
            ssl=tls,
        )
    try:
        # The target is not taken from the parsed URL, which drops an empty query.
        writer.write(_serialize("/" + url.split("/", 3)[3], _get_host(address), request))
        async with time_limit(HEAD_SECONDS):
            head = await _read_response(reader, writer)
        return ServerResponse(head, request.method, reader, writer)
    except BaseException:
        writer.transport.abort()
        raise


def _serialize(target: str, host: str, request: UpstreamRequest) -> bytes:
    headers = [(name, value) for name, value in request.headers.items() if name.lower() != "host"]
    host = request.headers.get("Host") or host
    has_body = request.body or request.method in _WITH_BODY
    length = [("Content-Length", str(len(request.body)))] if has_body else []
    lines = [
        f"{request.method} {target} HTTP/1.1",
        *(f"{name}: {value}" for name, value in [("Host", host), *headers, *length, ("Connection", "close")]),
        "\r\n",
    ]
    return "\r\n".join(lines).encode("utf-8", "surrogateescape") + request.body


def _get_host(url: URL) -> str:
    host = f"[{url.raw_host}]" if ":" in (url.raw_host or "") else url.raw_host or ""
    return host if url.is_default_port() else f"{host}:{url.port}"


async def _read_response(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Head:
    """Return the head of the final response, behind those of interim ones (RFC 9110 §15.2).

    A server may respond before it has read the whole request, and even close then.
    """
    while True:
        try:
            head = await _read_head(reader)
        except asyncio.IncompleteReadError as error:
            raise BadResponseError("the server closed the connection without a response") from error
        except (asyncio.LimitOverrunError, ValueError) as error:
            raise BadResponseError(str(error)) from error
        if head.status >= 200 or head.status == 101:
            return head


async def _read_head(reader: asyncio.StreamReader) -> Head:
    first = (await _read_line(reader)).decode("utf-8", "surrogateescape")
    match = _STATUS_LINE.fullmatch(first)
    if match is None:
        raise ValueError(f"this is no HTTP response: {first[:80]!r}")
    lines: list[bytes] = []
    while line := await _read_last_line(reader):
        if line[:1] in (b" ", b"\t") and lines:  # A folded line (RFC 9112 §5.2).
            lines[-1] += b" " + line.strip()
        else:
            lines.append(line)
    headers = CIMultiDict[str]()
    for name, colon, value in (line.partition(b":") for line in lines):
        if colon and name.strip():
            text = value.strip(b" \t").decode("utf-8", "surrogateescape")
            headers.add(name.strip().decode("utf-8", "surrogateescape"), text)
    return Head(int(match[1]), match[2] or "", headers)
