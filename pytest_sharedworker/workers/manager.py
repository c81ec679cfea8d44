"""Follow the SharedWorkers of a test, on behalf of `SharedWorkers` and of the plugin's other parts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from playwright.sync_api import Browser, BrowserContext
from playwright.sync_api import Error as PlaywrightError

from pytest_sharedworker.browsers.capabilities import get_capabilities
from pytest_sharedworker.clock.base import Clock, ClockKind
from pytest_sharedworker.clock.devtools import DevToolsClock
from pytest_sharedworker.clock.moves import ClockMoves
from pytest_sharedworker.clock.real import RealClock
from pytest_sharedworker.clock.shared import SharedClock
from pytest_sharedworker.clock.virtual import VirtualClock
from pytest_sharedworker.control.server import ControlServer
from pytest_sharedworker.control.session import ControlChannel, RequestFilter, WorkerRegistry
from pytest_sharedworker.coverage.recorder import CoverageRecorder, call_before_workers_end
from pytest_sharedworker.devtools.connections import DevToolsConnections
from pytest_sharedworker.devtools.target import WorkerTarget
from pytest_sharedworker.devtools.worker_session import WorkerDevToolsSession
from pytest_sharedworker.errors import (
    SharedWorkerError,
    UnsupportedError,
)
from pytest_sharedworker.gateway.gateway import Gateway
from pytest_sharedworker.gateway.patterns import URLMatch
from pytest_sharedworker.injected.prologue import tab_script, worker_prologue
from pytest_sharedworker.integration.event_loop_thread import LoopThread
from pytest_sharedworker.tabs.console import TabConsole
from pytest_sharedworker.tabs.message_barrier import MessageBarrier
from pytest_sharedworker.tabs.pages import Tabs
from pytest_sharedworker.workers.shared_worker import DEFAULT_TIMEOUT, SharedWorker
from pytest_sharedworker.workers.start_failures import FailedStarts
from pytest_sharedworker.workers.start_gate import StartGate
from pytest_sharedworker.workers.worker_directory import WorkerDirectory


class WorkerManager:
    """The workers that start in the watched contexts of one test, and what the plugin does with them.

    `SharedWorkers` shows tests what they need of it.
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
        tab_console: TabConsole | None = None,
        reports_activity: bool = False,
    ) -> None:
        """Follow the workers of `browser`; `virtual_tabs`: tabs move with their worker's virtual time.

        `reports_activity`: workers report the messages on their ports and what they store.
        """
        self._clock_kind: ClockKind = clock_kind
        self._virtual_tabs = virtual_tabs and clock_kind == "virtual"
        self._capabilities = get_capabilities(browser.browser_type.name)
        self._reports_activity = reports_activity
        self._browser = browser
        self.gateway = gateway
        self._control = control
        self._registry: WorkerRegistry = control.open_registry()
        self._registry.at_start.append(gateway._on_worker_start)
        self.init_scripts: list[str] = []
        """What workers that start from now on run before their first line."""
        self._handles: dict[str, SharedWorker] = {}
        self._devtools_clocks: dict[str, DevToolsClock] = {}
        self._coverage = coverage
        self._gate: StartGate | None = None
        if clock_kind == "devtools" or coverage is not None:
            self._gate = StartGate(loop_thread, self._registry.changes)
        self._tabs = Tabs()
        self.tab_console = tab_console or TabConsole()
        self.clock_moves = ClockMoves()
        self._connections = DevToolsConnections(self._browsers, prepare=self._prepare if self._gate else None)
        self._barrier = MessageBarrier(
            self._tabs,
            self._registry,
            loop_thread,
            count_requests=gateway._count_script_requests,
            is_same_script=gateway._script_urls.is_same,
            explain=self.explain,
        )
        self.failed_starts = FailedStarts(self._tabs, gateway, self._registry, self._connections)
        self.clock: Clock = SharedClock(
            clock_kind,
            lambda: [worker.clock for worker in self.alive],
            registry=self._registry,
            barrier=self._barrier,
            loop_thread=loop_thread,
            make_filter=self._make_filter,
            on_moved=self.dispatch_events,
            moves=self.clock_moves,
        )
        gateway._attach(
            WorkerDirectory(
                self._registry,
                self._gate,
                make_prologue=self._prologue,
                list_page_scripts=self._tabs.list_document_scripts,
                explain=self.explain,
            )
        )

    # --- contexts and scripts ---------------------------------------------------------------------

    @property
    def has_prologue(self) -> bool:
        """Whether a prologue precedes the workers' scripts."""
        return self._clock_kind != "devtools"

    @property
    def max_workers(self) -> int | None:
        """How many workers of a context the plugin reaches at a time; None: no limit is known."""
        return self._capabilities.max_workers

    def watch(self, context: BrowserContext) -> None:
        """Follow the workers of a further context, before its first page opens."""
        self._tabs.add(context)
        self.tab_console.follow(context)
        context.on("close", self._forget)
        if self._gate is not None:
            self._connections.open()  # They have to listen before the first worker starts.
        if self._coverage is not None:
            call_before_workers_end(context, self.save_coverage)
        context.add_init_script(
            tab_script(
                counts_messages=self._clock_kind == "virtual",
                virtual_clock=self._virtual_tabs,
                wraps_inline_workers=self.has_prologue,
            )
        )

    # --- the workers ------------------------------------------------------------------------------

    @property
    def history(self) -> list[SharedWorker]:
        """Every worker that has started, oldest first, closed ones too."""
        if not self.has_prologue:
            for target in self._connections.list_targets():
                clock = self._devtools_clocks.get(target.id)
                is_new = target.id not in self._handles and self.gateway._origin.covers(target.url)
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

    def is_in(self, worker: SharedWorker, context: BrowserContext) -> bool:
        """Return whether a worker belongs to a context; False as long as no port of it is known."""
        if self._capabilities.has_devtools:
            target = worker._find_target()
            return target is not None and target.context_id == self._connections.get_context_id(context)
        if self._clock_kind != "virtual":
            raise UnsupportedError(
                "in this browser the context of a worker is known on the virtual clock only:"
                " request the fixture worker_clock"
            )
        channel = next(each for each in self._registry.channels if each.id == worker.id)
        return self._barrier.is_in(channel, context)

    def explain(self) -> str:
        """Return what the workers and the tabs wrote and threw, as text for a failure."""
        lines = []
        for worker in self.history:
            state = "closed" if worker.is_closed() else "alive"
            lines.append(f"{worker!r} ({state})")
            with suppress(SharedWorkerError, PlaywrightError):
                lines += [f"  console {message}" for message in worker.console_messages()[-10:]]
                lines += [f"  uncaught {error}" for error in worker.errors()[-5:]]
        text = "\n".join(["The workers:", *lines]) if lines else self._explain_nothing()
        failures = []
        with suppress(SharedWorkerError, PlaywrightError):
            failures = [f"failed to start: {each}" for each in self.failed_starts.reported_by_pages()]
        tabs = [f"  {message.text}" for message in self.tab_console.messages[-10:]]
        return "\n".join([text, *failures, *(["The tabs:", *tabs] if tabs else [])])

    def _explain_nothing(self) -> str:
        covers = self.gateway._origin.covers
        past = [url for url in self._tabs.list_urls() if url.startswith("http") and not covers(url)]
        if not past:
            return "No worker has started."
        return (
            f"No worker has started. {past[0]} does not come through the gateway: return the origin of its"
            " server from the fixture `gateway_upstream`, and call page.goto() with the path alone"
        )

    @property
    def channels(self) -> list[ControlChannel]:
        """The control channels of all workers, oldest first, closed ones too. Safe in any thread."""
        return list(self._registry.channels)

    def pump(self) -> None:
        """Let events of Playwright and of the workers arrive, in every browser."""
        self._tabs.pump()
        self.dispatch_events()

    def idle(self) -> None:
        """Let a moment pass in which events of Playwright and of the workers arrive."""
        self._connections.idle()
        self.dispatch_events()

    def dispatch_events(self) -> None:
        """Call the event handlers of all workers for what has happened since the last call."""
        for worker in list(self._handles.values()):
            worker._dispatch_events()

    def settle_messages(self, *, timeout: float = DEFAULT_TIMEOUT) -> None:
        """Wait until the workers have read what the tabs posted before. Raise WaitTimeoutError."""
        self._barrier.wait_until_read(timeout=timeout)

    def save_coverage(self) -> None:
        """Collect coverage now, where it is measured; a terminated worker cannot report it."""
        if self._coverage is not None and self._gate is not None:
            for session in self._gate.sessions:
                if not session.ended:
                    with suppress(SharedWorkerError, PlaywrightError):  # The worker is just ending.
                        self._coverage.collect(
                            session, self.gateway._scripts.prefixes, self.gateway._script_maps
                        )

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

    def _prologue(self, inline_url: str | None, origin: str | None) -> str | None:
        if not self.has_prologue:
            return None
        return worker_prologue(
            {
                "port": self._control.port,
                "token": self._registry.token,
                "origin": origin or self.gateway.url,
                "hasProxy": self.gateway._has_proxy,
                "endsAtClose": not self._capabilities.can_end_workers,
            },
            virtual_clock=self._clock_kind == "virtual",
            init_scripts=self.init_scripts,
            inline_url=inline_url,
            reports_activity=self._reports_activity,
        )

    def _prepare(self, session: WorkerDevToolsSession) -> None:
        """Prepare a worker before its first line."""
        assert self._gate is not None
        if self._coverage is not None:
            self._coverage.start(session)
        if self._clock_kind == "devtools":
            self._devtools_clocks[session.target.id] = DevToolsClock(session, self._tabs, self.clock_moves)
        self._gate.admit(session)

    def _make_filter(self, url: URLMatch) -> RequestFilter:
        """Compile a pattern of requests. Raise GatewayError for one that cannot match."""
        pattern = self.gateway._compile_pattern(url)

        def is_meant(method: str, url: str) -> bool:
            try:
                return any(pattern.matches(method, each) for each in self.gateway._origin.list_forms(url))
            except Exception as error:  # A callable of the test.
                self.gateway._runner.keep_error(error)
                return False

        return is_meant

    def _make_clock(self, channel: ControlChannel) -> Clock:
        if self._clock_kind == "virtual":
            return VirtualClock(channel, self._barrier, self._make_filter, self.clock_moves)
        return RealClock(channel.started_monotonic)

    def _handle(
        self, channel: ControlChannel | None, target: WorkerTarget | None, clock: Clock
    ) -> SharedWorker:
        return SharedWorker(
            channel,
            target,
            clock,
            has_devtools=self._capabilities.has_devtools,
            can_close_itself=self._capabilities.can_end_workers,
            connections=self._connections,
            find_urls=self.gateway._script_urls.find_aliases,
            correct_stack=self.gateway._correct_stack,
            before_close=self.save_coverage,
        )

    def _browsers(self) -> Iterator[Browser]:
        yield self._browser
        yield from self._tabs.get_browsers()

    def _forget(self, context: BrowserContext) -> None:
        self._tabs.forget(context)
        if context.browser is not None and context.browser not in self._browsers():
            self._connections.forget(context.browser)
