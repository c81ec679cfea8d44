"""What toxics and routes can do to one exchange on the wire: delay it, suspend it, end its connection."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Literal, NoReturn, TypeVar

from aiohttp import web

from pytest_sharedworker.control.session import ControlChannel
from pytest_sharedworker.control.socket_counts import SocketCounts
from pytest_sharedworker.control.state_notifier import StateNotifier
from pytest_sharedworker.gateway.exchange import Exchange

_DISCONNECT_POLL_SECONDS = 0.25
"""How often an exchange without a known end is checked for a client that has gone: aiohttp reports none."""

_DISCONNECT_SECONDS = 1.0
"""How long a browser may take to close the connection of a request that its sender has aborted."""

T = TypeVar("T")

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, 0 seconds, so that close() sends RST.


class ConnectionClosedError(Exception):
    """A toxic or a route ended the exchange: nothing more is sent."""

    def __init__(self, how: Literal["reset", "closed"] | None = None) -> None:
        self.how = how


class ClientDisconnectedError(Exception):
    """The sender has ended or has aborted its request."""


class ExchangeControl:
    """One exchange on the wire, and the sender's clock.

    A request that carries the sender's virtual time is delayed in virtual time, every other one in real time.
    """

    def __init__(self, request: web.Request, exchange: Exchange, channel: ControlChannel | None) -> None:
        self.request = request
        self.exchange = exchange
        is_virtual = exchange.virtual_time is not None and exchange.request_number is not None
        self._channel = channel if is_virtual else None
        # A stream that has connected again has no virtual time, and its messages count.
        self._socket_channel = channel if exchange.request_number is not None else None
        self._number = exchange.request_number or 0
        self._changes = StateNotifier()

    async def pause(self, delay_ms: float | None) -> None:
        """Let `delay_ms` of the sender's time pass (None: raise ClientDisconnectedError when it gives up)."""
        if self._channel is not None:
            if not await self._channel.suspend(self._number, delay_ms):
                raise ConnectionClosedError
            if delay_ms is None:
                raise ClientDisconnectedError
        elif delay_ms is None:
            await wait_while_connected(self.request, asyncio.Event().wait())
        else:
            await asyncio.sleep(delay_ms / 1000)
        self.exchange.paused_seconds += (delay_ms or 0) / 1000

    async def suspend_until(self, condition: Callable[[], bool]) -> None:
        """Wait until `condition` holds, which `resume` checks; virtual time does not wait meanwhile.

        Raise ClientDisconnectedError where the sender gives up first.
        """
        if self._channel is None:
            await wait_while_connected(self.request, self._changes.wait_until(condition))
        elif not await self._channel.suspend_until(self._number, condition):
            raise ClientDisconnectedError

    def resume(self) -> None:
        """Have `suspend_until` check its condition, and virtual time wait for the request again."""
        if self._channel is None:
            self._changes.notify()
        else:
            self._channel.resume(self._number)

    @asynccontextmanager
    async def hold(self, delay_ms: float) -> AsyncIterator[None]:
        """Let `delay_ms` of the sender's time pass, and hold its virtual clock in the block that follows."""
        if self._channel is None:
            await asyncio.sleep(delay_ms / 1000)
            yield
        else:
            async with self._channel.delay(delay_ms):
                yield

    def _open_socket(self) -> SocketCounts:
        """Return the counts of messages of a WebSocket or EventSource."""
        if self._socket_channel is None:
            return SocketCounts(self._changes)
        return self._socket_channel.open_socket(self._number)

    def close(self) -> NoReturn:
        """Close the connection in order (TCP FIN)."""
        if self.request.transport is not None:
            self.request.transport.close()
        raise ConnectionClosedError("closed")

    def reset(self) -> NoReturn:
        """Reset the connection (TCP RST)."""
        reset_connection(self.request)
        raise ConnectionClosedError("reset")


async def wait_while_connected(request: web.Request, waiting: Awaitable[T]) -> T:
    """Return the result of `waiting`. Cancel it and raise ClientDisconnectedError if the client goes."""
    task = asyncio.ensure_future(waiting)
    try:
        while not (await asyncio.wait({task}, timeout=_DISCONNECT_POLL_SECONDS))[0]:
            if request.transport is None or request.transport.is_closing():
                raise ClientDisconnectedError
        return task.result()
    finally:
        task.cancel()


async def wait_for_disconnect(request: web.Request) -> None:
    """Wait until the client has closed the connection, for a moment at most.

    A worker's word that it aborted a request may overtake the browser's own cancellation. If the gateway
    closed the connection first, Firefox would repeat a GET.
    """
    deadline = time.monotonic() + _DISCONNECT_SECONDS
    while request.transport is not None and not request.transport.is_closing():
        if time.monotonic() > deadline:
            return
        await asyncio.sleep(0.01)


def reset_connection(request: web.Request) -> None:
    """Reset the connection under a request (TCP RST)."""
    transport = request.transport
    if transport is not None:
        raw = transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        transport.abort()


def abort_connection(request: web.Request) -> None:
    """Close the connection under a request at once, with what is not sent yet."""
    if request.transport is not None:
        request.transport.abort()
