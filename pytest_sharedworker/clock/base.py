"""What all clocks share."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pytest_sharedworker.errors import ClockError

ADVANCE_TIMEOUT_SECONDS = 30.0
STATE_TIMEOUT_SECONDS = 2.0
"""How long a worker that is late is asked what it waits for."""


@dataclass(frozen=True)
class Timer:
    """A timer that waits: when it is due (seconds since the worker's start), its interval if it repeats."""

    due_seconds: float
    interval_seconds: float | None


def to_milliseconds(seconds: float) -> int:
    """Seconds to advance as milliseconds. Raises ClockError where they are negative, finer or not finite."""
    ms = round(seconds * 1000) if math.isfinite(seconds) else -1
    if ms < 0 or abs(ms - seconds * 1000) > 1e-6:
        raise ClockError(f"cannot advance by {seconds!r} s: give whole milliseconds, 0 or more")
    return ms
