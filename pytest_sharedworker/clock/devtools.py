"""The clock of a worker whose script stays untouched: Chromium's own virtual time.

Measured: timers fire exactly to the millisecond; waiting for a pending request costs 10 ms of virtual time.
The browser moves the time of a whole renderer process: the timers of the tab that started the worker move,
and stop, with the worker's; those of other tabs run in real time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Any, Protocol

from pytest_sharedworker.clock.base import (
    DEFAULT_TIMEOUT,
    STATE_TIMEOUT,
    ClockKind,
    Ticks,
    Timer,
    parse_ticks,
    to_date,
    unsupported,
)
from pytest_sharedworker.clock.moves import ClockMoves
from pytest_sharedworker.devtools.worker_session import WorkerDevToolsSession
from pytest_sharedworker.errors import ClockError, EvaluationError, WorkerClosedError
from pytest_sharedworker.gateway.patterns import URLMatch

_POLICY = "pauseIfNetworkFetchesPending"
_MOMENT_MS = 0.01
"""Too short for any timer to fire."""
_QUIET_SECONDS = 0.02
"""Real time for messages of other processes to arrive: without a prologue no marker follows them."""
_POLL_SECONDS = 0.002


class Pages(Protocol):
    """The pages that may post to a worker."""

    def flush_posted_messages(self) -> None:
        """Wait until every page has run a task, so that what it posted before has left it."""


class DevToolsClock:
    """Virtual time by DevTools (`Emulation.setVirtualTimePolicy`), from the worker's first line on.

    While requests of the worker are pending its time stands still. Two workers of one renderer process share
    one time, and only the younger one's clock moves it.
    """

    kind: ClockKind = "devtools"
    resolution = 50.0

    def __init__(self, session: WorkerDevToolsSession, pages: Pages, moves: ClockMoves) -> None:
        """Stop the time of a worker that is about to start; `pages` are those that may post to it."""
        self._session = session
        self._pages = pages
        self._moves = moves
        self._now_ms = 0
        self._grants = 0
        self._arrivals = 0
        self._pending: dict[str, str] = {}
        session.on("Emulation.virtualTimeBudgetExpired", self._expire)
        session.on("Network.requestWillBeSent", self._begin)
        session.on("Network.loadingFinished", self._end)
        session.on("Network.loadingFailed", self._end)
        # The policy `pause` would hold messages back too. With an expired budget time stands still as well,
        # and messages and requests pass.
        self._grant(_MOMENT_MS)
        session.post("Network.enable")

    @property
    def now(self) -> float:
        """Milliseconds since the worker's start."""
        return self._now_ms

    @property
    def date(self) -> datetime:
        """What the worker reads as the current date (aware, UTC)."""
        return to_date(self._session.evaluate("Date.now()"))

    @property
    def pending_timers(self) -> list[Timer]:
        """Raise UnsupportedError: DevTools do not expose timers."""
        raise unsupported(self.kind, "pending_timers", "DevTools do not expose timers")

    def run_for(self, ticks: Ticks, *, timeout: float = DEFAULT_TIMEOUT) -> None:
        """Let time pass and fire every timer that becomes due; return when the started requests have ended.

        Raise ClockError where `ticks` is no duration and where time or requests do not arrive within
        `timeout` ms; WorkerClosedError.
        """
        duration = parse_ticks(ticks)
        self._moves.add(f"the worker {self._session.target.name!r}: clock.run_for({duration:_})", self.now)
        deadline = time.monotonic() + timeout / 1000
        self._settle(deadline)
        if duration:
            self._grant(duration)
            self._now_ms += duration
            self._wait(self._is_quiet, deadline)
        self._settle(deadline)

    def fast_forward(self, ticks: Ticks, *, timeout: float = DEFAULT_TIMEOUT) -> None:
        """Raise UnsupportedError: DevTools fire every timer."""
        raise unsupported(self.kind, "fast_forward", "DevTools fire every timer")

    def run_next(self, *, timeout: float = DEFAULT_TIMEOUT) -> bool:
        """Raise UnsupportedError: DevTools do not expose timers."""
        raise unsupported(self.kind, "run_next", "DevTools do not expose timers")

    def settle(self, *, timeout: float = DEFAULT_TIMEOUT) -> None:
        """Wait until messages are read and requests have ended, without letting time pass."""
        self._settle(time.monotonic() + timeout / 1000)

    def set_system_time(self, time: float | str | datetime) -> None:
        """Raise UnsupportedError: the date follows the machine's."""
        raise unsupported(self.kind, "set_system_time", "the date follows the machine's")

    def ignore_requests(self, url: URLMatch) -> None:
        """Raise UnsupportedError: Chromium itself waits for requests."""
        raise unsupported(self.kind, "ignore_requests", "Chromium itself waits for requests")

    def state(self, *, timeout: float = STATE_TIMEOUT) -> dict[str, object]:
        """Return `kind`, `now` and the `pending` requests."""
        return {"kind": self.kind, "now": self.now, "pending": list(self._pending.values())}

    def _settle(self, deadline: float) -> None:
        self._pages.flush_posted_messages()
        self._pump_for(_QUIET_SECONDS)
        while True:
            self._wait(self._is_quiet, deadline)
            with suppress(EvaluationError):  # The worker handles ended requests before it replies.
                self._session.evaluate("0")
            if self._is_quiet():
                return

    def _is_quiet(self) -> bool:
        return self._arrivals == self._grants and not self._pending

    def _grant(self, ms: float) -> None:
        """Let this much time pass, and no more; do not wait."""
        self._grants += 1
        self._session.post("Emulation.setVirtualTimePolicy", {"policy": _POLICY, "budget": ms})

    def _wait(self, condition: Callable[[], bool], deadline: float) -> None:
        while not condition():
            if time.monotonic() > deadline:
                reason = f"these requests are pending: {list(self._pending.values())}"
                if not self._pending:
                    reason = "does a younger worker of the same renderer process control its time?"
                raise ClockError(f"the clock did not finish in time: {reason}")
            if self._session.ended:
                # This call fails with an error that names the worker.
                self._session.call("Runtime.enable")
            self._pump_for(_POLL_SECONDS)

    def _pump_for(self, seconds: float) -> None:
        self._session.pump()
        time.sleep(seconds)
        self._session.pump()

    def _expire(self, event: dict[str, Any]) -> None:
        with suppress(WorkerClosedError):
            # Time is paused now. Without a budget it stays where it is, and the worker goes on.
            self._session.post("Emulation.setVirtualTimePolicy", {"policy": _POLICY, "budget": 0})
        self._arrivals += 1

    def _begin(self, event: dict[str, Any]) -> None:
        request = event["request"]
        self._pending[event["requestId"]] = f"{request['method']} {request['url']}"

    def _end(self, event: dict[str, Any]) -> None:
        self._pending.pop(event["requestId"], None)
