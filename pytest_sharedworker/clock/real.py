"""Real time."""

from __future__ import annotations

import time
from datetime import datetime, timezone

from pytest_sharedworker.clock.base import (
    DEFAULT_TIMEOUT,
    STATE_TIMEOUT,
    ClockKind,
    Ticks,
    Timer,
    parse_ticks,
    unsupported,
)
from pytest_sharedworker.gateway.patterns import URLMatch

SETTLE_MS = 400.0
"""What a wait adds, so that messages are read and requests end."""

INTERRUPTION_MS = 10_000.0
"""A test that lags its worker's time by more than this was stopped in a debugger; it is not just slow."""

_REASON = "browsers do not expose real timers"


class RealClock:
    """Real time: to let time pass is to wait.

    The cost of several calls does not add up: each call returns when the sum of all durations has passed
    since the worker's start. After a pause in a debugger, waiting starts over.
    """

    kind: ClockKind = "real"
    resolution = 1_000.0

    def __init__(self, started_monotonic: float) -> None:
        self._started = started_monotonic
        self._target = 0.0

    @property
    def now(self) -> float:
        """Milliseconds since the worker's start."""
        return (time.monotonic() - self._started) * 1000

    @property
    def date(self) -> datetime:
        """The current date."""
        return datetime.now(timezone.utc)

    @property
    def pending_timers(self) -> list[Timer]:
        """Raise UnsupportedError: browsers do not expose real timers."""
        raise unsupported(self.kind, "pending_timers", _REASON)

    def run_for(self, ticks: Ticks, *, timeout: float = DEFAULT_TIMEOUT) -> None:
        """Wait until this much more time has passed since the worker's start; `timeout` is not needed.

        Raise ClockError where `ticks` is no duration.
        """
        duration = parse_ticks(ticks)
        if self.now - self._target > INTERRUPTION_MS:
            self._target = self.now
        self._target += duration
        time.sleep(max(0.0, self._target + SETTLE_MS - self.now) / 1000)

    def fast_forward(self, ticks: Ticks, *, timeout: float = DEFAULT_TIMEOUT) -> None:
        """Raise UnsupportedError: real time cannot jump."""
        raise unsupported(self.kind, "fast_forward", "real time cannot jump")

    def run_next(self, *, timeout: float = DEFAULT_TIMEOUT) -> bool:
        """Raise UnsupportedError: browsers do not expose real timers."""
        raise unsupported(self.kind, "run_next", _REASON)

    def settle(self, *, timeout: float = DEFAULT_TIMEOUT) -> None:
        """Give messages and requests a moment of real time."""
        time.sleep(SETTLE_MS / 1000)

    def set_system_time(self, time: float | str | datetime) -> None:
        """Raise UnsupportedError: the browser takes the machine's date."""
        raise unsupported(self.kind, "set_system_time", "the browser reads the machine's date")

    def ignore_requests(self, url: URLMatch) -> None:
        """Do nothing: real time waits for no request."""

    def state(self, *, timeout: float = STATE_TIMEOUT) -> dict[str, object]:
        """Return `kind` and `now`."""
        return {"kind": self.kind, "now": self.now}
