"""Handles to SharedWorkers: find them, look into them, move their time, end them."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from fnmatch import fnmatchcase
from itertools import count
from typing import Any, Literal

from playwright.sync_api import Browser, BrowserContext, Frame
from playwright.sync_api import Error as PlaywrightError

from .cdp import AttachedWorker, Cdp, WorkerTarget
from .clock import (
    ADVANCE_TIMEOUT_SECONDS,
    Delivery,
    RealClock,
    VirtualClock,
    expect_standing,
    moving,
    whole_milliseconds,
)
from .control import ConsoleMessage, ControlServer, Registry, WorkerError, WorkerSession
from .coverage_recorder import CoverageRecorder, before_workers_end
from .exceptions import (
    AmbiguousWorker,
    SharedWorkerError,
    Unsupported,
    WaitTimeout,
    WorkerGone,
    WorkerNotFound,
)
from .gateway import Gateway
from .loop_thread import LoopThread
from .policy_clock import PolicyClock
from .prologue import offline_script, tab_script, worker_prologue
from .start_gate import StartGate

ClockKind = Literal["virtual", "real", "policy"]

APPEAR_TIMEOUT_SECONDS = 10.0
DELIVERY_TIMEOUT_SECONDS = 10.0
END_TIMEOUT_SECONDS = 10.0
CONSOLE_TIMEOUT_SECONDS = 5.0
_POLL_SECONDS = 0.01
_RECHECK_SECONDS = 0.25
_ORPHAN_SECONDS = 2.0
"""How long a tab's new worker is waited for where others of its script and name have ended."""


