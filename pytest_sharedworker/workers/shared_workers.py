"""The SharedWorkers of a test: find them, wait for them, move their time together."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext
from playwright.sync_api import Error as PlaywrightError

from pytest_sharedworker.browsers.capabilities import get_capabilities
from pytest_sharedworker.clock.base import Clock, ClockKind
from pytest_sharedworker.clock.devtools import DevToolsClock
from pytest_sharedworker.clock.real import RealClock
from pytest_sharedworker.clock.shared import SharedClock
from pytest_sharedworker.clock.virtual import VirtualClock
from pytest_sharedworker.control.server import ControlServer
from pytest_sharedworker.control.session import ControlChannel, WorkerRegistry
from pytest_sharedworker.coverage.recorder import CoverageRecorder, call_before_workers_end
from pytest_sharedworker.devtools.connections import DevToolsConnections
from pytest_sharedworker.devtools.target import WorkerTarget
from pytest_sharedworker.devtools.worker_session import WorkerDevToolsSession
from pytest_sharedworker.errors import (
    AmbiguousWorkerError,
    SharedWorkerError,
    UnsupportedError,
    WorkerNotFoundError,
)
from pytest_sharedworker.gateway.gateway import Gateway
from pytest_sharedworker.gateway.patterns import EVERYTHING, Pattern, URLMatch
from pytest_sharedworker.injected.prologue import tab_script, worker_prologue
from pytest_sharedworker.integration.event_loop_thread import LoopThread
from pytest_sharedworker.tabs.message_barrier import MessageBarrier
from pytest_sharedworker.tabs.pages import Tabs
from pytest_sharedworker.workers.event_info import EventInfo
from pytest_sharedworker.workers.shared_worker import DEFAULT_TIMEOUT, SharedWorker
from pytest_sharedworker.workers.start_failures import FailedStarts
from pytest_sharedworker.workers.start_gate import StartGate
from pytest_sharedworker.workers.worker_directory import WorkerDirectory


@dataclass(frozen=True)
class _Description:
    """What a test says of the worker that it waits for."""

    pattern: Pattern
    name: str | None
    title: str

    def matches(self, url: str, name: str) -> bool:
        return self.pattern.matches("GET", url) and self.name in (None, name)

    def __str__(self) -> str:
        named = "" if self.name is None else f" named {self.name!r}"
        return f"{self.title} {str(self.pattern)!r}{named}"


class SharedWorkers:
    """All SharedWorkers that start in the watched contexts of one test.

    `clock` is the clock of all of them.
    """

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
        """Follow the workers of `browser`; `virtual_tabs`: tabs move with their worker's virtual time."""
        self._clock_kind: ClockKind = clock_kind
        self._virtual_tabs = virtual_tabs and clock_kind == "virtual"
        self._has_devtools = get_capabilities(browser.browser_type.name).has_devtools
        self._browser = browser
        self._gateway = gateway
        self._control = control
        self._registry: WorkerRegistry = control.open_registry()
        self._registry.at_start.append(gateway.worker_starts)
        self._init_scripts: list[str] = []
        self._handles: dict[str, SharedWorker] = {}
        self._devtools_clocks: dict[str, DevToolsClock] = {}
        self._coverage = coverage
        self._gate: StartGate | None = None
        if clock_kind == "devtools" or coverage is not None:
            self._gate = StartGate(loop_thread, self._registry.changes)
        self._tabs = Tabs()
        self._connections = DevToolsConnections(self._browsers, prepare=self._prepare if self._gate else None)
        self._barrier = MessageBarrier(self._tabs, self._registry, loop_thread, self.explain)
        self._failed_starts = FailedStarts(self._tabs, gateway, self._registry, self._connections)
        self.clock: Clock = SharedClock(
            clock_kind,
            lambda: [worker.clock for worker in self.alive],
            registry=self._registry,
            barrier=self._barrier,
            loop_thread=loop_thread,
            on_moved=self.dispatch_events,
        )
        gateway.attach(
            WorkerDirectory(self._registry, self._gate, make_prologue=self._prologue, explain=self.explain)
        )

    # --- contexts and scripts ---------------------------------------------------------------------

    def watch(self, context: BrowserContext) -> None:
        """Follow the SharedWorkers of a further context; call it before its first page opens.

        The context may belong to another browser of the same type.
        """
        self._tabs.add(context)
        context.on("close", self._forget)
        if self._gate is not None:
            self._connections.open()  # They have to listen before the first worker starts.
        if self._coverage is not None:
            call_before_workers_end(context, self.save_coverage)
        context.add_init_script(
            tab_script(marks=self._clock_kind == "virtual", virtual_clock=self._virtual_tabs)
        )

    def add_init_script(self, script: str | None = None, *, path: str | Path | None = None) -> None:
        """Run JavaScript in every worker that starts from now on, before its first line.

        Each script is a function body of its own; they run in the order of the calls. Call it before the
        first page opens. Raise UnsupportedError on the DevTools clock, which leaves scripts untouched, and
        SharedWorkerError unless exactly one of `script` and `path` is given.
        """
        if (script is None) == (path is None):
            raise SharedWorkerError("give add_init_script() a script or a path")
        if self._clock_kind == "devtools":
            raise UnsupportedError(
                "the DevTools clock leaves worker scripts untouched: use the real or the virtual clock"
            )
        self._init_scripts.append(Path(path).read_text(encoding="utf-8") if path else str(script))

    # --- finding workers --------------------------------------------------------------------------

    @property
    def history(self) -> list[SharedWorker]:
        """Every worker that has started, oldest first, closed ones too."""
        if not self._has_prologue:
            for target in self._connections.list_targets():
                clock = self._devtools_clocks.get(target.id)
                is_new = target.id not in self._handles and target.url.startswith(self._gateway.url)
                if is_new and clock is not None:
                    self._handles[target.id] = self._handle(None, target, clock)
        for channel in list(self._registry.channels):
            if channel.id not in self._handles:
                self._handles[channel.id] = self._handle(channel, None, self._make_clock(channel))
        return list(self._handles.values())

    @property
    def alive(self) -> list[SharedWorker]:
        """Every worker that is alive, oldest first."""
        return [worker for worker in self.history if not worker.is_closed()]

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
        wanted = _Description(self._gateway.compile_pattern(url), name, "a SharedWorker")
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

        `info.value` is the worker. Raise WorkerNotFoundError as `wait_for` does.
        """
        wanted = _Description(self._gateway.compile_pattern(url), name, "a new SharedWorker")
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
        found = [worker for worker in workers if wanted.matches(worker.url, worker.name)]
        if context is not None:
            found = [worker for worker in found if self._is_in(worker, context)]
        if not self._has_prologue:  # DevTools list a worker before its script is loaded and parsed.
            found = [worker for worker in found if worker.is_running()]
        return found

    def _wait_for_start(self, wanted: _Description, deadline: float, timeout: float) -> None:
        """Wait a moment for a worker. Raise WorkerNotFoundError if it failed, or after `deadline`."""
        failures = self._failed_starts.reported_by_pages(wanted.matches)
        if not failures and time.monotonic() < deadline:
            self.idle()
            return
        failures = failures or self._failed_starts.reported_by_pages()
        if not failures and self._has_prologue:
            failures = self._failed_starts.never_started()
        seen = "\n".join([*failures, f"workers seen: {self.history}", self._gateway.journal.tail()])
        reason = "failed to start" if failures else f"did not appear within {timeout:g} ms"
        raise WorkerNotFoundError(f"{wanted} {reason}.\n{seen}")

    def _is_in(self, worker: SharedWorker, context: BrowserContext) -> bool:
        """Tell whether a worker belongs to a context."""
        if self._has_devtools:
            target = worker.find_target()
            return target is not None and target.context_id == self._connections.get_context_id(context)
        channel = next(each for each in self._registry.channels if each.id == worker.id)
        ports = self._tabs.get_ports()
        owners = [ports[port].context for port in channel.marks if port in ports]
        if not owners:
            raise UnsupportedError(
                "in this browser the context of a worker is known on the virtual clock only:"
                " request the fixture worker_clock"
            )
        return context in owners

    # --- for the plugin's own parts ---------------------------------------------------------------

    def explain(self) -> str:
        """Return what the workers wrote and threw, as text for a failure."""
        lines = []
        for worker in self.history:
            state = "closed" if worker.is_closed() else "alive"
            lines.append(f"{worker!r} ({state})")
            with suppress(SharedWorkerError, PlaywrightError):
                lines += [f"  console {message}" for message in worker.console_messages()[-10:]]
                lines += [f"  uncaught {error}" for error in worker.errors()[-5:]]
        return "\n".join(["The workers:", *lines]) if lines else "No worker has started."

    def idle(self) -> None:
        """Let a moment pass in which events of Playwright and of the workers arrive."""
        self._connections.idle()
        self.dispatch_events()

    def dispatch_events(self) -> None:
        """Call the event handlers of all workers for what has happened since the last call."""
        for worker in list(self._handles.values()):
            worker.dispatch_events()

    def settle_messages(self, *, timeout: float = DEFAULT_TIMEOUT) -> None:
        """Wait until the workers have read what the tabs posted before. Raise WaitTimeoutError."""
        self._barrier.wait(timeout=timeout)

    def save_coverage(self) -> None:
        """Collect coverage now, where it is measured; a terminated worker cannot report it."""
        if self._coverage is not None and self._gate is not None:
            for session in self._gate.sessions:
                if not session.ended:
                    with suppress(SharedWorkerError, PlaywrightError):  # The worker is just ending.
                        self._coverage.collect(session, self._gateway.scripts.prefixes)

    def close(self) -> None:
        """Release everything. Idempotent."""
        if self._coverage is not None and self._gate is not None:
            self.save_coverage()
            self._coverage.late_scripts += self._gate.late_scripts
            self._gate.sessions.clear()
            self._gate.late_scripts.clear()
        self._control.close_registry(self._registry)
        self._connections.close()

    # --- inside -----------------------------------------------------------------------------------

    @property
    def _has_prologue(self) -> bool:
        return self._clock_kind != "devtools"

    def _prologue(self) -> str | None:
        if not self._has_prologue:
            return None
        return worker_prologue(
            {"port": self._control.port, "token": self._registry.token},
            virtual_clock=self._clock_kind == "virtual",
            init_scripts=self._init_scripts,
        )

    def _prepare(self, session: WorkerDevToolsSession) -> None:
        """Prepare a worker before its first line."""
        assert self._gate is not None
        if self._coverage is not None:
            self._coverage.start(session)
        if self._clock_kind == "devtools":
            self._devtools_clocks[session.target.id] = DevToolsClock(session, self._tabs)
        self._gate.admit(session)

    def _make_clock(self, channel: ControlChannel) -> Clock:
        if self._clock_kind == "virtual":
            return VirtualClock(channel, self._barrier)
        return RealClock(channel.started_monotonic)

    def _handle(
        self, channel: ControlChannel | None, target: WorkerTarget | None, clock: Clock
    ) -> SharedWorker:
        return SharedWorker(
            channel,
            target,
            clock,
            has_devtools=self._has_devtools,
            connections=self._connections,
            before_close=self.save_coverage,
        )

    def _browsers(self) -> Iterator[Browser]:
        yield self._browser
        yield from self._tabs.get_browsers()

    def _forget(self, context: BrowserContext) -> None:
        self._tabs.forget(context)
        if context.browser is not None and context.browser not in self._browsers():
            self._connections.forget(context.browser)
