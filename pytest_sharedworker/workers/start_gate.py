"""Hold a worker's script until DevTools are attached to the worker, so that they see its first line.

Chromium starts the worker's thread when it has the headers of the script, and runs the script when it has the
body. DevTools calls that were posted before the thread existed are not ordered before the first line, and
Chromium does not pause a SharedWorker at its first start for a debugger. So the gateway waits here between
headers and body, and the test's thread admits the body once the worker has replied. The test's thread does
this only while it is inside a call of Playwright, so the gate waits for a limited time.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from urllib.parse import urlsplit

from pytest_sharedworker.control.state_notifier import StateNotifier
from pytest_sharedworker.devtools.worker_session import WorkerDevToolsSession
from pytest_sharedworker.integration.event_loop_thread import LoopThread

HOLD_SECONDS = 5.0
"""How long a script waits. A test's thread that waits for something else for longer is too late."""


class StartGate:
    """Match the request for a worker's script with the DevTools session to this worker, by the path."""

    def __init__(self, loop_thread: LoopThread, changes: StateNotifier) -> None:
        self.sessions: list[WorkerDevToolsSession] = []
        """The sessions, in the order in which the workers started."""
        self.late_scripts: list[str] = []
        """The paths of scripts that ran before DevTools were attached."""
        self._loop_thread = loop_thread
        self._changes = changes
        self._waiting: Counter[str] = Counter()
        self._admitted: Counter[str] = Counter()
        """How many were admitted and not yet sent; negative for scripts sent after the time limit."""

    def admit(self, session: WorkerDevToolsSession) -> None:
        """Admit this worker's script once the worker has executed what was posted (in the test's thread)."""
        self.sessions.append(session)
        parts = urlsplit(session.target.url)
        path = parts.path + (f"?{parts.query}" if parts.query else "")

        def on_ready() -> None:
            self._loop_thread.loop.call_soon_threadsafe(self._admit_path, path)

        session.call_when_ready(on_ready)

    def _admit_path(self, path: str) -> None:
        self._admitted[path] += 1
        self._changes.notify()

    async def wait(self, path: str) -> None:
        """Return when the script at `path` (with its query) may be sent, in the loop's thread."""
        self._waiting[path] += 1
        # Several requests for one path cannot be matched with their workers: admit all of them, or none.
        admitted = self._changes.wait_until(lambda: self._admitted[path] >= self._waiting[path])
        try:
            await asyncio.wait_for(admitted, HOLD_SECONDS)
        except asyncio.TimeoutError:
            self.late_scripts.append(path)
        finally:
            self._waiting[path] -= 1
            self._admitted[path] -= 1
            self._changes.notify()
