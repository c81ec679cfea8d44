"""Virtual time of one worker: it passes only when the test moves it, exact to the millisecond."""

from __future__ import annotations

import time as real_time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from typing import Any

from pytest_sharedworker.clock.base import (
    DEFAULT_TIMEOUT,
    STATE_TIMEOUT,
    ClockKind,
    Ticks,
    Timer,
    parse_ticks,
    parse_time,
    to_date,
)
from pytest_sharedworker.clock.moves import ClockMoves
from pytest_sharedworker.control.session import ControlChannel, RequestFilter
from pytest_sharedworker.errors import ClockError, EvaluationError, WaitTimeoutError, WorkerClosedError
from pytest_sharedworker.gateway.patterns import URLMatch
from pytest_sharedworker.tabs.message_barrier import DELIVERY_TIMEOUT_MS, MessageBarrier, TabSnapshot


class VirtualClock:
    """Time that passes only when the test moves it.

    Before it moves it waits until the worker has read what tabs posted before, and until the work that the
    worker started has ended (the DevTools policy `pauseIfNetworkFetchesPending` does the same for requests
    alone): requests, IndexedDB databases and transactions, free locks, and what the browser delivers by a
    promise or a stream. docs/browsers.md lists what it waits for and what not.
    """

    kind: ClockKind = "virtual"
    resolution = 1.0

    def __init__(
        self,
        channel: ControlChannel,
        barrier: MessageBarrier,
        make_filter: Callable[[URLMatch], RequestFilter],
        moves: ClockMoves,
    ) -> None:
        """`make_filter` compiles a pattern of requests; `moves` is where moves are noted."""
        self._channel = channel
        self._barrier = barrier
        self._make_filter = make_filter
        self._moves = moves

    @property
    def now(self) -> float:
        """Milliseconds since the worker's start."""
        return float(self._read()["nowMs"])

    @property
    def date(self) -> datetime:
        """What the worker reads as the current date (aware, UTC)."""
        return to_date(self._read()["dateMs"])

    @property
    def pending_timers(self) -> list[Timer]:
        """The pending timers, in the order in which they fire."""
        return [_to_timer(timer) for timer in self._read()["timers"]]

    def run_for(self, ticks: Ticks, *, timeout: float = DEFAULT_TIMEOUT) -> None:
        """Let time pass and fire every timer that becomes due, in order.

        Return when the work that the timers started has ended. Raise ClockError where `ticks` is negative
        or finer than a millisecond, where the clock is already being moved, and where the work does not end
        within `timeout` ms of real time.
        """
        duration = parse_ticks(ticks)
        self._note(f"run_for({duration:_})")
        self._move("runFor", {"ms": duration}, timeout)

    def fast_forward(self, ticks: Ticks, *, timeout: float = DEFAULT_TIMEOUT) -> None:
        """Jump ahead and fire each timer that is due at most once, like a laptop that was closed meanwhile.

        Raise ClockError as `run_for` does.
        """
        duration = parse_ticks(ticks)
        self._note(f"fast_forward({duration:_})")
        self._move("fastForward", {"ms": duration}, timeout)

    def run_next(self, *, timeout: float = DEFAULT_TIMEOUT) -> bool:
        """Move to the next timer and fire it; return False if no timer is pending."""
        self._note("run_next()")
        return self._move("runNext", {}, timeout) is not None

    def settle(self, *, timeout: float = DEFAULT_TIMEOUT) -> None:
        """Wait until messages are read and started work has ended, without letting time pass."""
        self._move("runFor", {"ms": 0}, timeout)

    def set_system_time(self, time: float | str | datetime) -> None:
        """Change the date that the worker reads; no timer fires.

        `time` is ms since 1970, an ISO 8601 text, or a datetime. Raise ClockError for anything else.
        """
        milliseconds = round(parse_time(time))
        self._note(f"set_system_time({to_date(milliseconds).isoformat()})")
        self._channel.call("setSystemTime", {"epochMs": milliseconds})

    def ignore_requests(self, url: URLMatch) -> None:
        """Do not wait for requests that match `url` (see patterns.py), of any origin, such as long polls.

        Applies to pending requests too, until the test ends. Raise GatewayError for a pattern that cannot
        match.
        """
        request_filter = self._make_filter(url)
        channel = self._channel
        channel.loop_thread.loop.call_soon_threadsafe(channel.ignore_requests, request_filter)

    def state(self, *, timeout: float = STATE_TIMEOUT) -> dict[str, object]:
        """Return `kind`, `now`, `date`, `is_advancing`, `timers` (as Timer), `pending`, and `unread_ports`.

        The clock does not wait for pending work that is `held`, nor for messages on the unread ports, which
        the worker has not started or has passed on. Raise WaitTimeoutError.
        """
        state = self._read(timeout)
        return {
            "kind": self.kind,
            "now": state["nowMs"],
            "date": to_date(state["dateMs"]).isoformat(),
            "is_advancing": self._channel.is_advancing,
            "timers": [asdict(_to_timer(timer)) for timer in state["timers"]],
            "pending": state["pending"],
            "unread_ports": state["unreadPorts"],
        }

    def _note(self, call: str) -> None:
        self._moves.add(f"the {self._channel}: clock.{call}")

    def _read(self, timeout: float = DEFAULT_TIMEOUT) -> dict[str, Any]:
        state: dict[str, Any] = self._channel.call("clock", timeout=timeout)
        return state

    def _move(self, method: str, params: dict[str, object], timeout: float) -> object:
        require_idle([self._channel])
        deadline = real_time.monotonic() + timeout / 1000
        snapshot = wait_for_messages(self._barrier, timeout)
        params = {**params, **snapshot.clock_params(self._channel)}
        self._channel.departures_sent = snapshot.departures
        with advancing([self._channel], timeout):
            left = max(1.0, (deadline - real_time.monotonic()) * 1000)
            return self._channel.call(method, params, timeout=left)


