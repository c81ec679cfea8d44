"""An event loop in a background thread: servers run while the test's thread waits."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import CancelledError
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any, TypeVar

from pytest_sharedworker.errors import SharedWorkerError, WaitTimeoutError

T = TypeVar("T")

DEFAULT_TIMEOUT_SECONDS = 30.0


class LoopThread:
    """Run coroutines in a background thread.

    Playwright's sync API blocks the test's thread while it waits; the gateway and the control server must
    respond during that time.
    """

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run_loop, name="pytest-sharedworker", daemon=True)
        self._thread.start()

    def _run_loop(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    @property
    def is_current(self) -> bool:
        """Whether the caller runs in this thread."""
        return threading.current_thread() is self._thread

    def run(
        self,
        coroutine: Coroutine[Any, Any, T],
        *,
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
        what: str = "the plugin's servers",
    ) -> T:
        """Run `coroutine` to its end and return its result; `what` names it in error texts.

        Raise WaitTimeoutError after `timeout_seconds`; then, and when the waiting thread is interrupted, the
        coroutine is canceled. Raise SharedWorkerError in the loop's own thread, which would deadlock.
        """
        if self.is_current:
            coroutine.close()
            raise SharedWorkerError(
                f"the gateway's thread cannot wait for {what}: a route's handler runs in it, and must"
                " neither move clocks nor call workers; do that in the test"
            )
        if self.loop.is_closed():
            coroutine.close()
            raise SharedWorkerError(f"cannot wait for {what}: the plugin's servers are closed")
        future = asyncio.run_coroutine_threadsafe(coroutine, self.loop)
        try:
            return future.result(timeout_seconds)
        except FutureTimeout as error:
            if future.done():  # The coroutine itself raised a TimeoutError.
                raise
            raise WaitTimeoutError(f"waited {timeout_seconds:g} s for {what}") from error
        except CancelledError as error:
            raise WaitTimeoutError(f"stopped waiting for {what}: the plugin's servers are closing") from error
        finally:
            if not future.done():
                future.cancel()

    def close(self) -> None:
        """Cancel all running coroutines and end the thread. Idempotent."""
        if self.loop.is_closed():
            return
        asyncio.run_coroutine_threadsafe(self._cancel_all(), self.loop).result(5)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(5)
        self.loop.close()

    async def _cancel_all(self) -> None:
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.loop.shutdown_asyncgens()
