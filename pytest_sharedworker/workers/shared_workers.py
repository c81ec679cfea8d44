"""The SharedWorkers of a test: find them, wait for them, move their time together."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from playwright.sync_api import BrowserContext

from pytest_sharedworker.clock.base import Clock
from pytest_sharedworker.errors import (
    AmbiguousWorkerError,
    SharedWorkerError,
    UnsupportedError,
    WorkerNotFoundError,
)
from pytest_sharedworker.gateway.patterns import EVERYTHING, Pattern, URLMatch
from pytest_sharedworker.workers.event_info import EventInfo
from pytest_sharedworker.workers.manager import WorkerManager
from pytest_sharedworker.workers.near_misses import SeenWorker, find_near_miss
from pytest_sharedworker.workers.shared_worker import DEFAULT_TIMEOUT, SharedWorker

_STARTED_BEFORE = (
    "such a worker had started before the `with` block: open its page inside, or call wait_for()"
)


@dataclass(frozen=True)
class _Description:
    """What a test says of the worker that it waits for."""

    pattern: Pattern
    name: str | None
    title: str
    running: str
    """Why a wait takes no worker of this URL and name that is alive."""

    def matches(self, url: str, name: str) -> bool:
        return self.pattern.matches("GET", url) and self.name in (None, name)

    def __str__(self) -> str:
        named = "" if self.name is None else f" named {self.name!r}"
        return f"{self.title} {str(self.pattern)!r}{named}"


class PausingInspector(Protocol):
    """What pauses a test; `pytest_sharedworker.inspector` has it."""

    def pause(
        self,
        *,
        reason: str,
        actions: Mapping[str, Callable[[], object]] | None,
        watches: Mapping[str, Callable[[], object]] | None,
    ) -> None:
        """Carry out commands of the inspector's page until one resumes the test."""


class Pause:
    """Pauses a test; its inspector is made when it is first needed."""

    def __init__(self, make_inspector: Callable[[], PausingInspector]) -> None:
        self._make_inspector = make_inspector
        self._inspector: PausingInspector | None = None

    def prepare(self) -> PausingInspector:
        """Return the inspector."""
        if self._inspector is None:
            self._inspector = self._make_inspector()
        return self._inspector


