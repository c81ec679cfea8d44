"""Real time."""

from __future__ import annotations

import time

from pytest_sharedworker.clock.base import STATE_TIMEOUT_SECONDS, Timer
from pytest_sharedworker.errors import ClockError, UnsupportedError

SETTLE_SECONDS = 0.4
"""What the real clock adds to a wait, for messages to be read and requests to settle."""

INTERRUPTION_SECONDS = 10.0
"""A test that is behind its worker's time by more than this sat in a debugger; it is not just slow."""


class RealClock:
    """Real time, for debugging and for worker scripts that must not be touched.

    Advancing waits. Several calls do not add up their own cost: each ends when the sum of all has passed
    since the worker's start. Where a person held the test up in between, waiting starts over from there.
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
        if self.now - self._target > INTERRUPTION_SECONDS:
            self._target = self.now
        self._target = self._target + seconds
        time.sleep(max(0.0, self._target + SETTLE_SECONDS - self.now))

    def state(self, *, timeout_seconds: float = STATE_TIMEOUT_SECONDS) -> dict[str, object]:
        """`now_seconds`: a browser does not tell its timers."""
        return {"kind": "real", "now_seconds": self.now}

    def settle(self) -> None:
        """Give messages and requests a moment of real time."""
        time.sleep(SETTLE_SECONDS)

    @property
    def pending_timers(self) -> list[Timer]:
        """Raise UnsupportedError: a browser does not tell its timers."""
        raise UnsupportedError("real timers cannot be listed; use the virtual clock")
