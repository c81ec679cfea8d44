"""A server's body on its way: read ahead a little, noted in the journal, or read to its end."""

from __future__ import annotations

import asyncio

from pytest_sharedworker.gateway.exchange import Exchange
from pytest_sharedworker.gateway.http_client import BrokenBodyError, ServerResponse
from pytest_sharedworker.gateway.messages import RawResponse

READ_AHEAD_SECONDS = 0.02
READ_AHEAD_BYTES = 1 << 16
"""A body that is complete by then is sent in one go."""

PATIENCE_SECONDS = 1.0
"""A toxic that needs the whole body waits this long for the next piece of an endless one."""

_ALWAYS_NOTED_BYTES = 1 << 20
_NOTED_SHARE = 8


class BodyNotes:
    """Collects a body, and sets an attribute of its exchange to what there is so far.

    Behind the first megabyte not at every piece: each time copies all bytes.
    """

    def __init__(self, exchange: Exchange, attribute: str) -> None:
        self._exchange = exchange
        self._attribute = attribute
        self._body = bytearray()
        self._noted = 0

    def add(self, piece: bytes) -> None:
        """Note a piece."""
        self._body += piece
        if len(self._body) <= max(_ALWAYS_NOTED_BYTES, self._noted + self._noted // _NOTED_SHARE):
            self.flush()

    def flush(self) -> None:
        """Note all that was added."""
        setattr(self._exchange, self._attribute, bytes(self._body))
        self._noted = len(self._body)


class UpstreamBody:
    """The body of a server's response; it is in `opened` until it is closed."""

    def __init__(self, response: ServerResponse, exchange: Exchange, opened: set[UpstreamBody]) -> None:
        self.is_chunked = response.is_chunked
        self._response = response
        self._notes = BodyNotes(exchange, "upstream_response_body")
        self._reading: asyncio.Future[bytes] | None = None
        self._opened = opened
        opened.add(self)

    @property
    def is_at_end(self) -> bool:
        """Whether all of it is known to have been read."""
        return self._reading is None and self._response.is_at_end

    async def read_piece(self, *, seconds: float | None = None) -> bytes:
        """Return the next bytes, b"" at the end. Raise BrokenBodyError, or TimeoutError after `seconds`.

        A read that is given up or canceled goes on for the next call.
        """
        if self._reading is None:
            self._reading = asyncio.ensure_future(self._response.read_piece())
        done, _ = await asyncio.wait({self._reading}, timeout=seconds)
        if not done:
            raise asyncio.TimeoutError
        reading, self._reading = self._reading, None
        try:
            piece = reading.result()
        except BrokenBodyError:
            self._notes.flush()
            raise
        if piece:
            self._notes.add(piece)
        if self.is_at_end or not piece:
            self._notes.flush()
        return piece

    async def read_ahead(self) -> bytes:
        """Return what comes at once."""
        body = bytearray()
        deadline = asyncio.get_running_loop().time() + READ_AHEAD_SECONDS
        while len(body) < READ_AHEAD_BYTES and not self.is_at_end:
            left = deadline - asyncio.get_running_loop().time()
            try:
                piece = await self.read_piece(seconds=max(0, left))
            except (BrokenBodyError, asyncio.TimeoutError):
                break
            if not piece:
                break
            body += piece
        return bytes(body)

    def close(self) -> None:
        """Close the connection to the server. Idempotent."""
        self._opened.discard(self)
        self._response.close()
        if self._reading is not None:
            self._reading.cancel()


async def read_whole(response: RawResponse, *, patience: float | None = None) -> RawResponse:
    """Return a response with all of its body; its stream is kept where that is broken, or not at its end.

    `patience` is how many seconds of real time a piece may take.
    """
    stream = response.stream
    if stream is None:
        return response
    body = bytearray(response.body)
    try:
        while piece := await stream.read_piece(seconds=patience):
            body += piece
    except (BrokenBodyError, asyncio.TimeoutError):
        return response._replace(body=bytes(body))
    stream.close()
    return response._replace(body=bytes(body), stream=None)
