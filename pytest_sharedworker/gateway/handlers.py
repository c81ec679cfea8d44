"""Run the handlers of routes: `async def` in the gateway's event loop, plain functions in their own threads.

Plain handlers run one at a time, in the order of their requests, as Playwright's do: they need no locks.
While one waits in `route.fetch()`, the next one runs.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

from pytest_sharedworker.errors import GatewayError

T = TypeVar("T")

_thread = threading.local()


class HandlerRunner:
    """Runs the handlers of one gateway and keeps what they raise."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._errors: list[BaseException] = []

    async def run(self, handler: Callable[..., object], *arguments: object) -> None:
        """Run a handler to its end (in the loop's thread). Raise what it raises."""
        if is_async(handler):
            await handler(*arguments)  # type: ignore[misc]
            return
        turn = _Turn(self._lock)
        await turn.begin()
        try:
            result = await _run_in_thread(turn, handler, arguments)
        finally:
            turn.finish()
        if inspect.isawaitable(result):
            await result

    def keep_error(self, error: BaseException) -> None:
        """Keep an error for the test."""
        self._errors.append(error)

    def raise_error(self) -> None:
        """Raise the first error that was kept, once, if any."""
        errors, self._errors = self._errors, []
        if errors:
            raise errors[0]


class _Turn:
    """The lock that plain handlers share, as one of them holds it."""

    def __init__(self, lock: asyncio.Lock) -> None:
        self._lock = lock
        self._is_held = False
        self._is_finished = False

    async def begin(self) -> None:
        await self._lock.acquire()
        self._is_held = True

    def yield_(self) -> None:
        if self._is_held:
            self._is_held = False
            self._lock.release()

    def finish(self) -> None:
        self._is_finished = True
        self.yield_()

    async def let_others_run(self, awaitable: Awaitable[T]) -> T:
        """Await something (in the loop's thread) while other handlers may run."""
        had_turn = self._is_held
        self.yield_()
        try:
            return await awaitable
        finally:
            if had_turn and not self._is_finished:
                await self.begin()


async def await_without_lock(turn: _Turn | None, awaitable: Awaitable[T]) -> T:
    """Await something for a handler; other plain handlers may run meanwhile."""
    return await (awaitable if turn is None else turn.let_others_run(awaitable))


def get_current_turn() -> _Turn | None:
    """Return the turn of the plain handler that runs in this thread; None outside of handlers."""
    return getattr(_thread, "turn", None)


def is_async(handler: Callable[..., object]) -> bool:
    """Return whether a handler is an `async def` function, or an object whose call is one."""
    return inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(
        getattr(handler, "__call__", None)  # noqa: B004
    )


def count_arguments(handler: Callable[..., object], most: int, *, least: int = 1) -> int:
    """Return how many of `least` to `most` positional arguments a handler takes. Raise GatewayError."""
    if not callable(handler):
        raise GatewayError(f"a handler is a function, not {handler!r}")
    try:
        parameters = inspect.signature(handler).parameters.values()
    except ValueError:  # Some functions written in C have none.
        return 1
    if any(each.kind is each.VAR_POSITIONAL for each in parameters):
        return most
    positional = [
        each for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)
    ]
    required = [each for each in positional if each.default is each.empty]
    if len(positional) < least or len(required) > most:
        expected = " or ".join(map(str, range(least, most + 1)))
        raise GatewayError(f"a handler takes {expected} arguments; {handler!r} takes {len(required)}")
    return max(least, len(required))


def _run_in_thread(
    turn: _Turn, handler: Callable[..., Any], arguments: tuple[object, ...]
) -> asyncio.Future[Any]:
    """Run a function in a daemon thread: one that blocks for ever must not keep the process alive."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Any] = loop.create_future()

    def finish(result: object, error: BaseException | None) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(result)
        elif isinstance(error, StopIteration):  # A future cannot carry it.
            future.set_exception(RuntimeError(f"the handler raised {error!r}"))
        else:
            future.set_exception(error)

    def main() -> None:
        _thread.turn = turn
        outcome: tuple[object, BaseException | None]
        try:
            outcome = handler(*arguments), None
        except BaseException as error:  # pytest.fail() raises no Exception, and it must fail the test too.
            outcome = None, error
        with suppress(RuntimeError):  # The loop is closed: the test is over.
            loop.call_soon_threadsafe(finish, *outcome)

    threading.Thread(target=main, name="pytest-sharedworker-route", daemon=True).start()
    return future
