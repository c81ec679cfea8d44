"""Holds a worker's script back until DevTools are in the worker, which then see its first line.

A browser lists a SharedWorker while its script is still being fetched. The gateway asks here before it
answers with the script; the test's thread lets it through once it is attached. It gets to that while it is
inside a call of Playwright, so the gate does not wait for ever.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from urllib.parse import urlsplit

from .cdp import AttachedWorker
from .control import Changes
from .loop_thread import LoopThread

HOLD_SECONDS = 5.0
"""How long a script waits. A test's thread that waits for something else meanwhile is too late."""


class StartGate:
    """Brings together a worker's script and the DevTools session to this worker, by the script's path."""

    def __init__(self, loop_thread: LoopThread, changes: Changes) -> None:
        self.attached: list[AttachedWorker] = []
        """The sessions, in the order in which the workers started."""
        self.late: list[str] = []
        """The paths of scripts that ran before anyone was attached."""
        self._loop_thread = loop_thread
        self._changes = changes
        self._free: Counter[str] = Counter()

    def admit(self, attached: AttachedWorker) -> None:
        """Let the script of this worker through (from the test's thread)."""
        self.attached.append(attached)
        parts = urlsplit(attached.target.url)
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        self._loop_thread.loop.call_soon_threadsafe(self._let_through, path)

    def _let_through(self, path: str) -> None:
        self._free[path] += 1
        self._changes.notify()

    async def wait(self, path: str) -> None:
        """Return when the script at `path` (with its query) may be answered, in the loop's thread."""
        admitted = self._changes.wait_until(lambda: self._free[path] > 0)
        try:
            await asyncio.wait_for(admitted, HOLD_SECONDS)
        except asyncio.TimeoutError:
            self.late.append(path)
        else:
            self._free[path] -= 1
