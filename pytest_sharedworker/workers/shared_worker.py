"""The handle to one SharedWorker: look into it, take it off the network, end it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from typing import Any

from pytest_sharedworker.clock.devtools import DevToolsClock
from pytest_sharedworker.clock.real import RealClock
from pytest_sharedworker.clock.virtual import VirtualClock
from pytest_sharedworker.control.messages import ConsoleMessage, WorkerError
from pytest_sharedworker.control.session import ControlChannel
from pytest_sharedworker.control.values import parse_value, serialize_argument
from pytest_sharedworker.devtools.connections import DevToolsConnections
from pytest_sharedworker.devtools.session import WorkerDevToolsSession, WorkerTarget
from pytest_sharedworker.errors import UnsupportedError, WaitTimeoutError, WorkerClosedError
from pytest_sharedworker.injected.prologue import offline_script

END_TIMEOUT_SECONDS = 10.0
CONSOLE_TIMEOUT_SECONDS = 5.0


class SharedWorker:
    """One SharedWorker, alive or ended.

    Behind it stands the control channel where the worker has a prologue, and DevTools in Chromium.
    """

    def __init__(
        self,
        session: ControlChannel | None,
        target: WorkerTarget | None,
        clock: VirtualClock | RealClock | DevToolsClock,
        *,
        is_chromium: bool,
        bridges: DevToolsConnections,
        before_end: Callable[[], None],
    ) -> None:
        """One of `session` and `target` is given. `before_end` takes what ends together with the worker."""
        self._is_chromium = is_chromium
        self._bridges = bridges
        self._before_end = before_end
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
        return self._target.id not in {target.id for target in self._bridges.targets()}

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

        Lines that are there already count. Raises WaitTimeoutError, which shows the lines there were.
        """
        deadline = time.monotonic() + timeout_seconds
        while True:
            lines = self.console
            for line in lines:
                if text in line.text if isinstance(text, str) else text.search(line.text):
                    return line
            if time.monotonic() > deadline:
                seen = "\n".join(f"  {line}" for line in lines) or "  (nothing)"
                raise WaitTimeoutError(
                    f"waited {timeout_seconds:g} s for {self} to write {text!r}; it wrote:\n{seen}"
                )
            self._bridges.idle()

    def evaluate(self, expression: str, *args: object) -> Any:
        """Evaluate JavaScript in the worker's global scope and return its value (JSON).

        A function is called with `args`; a promise is awaited. Raises EvaluationError with JavaScript's
        stack, WorkerClosedError, WaitTimeoutError.
        """
        if self._session is not None and self._session.ended:
            raise WorkerClosedError(f"the {self._session} has ended; there is nothing to evaluate in")
        if self._is_chromium:
            with self._devtools() as devtools:
                return devtools.evaluate(expression, *args)
        if self._session is None:
            raise UnsupportedError("without a prologue only Chromium can evaluate in a SharedWorker")
        argument = serialize_argument(args[0] if args else None)
        return parse_value(self._session.call("evaluate", {"expression": expression, "argument": argument}))

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
            with suppress(WorkerClosedError):  # One that ended meanwhile needs no network.
                self.set_offline(False)

    def heap_used(self) -> int:
        """Bytes of JavaScript objects that the worker holds on to, after garbage collection.

        The contents of ArrayBuffers are not among them. Raise UnsupportedError outside Chromium.
        """
        if not self._is_chromium:
            raise UnsupportedError("only Chromium tells how much memory a SharedWorker uses")
        with self._devtools() as devtools:
            return devtools.heap_used()

    def terminate(self) -> None:
        """End it at once, as a crash would: neither it nor its tabs are told (Chromium).

        Elsewhere it closes itself, which drops its tasks. Returns when it is gone.
        """
        if self._is_chromium:
            target = self._find_target()
            self._before_end()
            target.cdp.terminate(target)
        elif self._session is not None:
            with suppress(WorkerClosedError):
                self._session.call("terminate")
        else:
            raise UnsupportedError("without a prologue only Chromium can end a SharedWorker")
        self.wait_until_ended()

    def wait_until_ended(self, *, timeout_seconds: float = END_TIMEOUT_SECONDS) -> None:
        """Wait until the worker is gone. Raises WaitTimeoutError."""
        deadline = time.monotonic() + timeout_seconds
        while not self.ended:
            if time.monotonic() > deadline:
                raise WaitTimeoutError(f"waited {timeout_seconds:g} s for {self} to end; it still lives")
            self._bridges.idle()

    @contextmanager
    def _devtools(self) -> Iterator[WorkerDevToolsSession]:
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
        except WorkerClosedError:
            return False

    def _replay(self) -> None:
        """Take over console and errors, which the browser tells from the worker's start on each time."""
        with suppress(WorkerClosedError), self._devtools() as devtools:
            devtools.target.cdp.pump()
            self._console, self._errors = devtools.console, devtools.errors

    def _find_target(self) -> WorkerTarget:
        if self._target is None:
            self._target = self._bridges.find(self.id, self.url, self.name)
        if self._target is None:
            raise WorkerClosedError(f"{self} has ended")
        return self._target

    def __repr__(self) -> str:
        return f"<SharedWorker {self.name!r} {self.url}>"
