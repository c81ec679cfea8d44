"""The toxics that act on one open WebSocket: those that hit its handshake, and those that are added later."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress

from aiohttp import ClientError

from pytest_sharedworker.gateway.exchange import Exchange
from pytest_sharedworker.gateway.toxics.applied import AppliedToxic
from pytest_sharedworker.gateway.toxics.base import MessagePlan, SocketEnd


class SocketToxics:
    """The toxics of one WebSocket, which is one exchange: a toxic hits all its messages, or none."""

    def __init__(
        self,
        exchange: Exchange,
        hit: Iterable[AppliedToxic],
        known: Iterable[AppliedToxic],
        hold: Callable[[float], AbstractAsyncContextManager[None]],
        end: Callable[[SocketEnd], None],
    ) -> None:
        """Begin with the toxics that `hit` the handshake, out of the `known` ones.

        `hold(ms)` lets time of the sender pass, and holds its clock in its block. Call `end` where a toxic
        ends the connection.
        """
        self.hold = hold
        self._exchange = exchange
        self._hit = list(hit)
        self._known = list(known)
        self._end = end
        self._ending: set[asyncio.Task[None]] = set()
        self._passed: Counter[AppliedToxic] = Counter()

    def offer(self, applied: AppliedToxic) -> None:
        """Have a toxic that was added to the gateway hit this WebSocket, if it matches."""
        if any(each is applied for each in self._known) or not applied.toxic.acts_on_sockets:
            return
        self._known.append(applied)
        if applied.take(self._exchange):
            self._hit.append(applied)
            self._exchange.toxics.append(str(applied))
            if (end := applied.toxic.get_socket_end()) is not None:
                task = asyncio.get_running_loop().create_task(self._end_later(applied, end))
                self._ending.add(task)
                task.add_done_callback(self._ending.discard)

    def plan(self, size: int, *, from_browser: bool) -> MessagePlan:
        """Return what happens to a message of `size` bytes."""
        plan = MessagePlan(size, "upstream" if from_browser else "downstream")
        for applied in self._hit:
            if not applied.is_removed:
                plan.passed = self._passed[applied]
                applied.toxic.shape_message(plan, applied.stream, applied.random)
        if not plan.is_dropped:
            self._passed.update({each: size for each in self._hit if each.stream == plan.direction})
        return plan

    def reset(self) -> None:
        """Reset the connection to the browser."""
        self._end(SocketEnd(0, "reset"))

    async def delay_close(self) -> None:
        """Let the time pass by which toxics delay the end of the WebSocket."""
        toxics = [each.toxic for each in self._hit if not each.is_removed]
        if delay := sum(toxic.get_close_delay() for toxic in toxics):
            async with self.hold(delay):
                pass

    def close(self) -> None:
        """Forget the toxics: the WebSocket has ended."""
        for task in self._ending:
            task.cancel()

    async def _end_later(self, applied: AppliedToxic, end: SocketEnd) -> None:
        async with AsyncExitStack() as stack:
            if end.delay:
                await stack.enter_async_context(self.hold(end.delay))
            if not applied.is_removed:
                self._end(end)


class MessageQueue:
    """Sends messages in their order, each as late as its plan says."""

    def __init__(self, send: Callable[[str | bytes], Awaitable[None]], toxics: SocketToxics) -> None:
        self._send = send
        self._hold = toxics.hold
        self._last: asyncio.Task[None] | None = None

    async def put(self, data: str | bytes, plan: MessagePlan) -> None:
        """Send a message by its plan, and not before those that were put earlier; do not wait for delays."""
        is_free = self._last is None or self._last.done()
        if is_free and not plan.delay and not plan.sending_time:
            await self._send(data)
            return
        later = self._send_later(data, plan, self._last)
        self._last = asyncio.get_running_loop().create_task(later)

    async def flush(self) -> None:
        """Wait until all messages are sent."""
        if self._last is not None:
            await asyncio.wait({self._last})

    def cancel(self) -> None:
        """Send no more."""
        if self._last is not None:
            self._last.cancel()

    async def _send_later(
        self, data: str | bytes, plan: MessagePlan, previous: asyncio.Task[None] | None
    ) -> None:
        async with AsyncExitStack() as stack:
            if plan.delay:
                await stack.enter_async_context(self._hold(plan.delay))
            if previous is not None:
                await previous
            if plan.sending_time:
                await stack.enter_async_context(self._hold(plan.sending_time))
            with suppress(ClientError, ConnectionError):  # The receiver has gone.
                await self._send(data)
