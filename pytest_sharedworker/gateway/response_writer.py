"""Write a response to the browser as it is: aiohttp's own would add headers and change the reason phrase."""

from __future__ import annotations

from enum import Enum
from http import HTTPStatus

from aiohttp import web
from multidict import CIMultiDict


class Framing(Enum):
    """How the end of a body is marked."""

    LENGTH = "Content-Length"
    CHUNKED = "Transfer-Encoding"
    CONNECTION = "the end of the connection"
    NONE = "no body"


class SentResponse(web.StreamResponse):
    """What aiohttp gets once the response is written: it only has to close the connection."""

    def __init__(self) -> None:
        super().__init__()
        self.force_close()

    async def prepare(self, request: web.BaseRequest) -> None:
        """Write nothing."""

    async def write_eof(self, data: bytes = b"") -> None:
        """Write nothing."""


class ResponseWriter:
    """Writes one response. Its methods raise ConnectionError once the browser has gone."""

    def __init__(self, request: web.Request, framing: Framing) -> None:
        self._writer = request.writer
        self._framing = framing

    async def write_head(self, status: int, reason: str | None, headers: CIMultiDict[str]) -> None:
        """Write status line and headers."""
        phrase = get_reason(status) if reason is None else reason
        lines = [f"HTTP/1.1 {status} {phrase}", *(f"{name}: {value}" for name, value in headers.items())]
        if self._framing is Framing.CHUNKED:
            lines.append("Transfer-Encoding: chunked")
        lines += ["Connection: close", "\r\n"]
        await self._writer.write("\r\n".join(lines).encode("utf-8", "surrogateescape"))

    async def write(self, piece: bytes) -> None:
        """Write a piece of the body."""
        if not piece or self._framing is Framing.NONE:
            return
        if self._framing is Framing.CHUNKED:
            piece = f"{len(piece):x}\r\n".encode() + piece + b"\r\n"
        await self._writer.write(piece)

    async def end(self) -> SentResponse:
        """Write the end."""
        if self._framing is Framing.CHUNKED:
            await self._writer.write(b"0\r\n\r\n")
        await self._writer.drain()
        return SentResponse()


def get_reason(status: int) -> str:
    """Return the usual reason phrase of a status, "" for an unknown one."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
