"""A server of bytes: it sends what a test says, also what no library would send."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Sequence
from contextlib import suppress

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, 0 seconds, so that close() sends RST.


class RawServer:
    """Sends the same pieces for each request, each when `release` is called; `requests` has their bytes."""

    def __init__(self, pieces: Sequence[bytes], *, end: str = "close", is_stepwise: bool = False) -> None:
        """`end` is "close", "reset" or "never"."""
        self.requests: list[bytes] = []
        self._pieces = pieces
        self._end = end
        self._steps = asyncio.Semaphore(0) if is_stepwise else None
        self._server: asyncio.Server | None = None
        self._requested = asyncio.Event()
        self._disconnected = asyncio.Event()

    async def start(self) -> str:
        """Listen on a free port; return the origin."""
        self._server = await asyncio.start_server(self._handle, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        """Stop listening."""
        assert self._server is not None
        self._server.close()

    async def release(self) -> None:
        """Send the next piece."""
        assert self._steps is not None
        self._steps.release()

    async def wait_for_request(self) -> None:
        """Wait until a request has come."""
        await self._requested.wait()

    async def wait_until_disconnected(self) -> None:
        """Wait until a client closes the connection of a response that never ends."""
        await self._disconnected.wait()

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.requests.append(await reader.readuntil(b"\r\n\r\n"))
        self._requested.set()
        for piece in self._pieces:
            if self._steps is not None:
                await self._steps.acquire()
            writer.write(piece)
            await writer.drain()
        if self._end == "never":
            with suppress(ConnectionResetError):
                await reader.read()
            self._disconnected.set()
        if self._end == "reset":
            await asyncio.sleep(0.05)  # The bytes before must have been read: a reset discards them.
            raw = writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        writer.close()
