"""Holds a worker's script back until DevTools are in the worker, which then see its first line.

Chromium starts the worker's thread when it has the headers of the script, and runs it when it has the body.
What DevTools posted before that thread was there has no order towards the first line, and Chromium does not
hold a SharedWorker that starts for the first time, whoever wants it to wait for a debugger. So the gateway
asks here between headers and body; the test's thread lets the body through once the worker has answered. It
gets to that while it is inside a call of Playwright, so the gate does not wait for ever.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from urllib.parse import urlsplit

from pytest_sharedworker.control.session import StateNotifier
from pytest_sharedworker.devtools.session import WorkerDevToolsSession
from pytest_sharedworker.integration.event_loop_thread import LoopThread

HOLD_SECONDS = 5.0
"""How long a script waits. A test's thread that waits for something else meanwhile is too late."""


class StartGate:
    """Brings together a worker's script and the DevTools session to this worker, by the script's path."""

    def __init__(self, loop_thread: LoopThread, changes: StateNotifier) -> None:
        self.attached: list[WorkerDevToolsSession] = []
        """The sessions, in the order in which the workers started."""
        self.late: list[str] = []
        """The paths of scripts that ran before anyone was attached."""
        self._loop_thread = loop_thread
        self._changes = changes
        self._waiting: Counter[str] = Counter()
        self._free: Counter[str] = Counter()
        """How many were let through and have not gone yet; less than 0: went without, when time was up."""

    def admit(self, attached: WorkerDevToolsSession) -> None:
        """Let the script of this worker through once it has done what was posted (from the test's thread)."""
        self.attached.append(attached)
        parts = urlsplit(attached.target.url)
        path = parts.path + (f"?{parts.query}" if parts.query else "")

        def ready() -> None:
            self._loop_thread.loop.call_soon_threadsafe(self._let_through, path)

        attached.when_ready(ready)

    def _let_through(self, path: str) -> None:
        self._free[path] += 1
        self._changes.notify()

    async def wait(self, path: str) -> None:
        """Return when the script at `path` (with its query) may be sent, in the loop's thread."""
        self._waiting[path] += 1
        # Of several that wait for one path nobody knows which of them was let through: all are, or none.
        admitted = self._changes.wait_until(lambda: self._free[path] >= self._waiting[path])
        try:
            await asyncio.wait_for(admitted, HOLD_SECONDS)
        except asyncio.TimeoutError:
            self.late.append(path)
        finally:
            self._waiting[path] -= 1
            self._free[path] -= 1
            self._changes.notify()
