"""Sending: write a response to the browser, complete, as it comes, or as toxics shape it."""

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

from pytest_sharedworker.gateway.body_stream import BodyNotes
from pytest_sharedworker.gateway.exchange_control import (
    ExchangeControl,
    reset_connection,
    wait_while_connected,
)
from pytest_sharedworker.gateway.http_client import BrokenBodyError
from pytest_sharedworker.gateway.messages import RawResponse
from pytest_sharedworker.gateway.response_writer import Framing, ResponseWriter, SentResponse
from pytest_sharedworker.gateway.transfer import Transfer

_FLUSH_POLL_SECONDS = 0.001


async def send(
    control: ExchangeControl,
    response: RawResponse,
    transfer: Transfer,
    *,
    gate: Callable[[str], Awaitable[None]] | None = None,
    on_piece: Callable[[], None] = lambda: None,
) -> web.StreamResponse:
    """Send a response as `transfer` plans it, and note in the exchange what was sent.

    A body that is on its way is sent as it comes, and broken off where the server breaks it off. `gate` is
    awaited with path and query, between headers and body; `on_piece` is called for each piece of the body.
    Raise ConnectionClosedError where the plan cuts the response off.
    """
    request, exchange = control.request, control.exchange
    headers, framing = _frame(request.method, response)
    writer = ResponseWriter(request, framing)
    exchange.response_headers = CIMultiDict(response.headers)
    exchange.sent_reason = response.reason
    await writer.write_head(response.status, response.reason, headers)
    exchange.status = response.status
    if framing is Framing.NONE:
        return await writer.end()
    if gate is not None:
        await gate(request.raw_path)
    notes = BodyNotes(exchange, "response_body")
    left = transfer.limit
    piece, stream = response.body, response.stream
    try:
        while True:
            sent = piece if left is None else piece[:left]
            notes.add(sent)
            on_piece()
            for part, delay_ms in transfer.split(sent):
                if delay_ms:
                    await control.pause(delay_ms)
                await writer.write(part)
            if len(sent) < len(piece):
                await _flush(request.transport)
                control.reset()
            left = None if left is None else left - len(sent)
            if stream is None or stream.is_at_end:
                break
            piece = await wait_while_connected(request, stream.read_piece())
            if not piece:
                break
    except BrokenBodyError as broken:
        await _flush(request.transport)
        if broken.is_reset:
            reset_connection(request)
        elif request.transport is not None:
            request.transport.close()
        return SentResponse()
    finally:
        notes.flush()
    if transfer.close_delay:
        await control.pause(transfer.close_delay)
    return await writer.end()


def _frame(method: str, response: RawResponse) -> tuple[CIMultiDict[str], Framing]:
    """Return the headers of a response with its length, and how its end is marked."""
    headers = response.headers.copy()
    if response.status in (204, 304):
        return headers, Framing.NONE
    if method == "HEAD":
        headers.setdefault("Content-Length", str(len(response.body)))
        return headers, Framing.NONE
    if response.stream is None:
        headers.popall("Content-Length", None)
        headers["Content-Length"] = str(len(response.body))
        return headers, Framing.LENGTH
    if response.stream.is_chunked:
        return headers, Framing.CHUNKED
    return headers, Framing.LENGTH if "Content-Length" in headers else Framing.CONNECTION


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