def wait_for_messages(barrier: MessageBarrier, timeout: float) -> TabSnapshot:
    """Wait until workers have read what tabs posted. Raise ClockError, which names those that have not."""
    try:
        return barrier.wait(timeout=min(timeout, DELIVERY_TIMEOUT_MS))
    except WaitTimeoutError as error:
        raise ClockError(f"the clock cannot move: {error}") from error


def require_idle(channels: Sequence[ControlChannel]) -> None:
    """Raise ClockError where one of these workers' clocks is being moved."""
    for channel in channels:
        if channel.is_advancing:
            raise ClockError(f"the clock of the {channel} is already moving: wait until that call returns")


@contextmanager
def advancing(channels: Sequence[ControlChannel], timeout: float) -> Iterator[None]:
    """Mark these workers' clocks as being moved, and turn failures into ClockErrors that name the reason."""
    require_idle(channels)
    for channel in channels:
        channel.is_advancing = True
    try:
        yield
    except EvaluationError as error:
        raise ClockError(error.message) from error
    except WaitTimeoutError as error:
        reasons = "; ".join(filter(None, map(_explain_delay, channels)))
        reasons = reasons or str(error)  # No clock is moving: the time was spent before.
        raise ClockError(f"the clock did not finish within {timeout:g} ms: {reasons}") from error
    finally:
        for channel in channels:
            channel.is_advancing = False


def _explain_delay(channel: ControlChannel) -> str:
    try:
        state = channel.call("clock", timeout=STATE_TIMEOUT)
    except WaitTimeoutError:
        return f"the {channel} is not responding; is a callback stuck in a loop?"
    except WorkerClosedError:
        return f"the {channel} has ended"
    if not state["moving"]:
        return ""
    unsettled = [item["what"] for item in state["pending"] if not item["held"]]
    if unsettled:
        return (
            f"the {channel} still waits for: {', '.join(unsettled)}; does the server respond, do its"
            " transactions and streams end? clock.ignore_requests() exempts a long poll. A request that a"
            " toxic or a route delays does not stop the clock"
        )
    if state["awaitedTabs"]:
        return (
            f"the {channel} still waits for {state['awaitedTabs']} of its tabs to reply; is one busy, or has"
            " it passed on its port?"
        )
    return f"the timers of the {channel} keep firing, its clock shows {state['nowMs']:g} ms"


def _to_timer(value: Mapping[str, Any]) -> Timer:
    return Timer(value["dueMs"], value["intervalMs"])
