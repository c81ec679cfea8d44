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

KILL_TIMEOUT_SECONDS = 10.0
_POLL_SECONDS = 0.01
_PROCESSES = Path("/proc")


class PersistentBrowser:
    """A browser of its own on a profile that outlives it: to be killed without warning and reopened.

    `context` is its context, `profile` the folder of its profile; `shared_workers` follows its workers.
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
        self._browser_type = browser_type
        self.profile = profile
        self._shared_workers = shared_workers
        self._arguments = {**launch_arguments, **context_arguments}
        self.context = self._open()

    def kill(self) -> None:
        """End all processes of the browser at once (SIGKILL), as a power cut does for it.

        Nothing is flushed, no page is told. Returns when no process is left.
        Raise UnsupportedError where processes cannot be found (there is no /proc), or SharedWorkerError.
        """
        group = self._process_group()
        self._shared_workers.take_coverage()
        with self.context.expect_event("close", timeout=KILL_TIMEOUT_SECONDS * 1000):
            os.killpg(group, signal.SIGKILL)
        deadline = time.monotonic() + KILL_TIMEOUT_SECONDS
        while _living(group):
            if time.monotonic() > deadline:
                raise WaitTimeoutError(f"waited {KILL_TIMEOUT_SECONDS:g} s for the killed browser to be gone")
            time.sleep(_POLL_SECONDS)

    def reopen(self) -> BrowserContext:
        """Start the browser again on the same profile and return its new context.

        Raises SharedWorkerError where it still runs.
        """
        if not self._closed:
            raise SharedWorkerError("the browser still runs: kill() or close() it before reopen()")
        self.context = self._open()
        return self.context

    def close(self) -> None:
        """End the browser in good order. Idempotent."""
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
        """The browser's process group: Playwright starts each browser as the leader of one of its own."""
        if not _PROCESSES.is_dir():
            raise UnsupportedError(
                "the processes of a browser can be found on Linux only (there is no /proc here)"
            )
        profile = os.fsencode(self.profile)
        for process in _processes():
            with suppress(OSError):  # It has ended meanwhile.
                arguments = (process / "cmdline").read_bytes().split(b"\0")
                leader = os.getpgid(int(process.name)) == int(process.name)
                if leader and any(profile in argument for argument in arguments):
                    return int(process.name)
        raise SharedWorkerError(f"no browser runs on the profile {self.profile}: reopen() it first")


def _processes() -> list[Path]:
    return [path for path in _PROCESSES.iterdir() if path.name.isdigit()]


def _living(group: int) -> bool:
    """Whether a process of the group lives; one that has ended and waits for its parent does not."""
    for process in _processes():
        with suppress(OSError):
            # proc(5): after the name in parentheses come the state, the parent and the group.
            state, _, group_id = (process / "stat").read_text().rpartition(")")[2].split()[:3]
            if int(group_id) == group and state != "Z":
                return True
    return False