class SharedWorker:
    """One SharedWorker, alive or ended.

    Behind it stands the control channel where the worker has a prologue, and DevTools in Chromium.
    """

    def __init__(
        self,
        registry: SharedWorkers,
        session: WorkerSession | None,
        target: WorkerTarget | None,
        clock: VirtualClock | RealClock | PolicyClock,
    ) -> None:
        self._registry = registry
        self._session = session
        self._target = target
        self._console: list[ConsoleMessage] = []
        self._errors: list[WorkerError] = []
        self._seen_at = datetime.now(timezone.utc)
        self.clock = clock

    @property
    def id(self) -> str:
        """What tells this worker from others of the same script and name."""
        if self._session is not None:
            return self._session.id
        assert self._target is not None
        return self._target.id

    @property
    def url(self) -> str:
        """The script's URL."""
        source = self._session or self._target
        assert source is not None
        return source.url

    @property
    def name(self) -> str:
        """The name it was started under; "" for none."""
        source = self._session or self._target
        assert source is not None
        return source.name

    @property
    def label(self) -> str:
        """What people call it: by its name, else by its script."""
        return f"worker {self.name or self.url!r}"

    @property
    def started_at(self) -> datetime:
        """When it started (real time); without a prologue, when it was first seen."""
        return self._seen_at if self._session is None else self._session.started_at

    @property
    def ended_at(self) -> datetime | None:
        """When it ended; None where it lives, or where it has no prologue to tell."""
        return self._session.ended_at if self._session is not None and self._session.ended else None

    @property
    def ended(self) -> bool:
        """Whether the worker is gone."""
        if self._session is not None:
            return self._session.ended
        assert self._target is not None
        return self._target.id not in {target.id for target in self._registry.targets()}

    @property
    def console(self) -> list[ConsoleMessage]:
        """All it wrote to the console, from its first line on."""
        if self._session is not None:
            return list(self._session.console)
        self._replay()
        return list(self._console)

    @property
    def errors(self) -> list[WorkerError]:
        """Its uncaught exceptions and unhandled rejections, from its first line on."""
        if self._session is not None:
            return list(self._session.errors)
        self._replay()
        return list(self._errors)

    def expect_console(
        self, text: str | re.Pattern[str], *, timeout_seconds: float = CONSOLE_TIMEOUT_SECONDS
    ) -> ConsoleMessage:
        """Wait for a console line that contains `text`, or that the pattern finds, and return it.

        Lines that are there already count. Raises WaitTimeout, which shows the lines there were.
        """
        deadline = time.monotonic() + timeout_seconds
        while True:
            lines = self.console
            for line in lines:
                if text in line.text if isinstance(text, str) else text.search(line.text):
                    return line
            if time.monotonic() > deadline:
                seen = "\n".join(f"  {line}" for line in lines) or "  (nothing)"
                raise WaitTimeout(
                    f"waited {timeout_seconds:g} s for {self} to write {text!r}; it wrote:\n{seen}"
                )
            self._registry.idle()

    def evaluate(self, expression: str, *args: object) -> Any:
        """Evaluate JavaScript in the worker's global scope and return its value (JSON).

        A function is called with `args`; a promise is awaited. Raises EvaluationError with JavaScript's
        stack, WorkerGone, WaitTimeout.
        """
        if self._session is not None and self._session.ended:
            raise WorkerGone(f"the {self._session} has ended; there is nothing to evaluate in")
        if self._registry.is_chromium:
            with self._devtools() as devtools:
                return devtools.evaluate(expression, *args)
        if self._session is None:
            raise Unsupported("without a prologue only Chromium can evaluate in a SharedWorker")
        return self._session.call("evaluate", {"expression": expression, "args": args})

    def set_offline(self, offline: bool) -> None:
        """Take this one worker off the network, or back on; tabs and other workers do not notice.

        `navigator.onLine` turns, the worker's `offline` or `online` event fires, and its requests by
        fetch and XMLHttpRequest fail with the browser's own network error: nothing leaves the browser.
        Requests under way go on, as they may in reality. WebSocket, EventSource, importScripts and
        imports are not cut. A worker without a prologue has to call `fetch` by that name each time.
        """
        if self._session is None:
            self.evaluate(offline_script())
        self.evaluate("(offline) => self[Symbol.for('pytest-sharedworker.offline')](offline)", offline)

    @contextmanager
    def offline(self) -> Iterator[None]:
        """Have the worker off the network while the block runs; see `set_offline`."""
        self.set_offline(True)
        try:
            yield
        finally:
            with suppress(WorkerGone):  # One that ended meanwhile needs no network.
                self.set_offline(False)

    def heap_used(self) -> int:
        """Bytes of JavaScript objects that the worker holds on to, after garbage collection.

        The contents of ArrayBuffers are not among them. Raises Unsupported outside Chromium.
        """
        if not self._registry.is_chromium:
            raise Unsupported("only Chromium tells how much memory a SharedWorker uses")
        with self._devtools() as devtools:
            return devtools.heap_used()

    def terminate(self) -> None:
        """End it at once, as a crash would: neither it nor its tabs are told (Chromium).

        Elsewhere it closes itself, which drops its tasks. Returns when it is gone.
        """
        if self._registry.is_chromium:
            target = self._find_target()
            self._registry.take_coverage()
            target.cdp.terminate(target)
        elif self._session is not None:
            with suppress(WorkerGone):
                self._session.call("terminate")
        else:
            raise Unsupported("without a prologue only Chromium can end a SharedWorker")
        self.wait_until_ended()

    def wait_until_ended(self, *, timeout_seconds: float = END_TIMEOUT_SECONDS) -> None:
        """Wait until the worker is gone. Raises WaitTimeout."""
        deadline = time.monotonic() + timeout_seconds
        while not self.ended:
            if time.monotonic() > deadline:
                raise WaitTimeout(f"waited {timeout_seconds:g} s for {self} to end; it still lives")
            self._registry.idle()

    @contextmanager
    def _devtools(self) -> Iterator[AttachedWorker]:
        """A DevTools session for a moment.

        None may outlive its worker: Chromium hands it on to the next worker of that script and name, and
        holds that one back before its first line, as if somebody wanted to debug it.
        """
        target = self._find_target()
        attached = target.cdp.attach(target)
        try:
            yield attached
        finally:
            attached.detach()

    @property
    def runs(self) -> bool:
        """Whether its script has been loaded and parsed; without a prologue only DevTools know."""
        if self._session is not None:
            return True
        try:
            with self._devtools() as devtools:
                return self.url in devtools.parsed_scripts()
        except WorkerGone:
            return False

    def _replay(self) -> None:
        """Take over console and errors, which the browser tells from the worker's start on each time."""
        with suppress(WorkerGone), self._devtools() as devtools:
            devtools.target.cdp.pump()
            self._console, self._errors = devtools.console, devtools.errors

    def _find_target(self) -> WorkerTarget:
        if self._target is None:
            self._target = self._registry.match(self)
        return self._target

    def __repr__(self) -> str:
        return f"<SharedWorker {self.name!r} {self.url}>"


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
        self._registry: Registry = control.open_registry()
        self._registry.at_start.append(gateway.worker_starts)
        self._init_scripts: list[str] = []
        self._handles: dict[str, SharedWorker] = {}
        self._contexts: list[BrowserContext] = []
        self._marks = count(1)
        self._orphans: set[str] = set()
        self._documents: set[str] = set()
        self._departures = 0
        self._bridges: dict[Browser, Cdp] = {}
        self._coverage = coverage
        self._gate: StartGate | None = None
        if clock_kind == "policy" or coverage is not None:
            self._gate = StartGate(loop_thread, self._registry.changes)
            gateway.scripts.gate = self._gate.wait
        self._policy_clocks: dict[str, PolicyClock] = {}
        gateway.scripts.prologue = self._prologue
        gateway.journal.explain = self.explain

    def watch(self, context: BrowserContext) -> None:
        """Follow the SharedWorkers of a context; call it before its first page opens.

        The context may be one of another browser, of the same kind.
        """
        self._contexts.append(context)
        context.on("close", self._forget)
        if self._gate is not None:
            _ = self.cdps  # They have to be there before the first worker.
        if self._coverage is not None:
            before_workers_end(context, self.take_coverage)
        context.add_init_script(
            tab_script(marks=self._has_prologue, virtual_clock=self.virtual_tabs and self._has_prologue)
        )

    def add_init_script(self, script: str) -> None:
        """Run JavaScript in every worker that starts from now on, before its first line.

        The script is a function body of its own. Scripts run in the order in which they were added.
        Call it before `watch`, that is before the first page. Raises Unsupported under the clock
        "policy", which leaves scripts untouched.
        """
        if self.clock_kind == "policy":
            raise Unsupported("the clock 'policy' leaves scripts as they are; init scripts need another")
        self._init_scripts.append(script)

    @property
    def cdps(self) -> list[Cdp]:
        """The DevTools bridges, one a living browser; raises Unsupported outside Chromium."""
        watched = [context.browser for context in self._contexts]
        for browser in [self._browser, *filter(None, watched)]:
            if browser not in self._bridges and browser.is_connected():
                self._bridges[browser] = Cdp(browser)
                if self._gate is not None:
                    self._bridges[browser].attach_at_start(self._prepare)
        return [bridge for browser, bridge in self._bridges.items() if browser.is_connected()]

    def targets(self) -> list[WorkerTarget]:
        """All SharedWorkers of the browsers, as DevTools list them."""
        targets = []
        for cdp in self.cdps:
            with suppress(PlaywrightError):  # The browser is just ending.
                targets += cdp.shared_workers()
        return targets

    @property
    def starts(self) -> list[SharedWorker]:
        """Every worker that has started, oldest first, also those that have ended."""
        if not self._has_prologue:
            for target in self.targets():
                clock = self._clock_of(target)
                known = target.id in self._handles or not target.url.startswith(self._gateway.url)
                if clock is not None and not known:
                    self._handles[target.id] = SharedWorker(self, None, target, clock)
        for session in list(self._registry.sessions):
            if session.id not in self._handles:
                self._handles[session.id] = SharedWorker(self, session, None, self._clock(session))
        return list(self._handles.values())

    @property
    def all(self) -> list[SharedWorker]:
        """Every worker that lives, oldest first."""
        return [worker for worker in self.starts if not worker.ended]

    def wait_for(
        self, url: str = "*", *, name: str | None = None, timeout_seconds: float = APPEAR_TIMEOUT_SECONDS
    ) -> SharedWorker:
        """Wait for the one living worker whose script's URL matches the glob (and whose name is `name`).

        Raises WorkerNotFound, with what tabs said of workers that failed to start, or AmbiguousWorker.
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
                raise AmbiguousWorker(
                    f"{len(found)} workers answer to {wanted}: {found}; give a narrower glob or a name"
                )
            failures = self._failures(url, name)
            if failures or time.monotonic() > deadline:
                failures = failures or self._failures("*", None) or self._silent_scripts()
                seen = "\n".join([*failures, f"workers seen: {self.starts}", self._gateway.journal.tail()])
                reason = "failed to start" if failures else f"did not appear within {timeout_seconds:g} s"
                raise WorkerNotFound(f"{wanted} {reason}.\n{seen}")
            self.idle()

    def advance(self, seconds: float, *, timeout_seconds: float = ADVANCE_TIMEOUT_SECONDS) -> None:
        """Let this much time pass in every worker that lives, at once. Raises as a clock's `advance`."""
        if self.clock_kind != "virtual":
            for worker in self.all:
                worker.clock.advance(seconds)
            return
        ms = whole_milliseconds(seconds)
        expect_standing(self._registry.sessions)
        delivery = self.deliver()
        sessions = [session for session in self._registry.sessions if not session.ended]
        with moving(sessions, timeout_seconds):
            self._loop_thread.run(
                _advance_all(sessions, ms, delivery),
                timeout_seconds=timeout_seconds,
                what=f"the clocks of {len(sessions)} workers to arrive",
            )

    def deliver(self, *, timeout_seconds: float = DELIVERY_TIMEOUT_SECONDS) -> Delivery:
        """Wait until the workers have read all that the tabs posted before. Raises WaitTimeout.

        Messages of a tab arrive in order, so a mark behind them tells. Needs a prologue.
        Returns what clocks have to know of the tabs.
        """
        mark = next(self._marks)
        marked: list[str] = []
        tab_clocks: list[tuple[list[str], dict[str, float | None]]] = []
        documents: set[str] = set()
        for frame in self._frames():
            with suppress(PlaywrightError):  # A frame that is just being closed has nothing to say.
                tab = frame.evaluate(_SEND_MARKS, mark)
                marked += tab["ports"]
                documents.add(tab["id"])
                if tab["clock"] is not None:
                    tab_clocks.append((tab["ports"], tab["clock"]))
        deadline = time.monotonic() + timeout_seconds
        while unread := self._unread(marked, mark):
            if time.monotonic() > deadline:
                raise WaitTimeout(
                    f"waited {timeout_seconds:g} s for the workers to read what came on {len(unread)} of"
                    f" {len(marked)} ports; does the worker set port.onmessage or call port.start()?\n"
                    + self.explain()
                )
            # Tabs that went away meanwhile, and workers that failed to start, read nothing any more.
            expected = self._expected_ports()
            if time.monotonic() > deadline - timeout_seconds + _ORPHAN_SECONDS:
                orphans = [port for port, worker in expected.items() if self._is_orphan(port, worker)]
                self._orphans.update(orphans)
            marked = [port for port in marked if port in expected]
        self._departures += len(self._documents - documents)
        self._documents = documents
        ended = sum(session.ended for session in self._registry.sessions)
        return Delivery(tab_clocks, self._departures + ended)

    def _unread(self, marked: list[str], mark: int) -> list[str]:
        """Wait a moment for marks to be read; return the ports where they were not."""

        def unread() -> list[str]:
            return [port for port in marked if not self._has_read(port, mark)]

        with suppress(WaitTimeout):
            self._loop_thread.run(
                self._registry.changes.wait_until(lambda: not unread()), timeout_seconds=_RECHECK_SECONDS
            )
        return unread()

    def _has_read(self, port: str, mark: int) -> bool:
        # Where its worker has ended nobody will ever read what this port says.
        owners = [session for session in self._registry.sessions if port in session.marks]
        return port in self._orphans or any(owner.ended or owner.marks[port] >= mark for owner in owners)

    def _is_orphan(self, port: str, worker: tuple[str, str]) -> bool:
        """Whether the port's worker ended before it read anything, as far as can be told."""
        same = [session for session in self._registry.sessions if (session.url, session.name) == worker]
        return bool(same) and all(session.ended and port not in session.marks for session in same)

    def _expected_ports(self) -> dict[str, tuple[str, str]]:
        """The ports of living tabs to workers that did not fail to start, with script and name of each."""
        expected: dict[str, tuple[str, str]] = {}
        for frame in self._frames():
            with suppress(PlaywrightError):
                expected |= {port: (url, name) for port, (url, name) in frame.evaluate(_READ_PORTS)}
        return expected

    def take_coverage(self) -> None:
        """Take over what workers have run so far, where coverage is measured; those that end tell no more."""
        if self._coverage is not None and self._gate is not None:
            for attached in self._gate.attached:
                if not attached.gone:
                    with suppress(SharedWorkerError, PlaywrightError):  # It is just ending.
                        self._coverage.take(attached, self._gateway.scripts.prefixes)

    def _prepare(self, attached: AttachedWorker) -> None:
        """Act on a worker before its first line."""
        assert self._gate is not None
        if self._coverage is not None:
            self._coverage.begin(attached)
        if self.clock_kind == "policy":
            clock = PolicyClock(attached, self._reach_tabs)
            self._policy_clocks[attached.target.id] = clock
        self._gate.admit(attached)

    def _clock_of(self, target: WorkerTarget) -> RealClock | PolicyClock | None:
        """The clock of a worker without a prologue; None where it has yet to get one."""
        if self.clock_kind != "policy":
            return RealClock(time.monotonic())
        return self._policy_clocks.get(target.id)

    def _reach_tabs(self) -> None:
        for frame in self._frames():
            with suppress(PlaywrightError):
                frame.evaluate("0")

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
        for browser, bridge in self._bridges.items():
            with suppress(PlaywrightError):
                if browser.is_connected():
                    bridge.pump()
        time.sleep(_POLL_SECONDS)

    def match(self, worker: SharedWorker) -> WorkerTarget:
        """Find the DevTools target of a worker that the control channel knows. Raises WorkerGone."""
        for target in self.targets():
            if target.url == worker.url and target.name == worker.name:
                with suppress(WorkerGone):  # Another of this name may just be ending.
                    attached = target.cdp.attach(target)
                    found = attached.evaluate("self[Symbol.for('pytest-sharedworker')]") == worker.id
                    attached.detach()
                    if found:
                        return target
        raise WorkerGone(f"{worker} has ended")

    def close(self) -> None:
        """Let go of everything. Idempotent."""
        if self._coverage is not None and self._gate is not None:
            self.take_coverage()
            self._coverage.late += self._gate.late
            self._gate.attached.clear()
            self._gate.late.clear()
        self._control.close_registry(self._registry)
        for bridge in self._bridges.values():
            bridge.close()
        self._bridges.clear()

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

    def _clock(self, session: WorkerSession) -> VirtualClock | RealClock:
        if self.clock_kind == "virtual":
            return VirtualClock(session, self.deliver)
        return RealClock(session.started_monotonic)

    def _forget(self, context: BrowserContext) -> None:
        """Let go of a context that was closed, or whose browser was; nothing can be asked of it."""
        self._contexts = [each for each in self._contexts if each is not context]
        browsers = [self._browser, *(each.browser for each in self._contexts)]
        if context.browser is not None and context.browser not in browsers:
            self._bridges.pop(context.browser, None)

    def _frames(self) -> Iterator[Frame]:
        for context in self._contexts:
            for page in context.pages:
                yield from page.frames

    def _failures(self, url: str, name: str | None) -> list[str]:
        """Workers that tabs could not start, each with what is known of why."""
        failed: list[str] = []
        for frame in self._frames():
            with suppress(PlaywrightError):
                failed += [
                    error["url"]
                    for error in frame.evaluate(_READ_ERRORS)
                    if fnmatchcase(error["url"], url) and name in (None, error["name"])
                ]
        return [f"{each}: {self._why_failed(each)}" for each in dict.fromkeys(failed)]

    def _silent_scripts(self) -> list[str]:
        """Scripts that were asked for and never ran, also where the browser told the tab nothing."""
        started = {session.url.partition("?")[0] for session in self._registry.sessions}
        silent = [url for url in self._gateway.worker_script_urls if url not in started]
        return [f"{url}: {self._why_failed(url)}" for url in silent] if self._has_prologue else []

    def _why_failed(self, url: str) -> str:
        asked = [exchange for exchange in self._gateway.journal if exchange.url == url]
        if not asked:
            return (
                "its script was not asked for here; is it of another origin, does a Content-Security-Policy"
                " (worker-src) forbid it, or is the gateway down?"
            )
        script = asked[-1]
        if script.status is None:
            return "its script got no answer (see the toxics in the journal)"
        if script.status >= 300:
            return f"its script was answered with {script.status}; mount it, or mend the URL"
        content_type = script.response_headers.get("Content-Type", "")
        if "javascript" not in content_type:
            return f"its script has the type {content_type!r}; a browser runs text/javascript only"
        return f"its script was served but does not run: {self._syntax_error(url)}"

    def _syntax_error(self, url: str) -> str:
        if self.is_chromium:
            for target in self.targets():
                if target.url == url:
                    with suppress(WorkerGone):
                        attached = target.cdp.attach(target)
                        target.cdp.pump()
                        attached.detach()
                        if attached.errors:
                            return str(attached.errors[0])
        return "a syntax error, a failed import, or a module started without {type: 'module'}"


async def _advance_all(sessions: list[WorkerSession], ms: int, delivery: Delivery) -> None:
    async def advance(session: WorkerSession) -> None:
        with suppress(WorkerGone):  # A worker that ends on the way has no time any more.
            await session.ask("advance", {"ms": ms, **delivery.params(session)})

    await asyncio.gather(*map(advance, sessions))


_SEND_MARKS = """async (mark) => {
    const tab = window[Symbol.for("pytest-sharedworker")];
    if (!tab) return { id: "", ports: [], clock: null };
    const ports = tab.ports();
    await tab.mark(ports, mark);
    return { id: tab.id, ports, clock: tab.clock() };
}"""
_READ_PORTS = """() => {
    const tab = window[Symbol.for("pytest-sharedworker")];
    return tab ? tab.expected() : [];
}"""
_READ_ERRORS = "() => window[Symbol.for('pytest-sharedworker')]?.errors ?? []"
