"""The clock of one worker: virtual and exact, or real."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime, timezone
from typing import Any

from pytest_sharedworker.clock.base import (
    ADVANCE_TIMEOUT_SECONDS,
    STATE_TIMEOUT_SECONDS,
    Timer,
    to_milliseconds,
)
from pytest_sharedworker.control.session import ControlChannel
from pytest_sharedworker.errors import ClockError, EvaluationError, WaitTimeoutError, WorkerClosedError
from pytest_sharedworker.tabs.message_barrier import TabSnapshot


class VirtualClock:
    """Time that moves only when the case moves it, exact to the millisecond.

    Before it moves it waits until the worker has read all that tabs posted before, and until what the
    worker began has ended (the DevTools policy `pauseIfNetworkFetchesPending` means the same, of requests
    alone): requests, IndexedDB's databases and transactions, locks that are free, and what the browser
    answers by a promise or a stream. docs/browsers.md lists what is waited for and what is not.
    """

    resolution_seconds = 0.001

    def __init__(self, session: ControlChannel, deliver: Callable[[], TabSnapshot]) -> None:
        self._session = session
        self._deliver = deliver

    @property
    def now(self) -> float:
        """Seconds since the worker's start."""
        return float(self._session.call("clock")["nowMs"]) / 1000

    @property
    def date(self) -> datetime:
        """What the worker takes for the present (an aware datetime in UTC)."""
        return datetime.fromtimestamp(self._session.call("clock")["dateMs"] / 1000, timezone.utc)

    @property
    def pending_timers(self) -> list[Timer]:
        """The timers that wait, in the order in which they will fire."""
        return [_timer(timer) for timer in self._session.call("clock")["timers"]]

    def advance(self, seconds: float, *, timeout_seconds: float = ADVANCE_TIMEOUT_SECONDS) -> None:
        """Let this much virtual time pass, firing timers in order.

        Raises ClockError for a time that is negative or finer than a millisecond, for a clock that moves
        already, and where what the worker began does not end within `timeout_seconds` of real time.
        """
        self._move("runFor", {"ms": to_milliseconds(seconds)}, timeout_seconds)

    def state(self, *, timeout_seconds: float = STATE_TIMEOUT_SECONDS) -> dict[str, object]:
        """`now_seconds`, `date`, `moving`, `timers` (as Timer has them) and what is `pending`.

        Pending work that is `held` is not waited for by the clock. Raises WaitTimeoutError.
        """
        state = self._session.call("clock", timeout_seconds=timeout_seconds)
        return {
            "kind": "virtual",
            "now_seconds": state["nowMs"] / 1000,
            "date": datetime.fromtimestamp(state["dateMs"] / 1000, timezone.utc).isoformat(),
            "moving": self._session.is_advancing,
            "timers": [asdict(_timer(timer)) for timer in state["timers"]],
            "pending": state["pending"],
        }

    def run_next(self, *, timeout_seconds: float = ADVANCE_TIMEOUT_SECONDS) -> bool:
        """Move on to the next timer and fire it; returns False where no timer waits."""
        return self._move("runNext", {}, timeout_seconds) is not None

    def settle(self) -> None:
        """Wait until messages are read and what the worker began has ended, without moving time."""
        self.advance(0)

    def set_date(self, date: datetime) -> None:
        """Make the worker take `date` (aware) for the present; timers do not notice."""
        if date.tzinfo is None:
            raise ClockError("give a date with a time zone, for example datetime.now(timezone.utc)")
        self._session.call("setSystemTime", {"epochMs": round(date.timestamp() * 1000)})

    def _move(self, method: str, params: dict[str, object], timeout_seconds: float) -> object:
        require_idle([self._session])
        snapshot = self._deliver()
        params = {**params, **snapshot.clock_params(self._session)}
        self._session.departures_sent = snapshot.departures
        with moving([self._session], timeout_seconds):
            return self._session.call(method, params, timeout_seconds=timeout_seconds)


def require_idle(sessions: Sequence[ControlChannel]) -> None:
    """Raise ClockError where one of these workers' clocks is being moved."""
    for session in sessions:
        if session.is_advancing:
            raise ClockError(
                f"the clock of the {session} is already moving: let the other advance return first"
            )


@contextmanager
def moving(sessions: Sequence[ControlChannel], timeout_seconds: float) -> Iterator[None]:
    """Around a move of these workers' clocks: one at a time, and its failures become ClockErrors."""
    require_idle(sessions)
    for session in sessions:
        session.is_advancing = True
    try:
        yield
    except EvaluationError as error:
        raise ClockError(error.message) from error
    except WaitTimeoutError as error:
        reasons = "; ".join(filter(None, map(_why_late, sessions)))
        reasons = reasons or str(error)  # All clocks stand: the time was lost before they moved.
        raise ClockError(f"the clock did not arrive within {timeout_seconds:g} s: {reasons}") from error
    finally:
        for session in sessions:
            session.is_advancing = False


def _why_late(session: ControlChannel) -> str:
    try:
        state = session.call("clock", timeout_seconds=STATE_TIMEOUT_SECONDS)
    except WaitTimeoutError:
        return f"the {session} does not answer at all; does one of its callbacks run for ever?"
    except WorkerClosedError:
        return f"the {session} has ended"
    if not state["moving"]:
        return ""
    unsettled = [each["what"] for each in state["pending"] if not each["held"]]
    if unsettled:
        return (
            f"the {session} still waits for: {', '.join(unsettled)}; does the server answer, do its"
            " transactions and streams end? A request that a toxic holds back does not stop the clock"
        )
    return f"the timers of the {session} keep firing, it is at {state['nowMs'] / 1000:g} s"


def _timer(told: Mapping[str, Any]) -> Timer:
    interval_ms = told["intervalMs"]
    return Timer(told["dueMs"] / 1000, None if interval_ms is None else interval_ms / 1000)
