"""The clock of one worker: virtual and exact, or real."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from .control import WorkerSession
from .exceptions import ClockError, EvaluationError, Unsupported, WaitTimeout

ADVANCE_TIMEOUT_SECONDS = 30.0
SETTLE_SECONDS = 0.4
"""What the real clock adds to a wait, for messages to be read and requests to settle."""


@dataclass(frozen=True)
class Timer:
    """A timer that waits: when it is due (seconds since the worker's start), its interval if it repeats."""

    due_seconds: float
    interval_seconds: float | None


class WorkerClock(Protocol):
    """What a case can do with a worker's time. Seconds count from the worker's start."""

    resolution_seconds: float
    """How exact `advance` is: a case that wants to stand just before a moment stays this far off it."""

    @property
    def now(self) -> float:
        """Seconds since the worker's start."""

    def advance(self, seconds: float) -> None:
        """Let this much time pass; returns when the requests started by it have settled."""


class VirtualClock:
    """Time that moves only when the case moves it, exact to the millisecond.

    Before it moves it waits until the worker has read all that tabs posted before, and until the
    worker's requests have settled (the DevTools policy `pauseIfNetworkFetchesPending` means the same).
    """

    resolution_seconds = 0.001

    def __init__(self, session: WorkerSession, deliver: Callable[[], None]) -> None:
        self._session = session
        self._deliver = deliver

    @property
    def now(self) -> float:
        """Seconds since the worker's start."""
        return float(self._session.call("clock")["now_ms"]) / 1000

    @property
    def date(self) -> datetime:
        """What the worker takes for the present (an aware datetime in UTC)."""
        return datetime.fromtimestamp(self._session.call("clock")["date_ms"] / 1000).astimezone()

    @property
    def pending_timers(self) -> list[Timer]:
        """The timers that wait, in the order in which they will fire."""
        return [
            Timer(timer["due_ms"] / 1000, timer["interval_ms"] and timer["interval_ms"] / 1000)
            for timer in self._session.call("clock")["timers"]
        ]

    def advance(self, seconds: float, *, timeout_seconds: float = ADVANCE_TIMEOUT_SECONDS) -> None:
        """Let this much virtual time pass, firing timers in order.

        Raises ClockError for a time that is negative or finer than a millisecond, for a clock that moves
        already, and where requests do not settle within `timeout_seconds` of real time.
        """
        self._move("advance", {"ms": whole_milliseconds(seconds)}, timeout_seconds)

    def run_next(self, *, timeout_seconds: float = ADVANCE_TIMEOUT_SECONDS) -> bool:
        """Move on to the next timer and fire it; returns False where no timer waits."""
        return self._move("run_next", {}, timeout_seconds) is not None

    def settle(self) -> None:
        """Wait until messages are read and requests have settled, without moving time."""
        self.advance(0)

    def set_date(self, date: datetime) -> None:
        """Make the worker take `date` (aware) for the present; timers do not notice."""
        if date.tzinfo is None:
            raise ClockError("give a date with a time zone, for example datetime.now(timezone.utc)")
        self._session.call("set_date", {"epoch_ms": round(date.timestamp() * 1000)})

    def _move(self, method: str, params: dict[str, object], timeout_seconds: float) -> object:
        self._deliver()
        try:
            return self._session.call(method, params, timeout_seconds=timeout_seconds)
        except EvaluationError as error:
            raise ClockError(error.message) from error
        except WaitTimeout as error:
            pending = [each["what"] for each in self._session.call("clock")["pending"] if not each["held"]]
            reason = f"these requests have not settled: {pending}" if pending else "its timers keep firing"
            raise ClockError(f"the clock did not arrive within {timeout_seconds:g} s: {reason}") from error


def whole_milliseconds(seconds: float) -> int:
    """Seconds to advance as milliseconds. Raises ClockError where they are negative or finer."""
    ms = round(seconds * 1000)
    if ms < 0 or abs(ms - seconds * 1000) > 1e-6:
        raise ClockError(f"cannot advance by {seconds!r} s: give whole milliseconds, 0 or more")
    return ms


class RealClock:
    """Real time, for debugging and for worker scripts that must not be touched.

    Advancing waits. Several calls do not add up their own cost: each ends when the sum of all has passed
    since the worker's start.
    """

    resolution_seconds = 1.0

    def __init__(self, started_monotonic: float) -> None:
        self._started = started_monotonic
        self._target = 0.0

    @property
    def now(self) -> float:
        """Seconds since the worker's start."""
        return time.monotonic() - self._started

    def advance(self, seconds: float) -> None:
        """Wait until this much more time has passed since the worker's start."""
        if seconds < 0:
            raise ClockError(f"cannot advance by {seconds!r} s: time does not run backwards")
        self._target = self._target + seconds
        time.sleep(max(0.0, self._target + SETTLE_SECONDS - self.now))

    def settle(self) -> None:
        """Give messages and requests a moment of real time."""
        time.sleep(SETTLE_SECONDS)

    @property
    def pending_timers(self) -> list[Timer]:
        """Raises Unsupported: a browser does not tell its timers."""
        raise Unsupported("real timers cannot be listed; use the virtual clock")
