"""Sending: write a response to the browser, complete or as toxics shape it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress

from aiohttp import web
from multidict import CIMultiDict

if sys.platform != "win32":
    import fcntl
    import termios

from pytest_sharedworker.gateway.exchange_control import ExchangeControl
from pytest_sharedworker.gateway.messages import RawResponse
from pytest_sharedworker.gateway.transfer import Transfer

_FLUSH_POLL_SECONDS = 0.001


async def send(
    control: ExchangeControl,
    response: RawResponse,
    transfer: Transfer,
    *,
    gate: Callable[[str], Awaitable[None]] | None = None,
) -> web.StreamResponse:
    """Send a response as `transfer` plans it, and note in the exchange what was sent.

    `gate` is awaited with path and query, between headers and body. Raise ConnectionClosedError where the
    plan cuts the response off.
    """
    request, exchange = control.request, control.exchange
    status, headers, body = response
    stream = web.StreamResponse(status=status, headers=CIMultiDict(headers))
    stream.force_close()
    if status not in (204, 304) and not (request.method == "HEAD" and "Content-Length" in headers):
        stream.content_length = len(body)
    exchange.response_headers = CIMultiDict(headers)
    await stream.prepare(request)
    exchange.status = status
    if request.method == "HEAD" or status in (204, 304):
        await stream.write_eof()
        return stream
    if gate is not None:
        await stream.write(b"")  # The headers.
        await gate(request.raw_path)
    sent = body if transfer.limit is None else body[: transfer.limit]
    exchange.response_body = sent
    for piece, delay_ms in transfer.split(sent):
        if delay_ms:
            await control.pause(delay_ms)
        await stream.write(piece)
    if len(sent) < len(body):
        if not sent:
            await stream.write(b"")  # The headers.
        await _flush(request.transport)
        control.reset()
    if transfer.close_delay:
        await control.pause(transfer.close_delay)
    await stream.write_eof()
    return stream


async def _flush(transport: asyncio.Transport | None) -> None:
    """Wait until the other side's system has all that was written: a reset discards the rest."""
    # A transport reports no such moment.
    while transport and not transport.is_closing() and _count_unsent_bytes(transport):  # noqa: ASYNC110
        await asyncio.sleep(_FLUSH_POLL_SECONDS)


def _count_unsent_bytes(transport: asyncio.Transport) -> int:
    unsent = transport.get_write_buffer_size()
    if sys.platform != "win32":
        with suppress(OSError):  # Not every system reports this for a socket.
            waiting = fcntl.ioctl(transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, bytes(4))
            unsent += int.from_bytes(waiting, sys.byteorder)
    return unsent
