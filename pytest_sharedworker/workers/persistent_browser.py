"""A browser on its own profile: kill it without warning (SIGKILL) and reopen it."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserContext, BrowserType
from playwright.sync_api import Error as PlaywrightError

from pytest_sharedworker.errors import SharedWorkerError, UnsupportedError, WaitTimeoutError
from pytest_sharedworker.workers.shared_workers import SharedWorkers

KILL_TIMEOUT = 10_000.0
"""How long the browser may take to end, in ms."""
_POLL_SECONDS = 0.01
_PROCESSES = Path("/proc")


class PersistentBrowser:
    """A separate browser on a profile that outlives it: kill it without warning and reopen it.

    `context` is its context, `profile` the folder of its profile.
    """

    def __init__(
        self,
        browser_type: BrowserType,
        profile: Path,
        shared_workers: SharedWorkers,
        *,
        launch_arguments: dict[str, Any],
        context_arguments: dict[str, Any],
    ) -> None:
        """Launch the browser; `shared_workers` follows its workers."""
        self._browser_type = browser_type
        self.profile = profile
        self._shared_workers = shared_workers
        self._arguments = {**launch_arguments, **context_arguments}
        self.context = self._open()

    def kill(self) -> None:
        """End all processes of the browser at once (SIGKILL), like a power cut.

        The browser flushes nothing and notifies no page. Return when no process is left.
        Raise UnsupportedError on systems without /proc, SharedWorkerError if the browser is not running.
        """
        group = self._process_group()
        self._shared_workers._manager.save_coverage()
        with self.context.expect_event("close", timeout=KILL_TIMEOUT):
            os.killpg(group, signal.SIGKILL)
        deadline = time.monotonic() + KILL_TIMEOUT / 1000
        while _has_processes(group):
            if time.monotonic() > deadline:
                raise WaitTimeoutError(f"waited {KILL_TIMEOUT:g} ms for the killed browser to end")
            time.sleep(_POLL_SECONDS)

    def reopen(self) -> BrowserContext:
        """Start the browser again on the same profile and return its new context.

        Raise SharedWorkerError if it is still running.
        """
        if not self._closed:
            raise SharedWorkerError("the browser is still running: kill() or close() it before reopen()")
        self.context = self._open()
        return self.context

    def close(self) -> None:
        """Close the browser. Idempotent."""
        with suppress(PlaywrightError):
            self.context.close()

    def _open(self) -> BrowserContext:
        context = self._browser_type.launch_persistent_context(self.profile, **self._arguments)
        self._closed = False
        context.on("close", self._note_end)
        self._shared_workers.watch(context)
        return context

    def _note_end(self, context: BrowserContext) -> None:
        self._closed = True

    def _process_group(self) -> int:
        """Return the browser's process group: Playwright starts each browser as the leader of one."""
        if not _PROCESSES.is_dir():
            raise UnsupportedError(
                "the processes of a browser can be found on Linux only (this system has no /proc)"
            )
        profile = os.fsencode(self.profile)
        for process in _processes():
            with suppress(OSError):  # The process has ended meanwhile.
                arguments = (process / "cmdline").read_bytes().split(b"\0")
                leader = os.getpgid(int(process.name)) == int(process.name)
                if leader and any(profile in argument for argument in arguments):
                    return int(process.name)
        raise SharedWorkerError(f"no browser is running on the profile {self.profile}: reopen() it first")


def _processes() -> list[Path]:
    return [path for path in _PROCESSES.iterdir() if path.name.isdigit()]


def _has_processes(group: int) -> bool:
    """Return whether a process of the group is alive; a zombie is not."""
    for process in _processes():
        with suppress(OSError):
            # proc(5): the state, the parent and the group follow the name in parentheses.
            state, _, group_id = (process / "stat").read_text().rpartition(")")[2].split()[:3]
            if int(group_id) == group and state != "Z":
                return True
    return False
