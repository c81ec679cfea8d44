"""The clock of a worker whose script nobody touches: the browser's own virtual time (Chromium).

Measured: timers fire exact to the millisecond; a wait for a request that is under way costs 10 ms of
virtual time. The browser moves the time of a whole renderer process: the timers of the tab that started the
worker move, and stand still, with the worker's; those of other tabs run in real time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from pytest_sharedworker.clock.base import (
    ADVANCE_TIMEOUT_SECONDS,
    STATE_TIMEOUT_SECONDS,
    Timer,
    to_milliseconds,
)
from pytest_sharedworker.devtools.session import WorkerDevToolsSession
from pytest_sharedworker.errors import ClockError, EvaluationError, UnsupportedError, WorkerClosedError

_POLICY = "pauseIfNetworkFetchesPending"
_MOMENT_MS = 0.01
"""A move too short for any timer."""
_QUIET_SECONDS = 0.02
"""Real time for messages of other processes to arrive: without a prologue nothing marks their end."""
_POLL_SECONDS = 0.002


class DevToolsClock:
    """Virtual time by DevTools (`Emulation.setVirtualTimePolicy`), from the worker's first line on.

    While requests of the worker are under way its time stands still. Two workers of one renderer process
    share one time, and only the younger one's clock moves it.
    """

    resolution_seconds = 0.05

    def __init__(self, attached: WorkerDevToolsSession, reach_tabs: Callable[[], None]) -> None:
        """Stop the time of a worker that is about to start. `reach_tabs` asks every tab something."""
        self._attached = attached
        self._reach_tabs = reach_tabs
        self._now_ms = 0
        self._grants = 0
        self._arrivals = 0
        self._pending: dict[str, str] = {}
        attached.on("Emulation.virtualTimeBudgetExpired", self._expire)
        attached.on("Network.requestWillBeSent", self._begin)
        attached.on("Network.loadingFinished", self._end)
        attached.on("Network.loadingFailed", self._end)
        # The policy `pause` would hold back messages too. Time that has arrived where it was sent stands
        # still as well, and lets messages and requests pass.
        self._grant(_MOMENT_MS)
        attached.post("Network.enable")

    @property
    def now(self) -> float:
        """Seconds since the worker's start."""
        return self._now_ms / 1000

    def state(self, *, timeout_seconds: float = STATE_TIMEOUT_SECONDS) -> dict[str, object]:
        """`now_seconds` and the `pending` requests: a browser does not tell its timers."""
        return {"kind": "policy", "now_seconds": self.now, "pending": list(self._pending.values())}

    @property
    def pending_timers(self) -> list[Timer]:
        """Raise UnsupportedError: a browser does not tell its timers."""
        raise UnsupportedError("timers cannot be listed under the clock policy; use the virtual clock")

    def advance(self, seconds: float, *, timeout_seconds: float = ADVANCE_TIMEOUT_SECONDS) -> None:
        """Let this much time pass; returns when the requests started by it have settled.

        Raises ClockError for a time that is negative or finer than a millisecond, and where time or
        requests do not arrive within `timeout_seconds`; WorkerClosedError.
        """
        ms = to_milliseconds(seconds)
        deadline = time.monotonic() + timeout_seconds
        self._settle(deadline)
        if ms:
            self._grant(ms)
            self._now_ms += ms
            self._wait(self._is_quiet, deadline)
        self._settle(deadline)

    def settle(self) -> None:
        """Wait until messages are read and requests have settled, without moving time."""
        self._settle(time.monotonic() + ADVANCE_TIMEOUT_SECONDS)

    def _settle(self, deadline: float) -> None:
        self._reach_tabs()
        self._pump_for(_QUIET_SECONDS)
        while True:
            self._wait(self._is_quiet, deadline)
            with suppress(EvaluationError):  # What settled is handled before this is answered.
                self._attached.evaluate("0")
            if self._is_quiet():
                return

    def _is_quiet(self) -> bool:
        return self._arrivals == self._grants and not self._pending

    def _grant(self, ms: float) -> None:
        """Let this much time pass, and no more; does not wait."""
        self._grants += 1
        self._attached.post("Emulation.setVirtualTimePolicy", {"policy": _POLICY, "budget": ms})

    def _wait(self, condition: Callable[[], bool], deadline: float) -> None:
        while not condition():
            if time.monotonic() > deadline:
                reason = f"these requests have not settled: {list(self._pending.values())}"
                if not self._pending:
                    reason = "has a younger worker of the same renderer process taken its time over?"
                raise ClockError(f"the clock did not arrive in time: {reason}")
            if self._attached.gone:
                # Its time has gone with it; the next call says so with its name.
                self._attached.call("Runtime.enable")
            self._pump_for(_POLL_SECONDS)

    def _pump_for(self, seconds: float) -> None:
        self._attached.target.cdp.pump()
        time.sleep(seconds)
        self._attached.target.cdp.pump()

    def _expire(self, event: dict[str, Any]) -> None:
        with suppress(WorkerClosedError):
            # Time is paused now. Without a budget it goes on standing where it has arrived.
            self._attached.post("Emulation.setVirtualTimePolicy", {"policy": _POLICY, "budget": 0})
        self._arrivals += 1

    def _begin(self, event: dict[str, Any]) -> None:
        request = event["request"]
        self._pending[event["requestId"]] = f"{request['method']} {request['url']}"

    def _end(self, event: dict[str, Any]) -> None:
        self._pending.pop(event["requestId"], None)
