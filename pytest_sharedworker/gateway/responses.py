"""Sending: how an answer gets to the browser, whole, shaped by toxics, or cut off."""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, Literal, NoReturn

from aiohttp import web
from multidict import CIMultiDict

if sys.platform != "win32":
    import fcntl
    import termios

from pytest_sharedworker.gateway.exchange import Exchange
from pytest_sharedworker.gateway.route import Response
from pytest_sharedworker.gateway.toxics import Toxic

_FLUSH_POLL_SECONDS = 0.001
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, 0 seconds, so that close() sends RST.


class ConnectionClosedError(Exception):
    """A toxic or a route ended the exchange: nothing more is sent."""

    def __init__(self, how: Literal["reset", "closed"] | None = None) -> None:
        self.how = how


def close_connection(request: web.Request, *, reset: bool) -> NoReturn:
    """Close the connection under a request, by TCP RST or in order, and raise Cut."""
    transport = request.transport
    if transport is not None:
        if reset:
            raw = transport.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            transport.abort()
        else:
            transport.close()
    raise ConnectionClosedError("reset" if reset else "closed")


def cut_off(request: web.Request) -> None:
    """Close the connection under a request whatever is under way there."""
    if request.transport is not None:
        request.transport.abort()


async def send(
    request: web.Request,
    exchange: Exchange,
    answer: Response,
    toxics: list[Toxic],
    *,
    pause: Callable[[float], Awaitable[None]],
    gate: Callable[[str], Awaitable[None]] | None = None,
) -> web.StreamResponse:
    """Send an answer as `toxics` shape it and note in the exchange what was sent.

    `pause` lets milliseconds of the sender's time pass; `gate` is awaited with path and query, between
    headers and body. Raises Cut where a toxic cuts the answer off.
    """
    status, headers, body = answer
    response = web.StreamResponse(status=status, headers=CIMultiDict(headers))
    response.force_close()
    if status not in (204, 304) and not (request.method == "HEAD" and "Content-Length" in headers):
        response.content_length = len(body)
    exchange.response_headers = CIMultiDict(headers)
    await response.prepare(request)
    exchange.status = status
    if request.method == "HEAD" or status in (204, 304):
        await response.write_eof()
        return response
    if gate is not None:
        await response.write(b"")  # The headers.
        await gate(request.raw_path)
    shaping = {toxic.name: toxic.attributes for toxic in toxics}
    limit = shaping.get("limit_data", {}).get("bytes")
    sent = body if limit is None else body[:limit]
    exchange.response_body = sent
    for piece, delay_ms in _pieces(sent, shaping):
        if delay_ms:
            await pause(delay_ms)
        await response.write(piece)
    if len(sent) < len(body):
        if not sent:
            await response.write(b"")  # The headers.
        await _flush(request.transport)
        close_connection(request, reset=True)
    if "slow_close" in shaping:
        await pause(shaping["slow_close"]["delay_ms"])
    await response.write_eof()
    return response


async def _flush(transport: asyncio.Transport | None) -> None:
    """Wait until the other side's system has all that was written: a reset throws away the rest."""
    # A transport tells nobody when that is so.
    while transport and not transport.is_closing() and _unsent_bytes(transport):  # noqa: ASYNC110
        await asyncio.sleep(_FLUSH_POLL_SECONDS)


def _unsent_bytes(transport: asyncio.Transport) -> int:
    unsent = transport.get_write_buffer_size()
    if sys.platform != "win32":
        with suppress(OSError):  # Not every system tells this of a socket.
            waiting = fcntl.ioctl(transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, bytes(4))
            unsent += int.from_bytes(waiting, sys.byteorder)
    return unsent


def _pieces(body: bytes, shaping: Mapping[str, Mapping[str, Any]]) -> list[tuple[bytes, float]]:
    """Cut a body as slicer and bandwidth want it: pieces, each with the delay in ms before it."""
    size = int(shaping.get("slicer", {}).get("average_size", 0)) or 16 * 1024
    delay_ms = shaping.get("slicer", {}).get("delay_ms", 0)
    rate = shaping.get("bandwidth", {}).get("rate_kib_per_second")
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return [(piece, delay_ms + (len(piece) / 1024 / rate * 1000 if rate else 0)) for piece in pieces]