class SharedWorkers:
    """All SharedWorkers that start in the watched contexts of one test.

    `clock` is the clock of all of them.
    """

    def __init__(self, manager: WorkerManager, pause: Pause | None = None) -> None:
        self._manager = manager
        """For the plugin's own modules and tests."""
        self._pause = pause
        self.clock: Clock = manager.clock

    # --- looking on -------------------------------------------------------------------------------

    def pause(
        self,
        *,
        actions: Mapping[str, Callable[[], object]] | None = None,
        watches: Mapping[str, Callable[[], object]] | None = None,
    ) -> None:
        """Pause the test, like `page.pause()`, and take commands of the inspector until one resumes it.

        With `--headed` the inspector opens in a window; otherwise its URL is printed. `actions` are functions
        of the test that the inspector shows as buttons, `watches` functions whose results it shows. The time
        limit of pytest-timeout ends. Raise SharedWorkerError in a run of several processes.
        """
        if self._pause is None:
            raise SharedWorkerError("there is no inspector outside of a test")
        self._pause.prepare().pause(reason="the test called pause()", actions=actions, watches=watches)

    # --- contexts and scripts ---------------------------------------------------------------------

    def watch(self, context: BrowserContext) -> None:
        """Follow the SharedWorkers of a further context; call it before its first page opens.

        The context may belong to another browser of the same type.
        """
        self._manager.watch(context)

    def add_init_script(self, script: str | None = None, *, path: str | Path | None = None) -> None:
        """Run JavaScript in every worker that starts from now on, before its first line.

        Each script is a function body of its own; they run in the order of the calls. Call it before the
        first page opens. Raise UnsupportedError on the DevTools clock, which leaves scripts untouched, and
        SharedWorkerError unless exactly one of `script` and `path` is given.
        """
        if (script is None) == (path is None):
            raise SharedWorkerError("give add_init_script() a script or a path")
        if not self._manager.has_prologue:
            raise UnsupportedError(
                "the DevTools clock leaves worker scripts untouched: use the real or the virtual clock"
            )
        self._manager.init_scripts.append(Path(path).read_text(encoding="utf-8") if path else str(script))

    # --- finding workers --------------------------------------------------------------------------

    @property
    def history(self) -> list[SharedWorker]:
        """Every worker that has started, oldest first, closed ones too."""
        return self._manager.history

    @property
    def alive(self) -> list[SharedWorker]:
        """Every worker that is alive, oldest first."""
        return self._manager.alive

    def wait_for(
        self,
        url: URLMatch = EVERYTHING,
        *,
        name: str | None = None,
        context: BrowserContext | None = None,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> SharedWorker:
        """Wait for the one worker that is alive and has this URL (and this name, in this context).

        `url` is a pattern as Playwright has it. Raise WorkerNotFoundError after `timeout` ms, or earlier if a
        page reports that the worker failed to start; AmbiguousWorkerError if there is more than one;
        GatewayError for a pattern that cannot match.
        """
        pattern = self._manager.gateway._compile_script_pattern(url)
        wanted = _Description(pattern, name, "a SharedWorker", "such a worker runs, in another context")
        deadline = time.monotonic() + timeout / 1000
        while True:
            found = self._select(wanted, self.alive, context)
            if len(found) == 1:
                return found[0]
            if found:
                raise AmbiguousWorkerError(
                    f"{len(found)} workers match {wanted}: {found};"
                    " give a narrower pattern, a name or a context"
                )
            self._wait_for_start(wanted, deadline, timeout)

    @contextmanager
    def expect_worker(
        self, url: URLMatch = EVERYTHING, *, name: str | None = None, timeout: float = DEFAULT_TIMEOUT
    ) -> Iterator[EventInfo[SharedWorker]]:
        """Wait at the end of the `with` block for a worker that has started since its begin.

        `info.value` is the worker, of several that match the first that started. Raise WorkerNotFoundError
        as `wait_for` does.
        """
        pattern = self._manager.gateway._compile_script_pattern(url)
        wanted = _Description(pattern, name, "a new SharedWorker", _STARTED_BEFORE)
        before = {worker.id for worker in self.history}
        info: EventInfo[SharedWorker] = EventInfo("worker")
        yield info
        deadline = time.monotonic() + timeout / 1000
        while True:
            started = [worker for worker in self.history if worker.id not in before]
            if found := self._select(wanted, started, None):
                info._set(found[0])
                return
            self._wait_for_start(wanted, deadline, timeout)

    def _select(
        self, wanted: _Description, workers: list[SharedWorker], context: BrowserContext | None
    ) -> list[SharedWorker]:
        urls = self._manager.gateway._script_urls
        found = [
            worker
            for worker in workers
            if any(wanted.matches(url, worker.name) for url in urls.find_aliases(worker.url))
        ]
        if context is not None:
            found = [worker for worker in found if self._manager.is_in(worker, context)]
        if not self._manager.has_prologue:  # DevTools list a worker before its script is loaded and parsed.
            found = [worker for worker in found if worker._is_running()]
        return found

    def _wait_for_start(self, wanted: _Description, deadline: float, timeout: float) -> None:
        """Wait a moment for a worker. Raise WorkerNotFoundError if it failed, or after `deadline`."""
        failures = self._manager.failed_starts.reported_by_pages(wanted.matches)
        if not failures and time.monotonic() < deadline:
            self._manager.idle()
            return
        failures = failures or self._manager.failed_starts.reported_by_pages()
        if not failures and self._manager.has_prologue:
            failures = self._manager.failed_starts.never_started()
        hidden = self._manager.failed_starts.hidden() if self._manager.has_prologue and not failures else []
        history = self.history
        near_miss = None if failures or hidden else self._find_near_miss(wanted, history)
        hints = [near_miss] if near_miss else []
        seen = "\n".join(
            [*failures, *hidden, *hints, f"workers seen: {history}", self._manager.gateway.journal.tail()]
        )
        reason = "failed to start" if failures else f"did not appear within {timeout:g} ms"
        raise WorkerNotFoundError(f"{wanted} {reason}.\n{seen}")

    def _find_near_miss(self, wanted: _Description, history: list[SharedWorker]) -> str | None:
        if not self._manager.has_prologue:  # Nothing says which of these workers have ended.
            return None
        find_aliases = self._manager.gateway._script_urls.find_aliases
        seen = [
            SeenWorker(url, worker.name, worker.is_closed())
            for worker in history
            for url in find_aliases(worker.url)
        ]
        return find_near_miss(wanted.pattern, wanted.name, seen, running=wanted.running)
