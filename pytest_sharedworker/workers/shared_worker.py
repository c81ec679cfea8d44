"""The handle of one SharedWorker: inspect it, take it offline, end it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any, Literal, TypeVar, overload

from playwright.sync_api import Error as PlaywrightError

from pytest_sharedworker.clock.base import Clock
from pytest_sharedworker.control.messages import ConsoleMessage, WorkerActivity, WorkerError
from pytest_sharedworker.control.session import ControlChannel
from pytest_sharedworker.control.titles import describe_worker
from pytest_sharedworker.control.values import parse_value, serialize_argument
from pytest_sharedworker.devtools.connections import DevToolsConnections
from pytest_sharedworker.devtools.target import WorkerTarget
from pytest_sharedworker.devtools.worker_session import WorkerDevToolsSession
from pytest_sharedworker.errors import UnsupportedError, WaitTimeoutError, WorkerClosedError
from pytest_sharedworker.injected.prologue import offline_script
from pytest_sharedworker.workers.event_info import EventInfo
from pytest_sharedworker.workers.worker_events import EventName, Handler, WorkerEvents

DEFAULT_TIMEOUT = 10_000.0
"""How long a wait takes at most, in ms."""

EVALUATE_TIMEOUT = 30_000.0
"""How long one evaluation takes at most, in ms."""

_SUCCESSOR = "; if a tab has started it again, shared_workers.wait_for() returns the new worker"
"""What to do about a worker that has ended, often because its tab was reloaded."""

_CLOSING_SECONDS = 0.1
"""Firefox hands the port of a tab that connects this soon to the worker that is closing."""

T = TypeVar("T")


class SharedWorker:
    """One SharedWorker, alive or closed.

    The plugin reaches it by the control channel where its script has a prologue, and by DevTools in Chromium.
    """

    def __init__(
        self,
        channel: ControlChannel | None,
        target: WorkerTarget | None,
        clock: Clock,
        *,
        has_devtools: bool,
        can_close_itself: bool,
        connections: DevToolsConnections,
        find_urls: Callable[[str], set[str]],
        correct_stack: Callable[[str], str],
        before_close: Callable[[], None],
    ) -> None:
        """Take one of `channel` and `target`.

        `find_urls` returns all URLs under which a script is known; `correct_stack` returns a stack with the
        positions of the scripts as they were served; `before_close` saves what ends together
        with the worker.
        """
        self.clock = clock
        self._channel = channel
        self._target = target
        self._has_devtools = has_devtools
        self._can_close_itself = can_close_itself
        self._connections = connections
        self._find_urls = find_urls
        self._correct_stack = correct_stack
        self._before_close = before_close
        self._replayed_console: list[ConsoleMessage] = []
        self._replayed_errors: list[WorkerError] = []
        self._errors: list[WorkerError] = []
        """Those that have been read, with corrected stacks."""
        self._first_seen_at = datetime.now(timezone.utc)
        self._events = WorkerEvents(self)

    # --- identity ---------------------------------------------------------------------------------

    @property
    def id(self) -> str:
        """An id that differs from those of other workers of the same script and name."""
        return self._source.id

    @property
    def url(self) -> str:
        """The script's URL."""
        return self._source.url

    @property
    def name(self) -> str:
        """The name given to `new SharedWorker`, "" for none."""
        return self._source.name

    @property
    def label(self) -> str:
        """A short title for people: the name, else the script's file name."""
        return describe_worker(self.name, self.url)

    @property
    def _source(self) -> ControlChannel | WorkerTarget:
        source = self._channel or self._target
        assert source is not None
        return source

    # --- life -------------------------------------------------------------------------------------

    @property
    def started_at(self) -> datetime:
        """When it started (real time); without a prologue, when the plugin first saw it."""
        return self._first_seen_at if self._channel is None else self._channel.started_at

    @property
    def closed_at(self) -> datetime | None:
        """When it closed; None while it is alive, and always without a prologue."""
        return self._channel.ended_at if self._channel is not None and self._channel.ended else None

    @property
    def _virtual_offset(self) -> float:
        """For timelines: the ms of the test's virtual time at which it started."""
        return 0.0 if self._channel is None else self._channel.virtual_offset

    @property
    def _activities(self) -> list[WorkerActivity]:
        """For timelines: what it reported of its ports and its storage."""
        return [] if self._channel is None else list(self._channel.activities)

    def is_closed(self) -> bool:
        """Return whether the worker has ended, for whatever reason."""
        if self._channel is not None:
            return self._channel.ended
        assert self._target is not None
        return self._target.id not in {target.id for target in self._connections.list_targets()}

    def _is_running(self) -> bool:
        """Return whether its script has been loaded and parsed."""
        if self._channel is not None:
            return True
        try:
            with self._open_devtools() as devtools:
                return self.url in devtools.list_parsed_scripts()
        except WorkerClosedError:
            return False

    def terminate(self) -> None:
        """End it at once, like a crash: neither it nor its tabs are notified (Chromium).

        In other browsers it closes itself, which drops its tasks. Return when it has ended, at once for a
        worker that has ended before. Raise UnsupportedError in WebKit, and without a prologue outside
        Chromium.
        """
        if self.is_closed():
            return
        if self._has_devtools:
            with suppress(WorkerClosedError, PlaywrightError):  # It ends by itself just now.
                target = self._require_target()
                self._before_close()
                self._connections.terminate(target)
        elif not self._can_close_itself:
            raise UnsupportedError(
                "WebKit keeps a worker that has closed itself, without running it, and connects new tabs"
                " to it: close all of its tabs instead"
            )
        elif self._channel is not None:
            with suppress(WorkerClosedError):
                self._channel.call("terminate")
        else:
            raise UnsupportedError("without a prologue only Chromium can end a SharedWorker")
        self.wait_for_close()
        if not self._has_devtools:
            time.sleep(_CLOSING_SECONDS)

    def wait_for_close(self, *, timeout: float = DEFAULT_TIMEOUT) -> None:
        """Wait until the worker has ended. Raise WaitTimeoutError after `timeout` ms."""
        if not self._wait_until(self.is_closed, timeout):
            raise WaitTimeoutError(f"waited {timeout:g} ms for {self} to close; it is still alive")

    # --- console, errors, events ------------------------------------------------------------------

    def console_messages(self) -> list[ConsoleMessage]:
        """Return all that it wrote to the console, from its first line on."""
        if self._channel is not None:
            return list(self._channel.console)
        self._replay()
        return list(self._replayed_console)

    def errors(self) -> list[WorkerError]:
        """Return its uncaught exceptions and unhandled rejections, from its first line on.

        The stacks have the positions of the script as it was served, or those that its source map names.
        """
        if self._channel is None:
            self._replay()
        errors = self._replayed_errors if self._channel is None else self._channel.errors
        for error in errors[len(self._errors) :]:  # To correct a stack takes time, and handlers ask often.
            self._errors.append(replace(error, stack=self._correct_stack(error.stack)))
        return list(self._errors)

    @overload
    def on(self, event: Literal["console"], handler: Callable[[ConsoleMessage], object]) -> None: ...

    @overload
    def on(self, event: Literal["error"], handler: Callable[[WorkerError], object]) -> None: ...

    @overload
    def on(self, event: Literal["close"], handler: Callable[[SharedWorker], object]) -> None: ...

    def on(self, event: EventName, handler: Handler) -> None:
        """Call `handler` with each console message, uncaught error, or with the worker when it closes.

        Handlers run in the test's thread, while the test is inside a call of this plugin. What happened
        before `on` does not count.
        """
        self._events.add(event, handler)

    def remove_listener(self, event: EventName, handler: Handler) -> None:
        """Stop calling `handler`. Raise ValueError if it was not added."""
        self._events.remove(event, handler)

    @contextmanager
    def expect_console_message(
        self,
        predicate: Callable[[ConsoleMessage], bool] | None = None,
        *,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> Iterator[EventInfo[ConsoleMessage]]:
        """Wait at the end of the `with` block for a console message that was written since its begin.

        `info.value` is the message. Raise WaitTimeoutError, which shows the messages, after `timeout` ms.
        """
        seen = len(self.console_messages())
        info: EventInfo[ConsoleMessage] = EventInfo("console message")
        yield info

        def find() -> bool:
            messages = self.console_messages()[seen:]
            info._set(next((each for each in messages if predicate is None or predicate(each)), None))
            return info.is_done()

        if not self._wait_until(find, timeout):
            lines = "\n".join(f"  {message}" for message in self.console_messages()) or "  (nothing)"
            raise WaitTimeoutError(
                f"waited {timeout:g} ms for a console message of {self}; it wrote:\n{lines}"
            )

    def _dispatch_events(self) -> None:
        """Call the handlers of what has happened since the last call (in the test's thread)."""
        self._events.dispatch()

    # --- JavaScript -------------------------------------------------------------------------------

    def evaluate(self, expression: str, arg: Any = None) -> Any:
        """Evaluate JavaScript in the worker's scope and return its value.

        It sees what the script declares at its top level, also that of a module, which is not global. The
        rules are those of Playwright's `page.evaluate`: an expression, a function, which is called with
        `arg`, or statements; a promise is awaited. Raise EvaluationError with JavaScript's stack,
        WorkerClosedError, WaitTimeoutError.
        """
        return self._evaluate(expression, arg, EVALUATE_TIMEOUT)

    def _evaluate(self, expression: str, arg: Any, timeout: float) -> Any:
        if self._channel is not None and self._channel.ended:
            raise WorkerClosedError(f"the {self._channel} has ended{_SUCCESSOR}")
        if self._has_devtools:
            with self._open_devtools() as devtools:
                return devtools.evaluate(expression, arg, timeout=timeout)
        if self._channel is None:
            raise UnsupportedError("without a prologue only Chromium can evaluate in a SharedWorker")
        params = {"expression": expression, "argument": serialize_argument(arg)}
        return parse_value(self._channel.call("evaluate", params, timeout=timeout))

    def wait_for_function(self, expression: str, *, arg: Any = None, timeout: float = DEFAULT_TIMEOUT) -> Any:
        """Evaluate until the value is truthy, and return it. Raise WaitTimeoutError after `timeout` ms."""
        value: Any = None
        deadline = time.monotonic() + timeout / 1000

        def is_truthy() -> bool:
            nonlocal value
            with suppress(WaitTimeoutError):  # A promise that does not settle in time.
                left = max(1.0, (deadline - time.monotonic()) * 1000)
                value = self._evaluate(expression, arg, left)
            return bool(value)

        if not self._wait_until(is_truthy, timeout):
            raise WaitTimeoutError(
                f"waited {timeout:g} ms for {expression!r} in {self}; its last value is {value!r}"
            )
        return value

    # --- network and memory -----------------------------------------------------------------------

    def set_offline(self, offline: bool) -> None:
        """Take this worker off the network, or back on; tabs and other workers are not affected.

        `navigator.onLine` changes, the event `offline` or `online` fires, and the worker's requests by fetch
        and XMLHttpRequest fail with the browser's own network error: nothing leaves the browser. Pending
        requests go on, as they may in reality. WebSocket, EventSource, importScripts and imports still
        work. A worker without a prologue has to call `fetch` by that name each time.
        """
        if self._channel is None:
            self.evaluate(offline_script())
        self.evaluate("(offline) => self[self.Symbol.for('pytest-sharedworker.offline')](offline)", offline)

    @contextmanager
    def offline(self) -> Iterator[None]:
        """Take the worker offline while the `with` block runs; see `set_offline`."""
        self.set_offline(True)
        try:
            yield
        finally:
            with suppress(WorkerClosedError):
                self.set_offline(False)

    def heap_used(self) -> int:
        """Return the bytes of JavaScript objects that the worker retains after garbage collection.

        The contents of ArrayBuffers do not count. Raise UnsupportedError outside Chromium.
        """
        if not self._has_devtools:
            raise UnsupportedError("only Chromium reports how much memory a SharedWorker uses")
        with self._open_devtools() as devtools:
            return devtools.measure_heap()

    # --- DevTools ---------------------------------------------------------------------------------

    def _find_target(self) -> WorkerTarget | None:
        """Return its DevTools target; None if it has ended. Raise UnsupportedError outside Chromium."""
        if self._target is None:
            self._target = self._connections.find(self.id, self._find_urls(self.url), self.name)
        return self._target

    def _require_target(self) -> WorkerTarget:
        target = self._find_target()
        if target is None:
            raise WorkerClosedError(f"{self} has ended{_SUCCESSOR}")
        return target

    @contextmanager
    def _open_devtools(self, *, replays: bool = False) -> Iterator[WorkerDevToolsSession]:
        """Open a DevTools session for the block.

        A session must not outlive its worker: Chromium hands it to the next worker of the same script and
        name, and stops that one before its first line, as if for a debugger.
        """
        target = self._require_target()
        session = self._connections.attach(target, replays=replays)
        try:
            yield session
        finally:
            session.detach()

    def _replay(self) -> None:
        """Read console and errors, which the browser replays from the worker's start for each session."""
        with suppress(WorkerClosedError), self._open_devtools(replays=True) as devtools:
            devtools.pump()
            self._replayed_console, self._replayed_errors = devtools.console, devtools.errors

    def _wait_until(self, condition: Callable[[], bool], timeout: float) -> bool:
        """Wait until `condition` holds; return False after `timeout` ms."""
        deadline = time.monotonic() + timeout / 1000
        while not condition():
            if time.monotonic() > deadline:
                return False
            self._dispatch_events()
            self._connections.idle()
        self._dispatch_events()
        return True

    def __repr__(self) -> str:
        return f"<SharedWorker {self.name!r} {self.url}>"
