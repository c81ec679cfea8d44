"""The SharedWorkers of a test: find them, move their time together, act before their first line.

`SharedWorker`, the handle to one of them, is offered here too.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import suppress
from fnmatch import fnmatchcase
from typing import Literal

from playwright.sync_api import Browser, BrowserContext
from playwright.sync_api import Error as PlaywrightError

from pytest_sharedworker.clock.base import ADVANCE_TIMEOUT_SECONDS, to_milliseconds
from pytest_sharedworker.clock.devtools import DevToolsClock
from pytest_sharedworker.clock.real import RealClock
from pytest_sharedworker.clock.virtual import VirtualClock, moving, require_idle
from pytest_sharedworker.control.server import ControlServer
from pytest_sharedworker.control.session import ControlChannel, WorkerRegistry
from pytest_sharedworker.coverage.recorder import CoverageRecorder, before_workers_end
from pytest_sharedworker.devtools.connections import DevToolsConnections
from pytest_sharedworker.devtools.session import WorkerDevToolsSession, WorkerTarget
from pytest_sharedworker.errors import (
    AmbiguousWorkerError,
    SharedWorkerError,
    UnsupportedError,
    WorkerClosedError,
    WorkerNotFoundError,
)
from pytest_sharedworker.gateway.gateway import Gateway
from pytest_sharedworker.injected.prologue import tab_script, worker_prologue
from pytest_sharedworker.integration.event_loop_thread import LoopThread
from pytest_sharedworker.tabs.message_barrier import DELIVERY_TIMEOUT_MS, MessageBarrier, TabSnapshot
from pytest_sharedworker.tabs.pages import Tabs
from pytest_sharedworker.workers.shared_worker import SharedWorker
from pytest_sharedworker.workers.start_failures import FailedStarts
from pytest_sharedworker.workers.start_gate import StartGate

__all__ = ["ClockKind", "SharedWorker", "SharedWorkers"]

ClockKind = Literal["virtual", "real", "policy"]

APPEAR_TIMEOUT_SECONDS = 10.0


class SharedWorkers:
    """All SharedWorkers that start in the watched contexts of one test."""

    def __init__(
        self,
        browser: Browser,
        gateway: Gateway,
        control: ControlServer,
        loop_thread: LoopThread,
        clock_kind: ClockKind,
        *,
        virtual_tabs: bool = False,
        coverage: CoverageRecorder | None = None,
    ) -> None:
        self.clock_kind: ClockKind = clock_kind
        self.virtual_tabs = virtual_tabs
        """Whether the timers and dates of tabs are virtual too, and move along with their worker's."""
        self.is_chromium = browser.browser_type.name == "chromium"
        self._browser = browser
        self._gateway = gateway
        self._control = control
        self._loop_thread = loop_thread
        self._registry: WorkerRegistry = control.open_registry()
        self._registry.at_start.append(gateway.worker_starts)
        self._init_scripts: list[str] = []
        self._handles: dict[str, SharedWorker] = {}
        self._policy_clocks: dict[str, DevToolsClock] = {}
        self._coverage = coverage
        self._gate: StartGate | None = None
        if clock_kind == "policy" or coverage is not None:
            self._gate = StartGate(loop_thread, self._registry.changes)
            gateway.scripts.gate = self._gate.wait
        self._tabs = Tabs()
        self._bridges = DevToolsConnections(self._browsers, prepare=self._prepare if self._gate else None)
        self._deliveries = MessageBarrier(self._tabs, self._registry, loop_thread, self.explain)
        self._failed_starts = FailedStarts(self._tabs, gateway, self._registry, self._bridges)
        gateway.scripts.prologue = self._prologue
        gateway.journal.explain = self.explain

    def watch(self, context: BrowserContext) -> None:
        """Follow the SharedWorkers of a context; call it before its first page opens.

        The context may be one of another browser, of the same kind.
        """
        self._tabs.add(context)
        context.on("close", self._forget)
        if self._gate is not None:
            self._bridges.open()  # They have to be there before the first worker.
        if self._coverage is not None:
            before_workers_end(context, self.take_coverage)
        context.add_init_script(
            tab_script(marks=self._has_prologue, virtual_clock=self.virtual_tabs and self._has_prologue)
        )

    def add_init_script(self, script: str) -> None:
        """Run JavaScript in every worker that starts from now on, before its first line.

        The script is a function body of its own. Scripts run in the order in which they were added.
        Call it before `watch`, that is before the first page. Raise UnsupportedError under the clock
        "policy", which leaves scripts untouched.
        """
        if self.clock_kind == "policy":
            raise UnsupportedError("the clock 'policy' leaves scripts as they are; init scripts need another")
        self._init_scripts.append(script)

    @property
    def starts(self) -> list[SharedWorker]:
        """Every worker that has started, oldest first, also those that have ended."""
        if not self._has_prologue:
            for target in self._bridges.targets():
                clock = self._clock_of(target)
                known = target.id in self._handles or not target.url.startswith(self._gateway.url)
                if clock is not None and not known:
                    self._handles[target.id] = self._handle(None, target, clock)
        for session in list(self._registry.sessions):
            if session.id not in self._handles:
                self._handles[session.id] = self._handle(session, None, self._clock(session))
        return list(self._handles.values())

    @property
    def all(self) -> list[SharedWorker]:
        """Every worker that lives, oldest first."""
        return [worker for worker in self.starts if not worker.ended]

    def wait_for(
        self, url: str = "*", *, name: str | None = None, timeout_seconds: float = APPEAR_TIMEOUT_SECONDS
    ) -> SharedWorker:
        """Wait for the one living worker whose script's URL matches the glob (and whose name is `name`).

        Raises WorkerNotFoundError, with what tabs said of workers that failed to start, or AmbiguousWorkerError.
        """
        wanted = f"a SharedWorker {url!r}" + (f" named {name!r}" if name is not None else "")
        deadline = time.monotonic() + timeout_seconds
        while True:
            found = [
                worker for worker in self.all if fnmatchcase(worker.url, url) and name in (None, worker.name)
            ]
            if not self._has_prologue:  # DevTools lists a worker before its script is there, or parses.
                found = [worker for worker in found if worker.runs]
            if len(found) == 1:
                return found[0]
            if found:
                raise AmbiguousWorkerError(
                    f"{len(found)} workers answer to {wanted}: {found}; give a narrower glob or a name"
                )
            failures = self._failed_starts.reported_by_pages(url, name)
            if failures or time.monotonic() > deadline:
                failures = failures or self._failed_starts.reported_by_pages()
                if not failures and self._has_prologue:
                    failures = self._failed_starts.silent()
                seen = "\n".join([*failures, f"workers seen: {self.starts}", self._gateway.journal.tail()])
                reason = "failed to start" if failures else f"did not appear within {timeout_seconds:g} s"
                raise WorkerNotFoundError(f"{wanted} {reason}.\n{seen}")
            self.idle()

    def advance(self, seconds: float, *, timeout_seconds: float = ADVANCE_TIMEOUT_SECONDS) -> None:
        """Let this much time pass in every worker that lives, at once. Raises as a clock's `advance`."""
        if self.clock_kind != "virtual":
            for worker in self.all:
                worker.clock.advance(seconds)
            return
        ms = to_milliseconds(seconds)
        require_idle(self._registry.sessions)
        delivery = self.deliver()
        sessions = [session for session in self._registry.sessions if not session.ended]
        with moving(sessions, timeout_seconds):
            self._loop_thread.run(
                _advance_all(sessions, ms, delivery),
                timeout_seconds=timeout_seconds,
                what=f"the clocks of {len(sessions)} workers to arrive",
            )

    def deliver(self, *, timeout_seconds: float = DELIVERY_TIMEOUT_MS / 1000) -> TabSnapshot:
        """Wait until the workers have read all that the tabs posted before. Raises WaitTimeoutError."""
        return self._deliveries.wait(timeout=timeout_seconds * 1000)

    def take_coverage(self) -> None:
        """Take over what workers have run so far, where coverage is measured; those that end tell no more."""
        if self._coverage is not None and self._gate is not None:
            for attached in self._gate.attached:
                if not attached.gone:
                    with suppress(SharedWorkerError, PlaywrightError):  # It is just ending.
                        self._coverage.take(attached, self._gateway.scripts.prefixes)

    def _prepare(self, attached: WorkerDevToolsSession) -> None:
        """Act on a worker before its first line."""
        assert self._gate is not None
        if self._coverage is not None:
            self._coverage.begin(attached)
        if self.clock_kind == "policy":
            clock = DevToolsClock(attached, self._tabs.reach)
            self._policy_clocks[attached.target.id] = clock
        self._gate.admit(attached)

    def _clock_of(self, target: WorkerTarget) -> RealClock | DevToolsClock | None:
        """The clock of a worker without a prologue; None where it has yet to get one."""
        if self.clock_kind != "policy":
            return RealClock(time.monotonic())
        return self._policy_clocks.get(target.id)

    def explain(self) -> str:
        """What the workers wrote and threw, as text for a failure."""
        lines = []
        for worker in self.starts:
            state = "ended" if worker.ended else "alive"
            lines.append(f"{worker!r} ({state})")
            with suppress(SharedWorkerError, PlaywrightError):
                lines += [f"  console {message}" for message in worker.console[-10:]]
                lines += [f"  uncaught {error}" for error in worker.errors[-5:]]
        return "\n".join(["The workers:", *lines]) if lines else "No worker has started."

    def idle(self) -> None:
        """Let a moment pass in which Playwright's events come in."""
        self._bridges.idle()

    def close(self) -> None:
        """Let go of everything. Idempotent."""
        if self._coverage is not None and self._gate is not None:
            self.take_coverage()
            self._coverage.late += self._gate.late
            self._gate.attached.clear()
            self._gate.late.clear()
        self._control.close_registry(self._registry)
        self._bridges.close()

    @property
    def _has_prologue(self) -> bool:
        # Without DevTools the prologue is the only way in, also on real time.
        return self.clock_kind == "virtual" or bool(self._init_scripts) or not self.is_chromium

    def _prologue(self) -> str | None:
        if not self._has_prologue:
            return None
        return worker_prologue(
            {"port": self._control.port, "token": self._registry.token},
            virtual_clock=self.clock_kind == "virtual",
            init_scripts=self._init_scripts,
        )

    def _clock(self, session: ControlChannel) -> VirtualClock | RealClock:
        if self.clock_kind == "virtual":
            return VirtualClock(session, self.deliver)
        return RealClock(session.started_monotonic)

    def _browsers(self) -> Iterator[Browser]:
        yield self._browser
        yield from self._tabs.browsers()

    def _handle(
        self,
        session: ControlChannel | None,
        target: WorkerTarget | None,
        clock: VirtualClock | RealClock | DevToolsClock,
    ) -> SharedWorker:
        return SharedWorker(
            session,
            target,
            clock,
            is_chromium=self.is_chromium,
            bridges=self._bridges,
            before_end=self.take_coverage,
        )

    def _forget(self, context: BrowserContext) -> None:
        self._tabs.forget(context)
        if context.browser is not None and context.browser not in self._browsers():
            self._bridges.forget(context.browser)


async def _advance_all(sessions: list[ControlChannel], ms: int, delivery: TabSnapshot) -> None:
    async def advance(session: ControlChannel) -> None:
        params = delivery.clock_params(session)
        session.departures_sent = delivery.departures
        with suppress(WorkerClosedError):  # A worker that ends on the way has no time any more.
            await session.ask("runFor", {"ms": ms, **params})

    await asyncio.gather(*map(advance, sessions))
