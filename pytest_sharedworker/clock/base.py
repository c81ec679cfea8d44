"""The clock that a test sees: one protocol, whatever makes time pass.

Names, units and defaults are those of `playwright.sync_api.Clock`.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Literal, Protocol, TypeAlias

from pytest_sharedworker.errors import ClockError, UnsupportedError
from pytest_sharedworker.gateway.patterns import URLMatch

ClockKind = Literal["real", "virtual", "devtools"]

Ticks: TypeAlias = int | float | str | timedelta
"""A duration: milliseconds, "08" (seconds), "01:30" (minutes), "02:34:10" (hours), or a timedelta."""

DEFAULT_TIMEOUT = 30_000.0
"""How long a move of a clock may take, in ms of real time."""

STATE_TIMEOUT = 2_000.0
"""How long a worker may take to report its clock's state, in ms of real time."""

_TEXT_TICKS = re.compile(r"(?:(?:(\d+):)?([0-5]?\d):)?([0-5]?\d)")


@dataclass(frozen=True)
class Timer:
    """A pending timer: when it is due (ms on the clock's `now`), and its interval in ms if it repeats."""

    due: float
    interval: float | None


class Clock(Protocol):
    """The time of one SharedWorker, or of all SharedWorkers of a test.

    Every clock has every method; one that a clock cannot implement raises UnsupportedError.
    All times are milliseconds.
    """

    kind: ClockKind
    resolution: float
    """How precisely this clock can stop at a point in time, in ms."""

    @property
    def now(self) -> float:
        """Milliseconds since the worker's start; for the clock of all workers, since the test's start."""

    @property
    def date(self) -> datetime:
        """What the worker reads as the current date (aware, UTC)."""

    @property
    def pending_timers(self) -> list[Timer]:
        """The pending timers, in the order in which they fire."""

    def run_for(self, ticks: Ticks, *, timeout: float = DEFAULT_TIMEOUT) -> None:
        """Let time pass and fire every timer that becomes due, in order.

        Return when the work that the timers started has ended. Raise ClockError where `ticks` is negative
        or finer than a millisecond, where the clock is already being moved, and where the work does not end
        within `timeout` ms of real time.
        """

    def fast_forward(self, ticks: Ticks, *, timeout: float = DEFAULT_TIMEOUT) -> None:
        """Jump ahead and fire each timer that is due at most once, like a laptop that was closed meanwhile.

        Raise ClockError as `run_for` does.
        """

    def run_next(self, *, timeout: float = DEFAULT_TIMEOUT) -> bool:
        """Move to the next timer and fire it; return False if no timer is pending."""

    def settle(self, *, timeout: float = DEFAULT_TIMEOUT) -> None:
        """Wait until messages are read and started work has ended, without letting time pass."""

    def set_system_time(self, time: float | str | datetime) -> None:
        """Change the date that the worker reads; no timer fires.

        `time` is ms since 1970, an ISO 8601 text, or a datetime. Raise ClockError for anything else.
        """

    def ignore_requests(self, url: URLMatch) -> None:
        """Do not wait for requests that match `url` (see patterns.py), of any origin, such as long polls.

        Applies to pending requests too, until the test ends. Raise GatewayError for a pattern that cannot
        match.
        """

    def state(self, *, timeout: float = STATE_TIMEOUT) -> dict[str, object]:
        """Return what is known of the clock, for a failed test's files: `kind`, `now`, and more."""


def parse_ticks(ticks: Ticks) -> int:
    """Return a duration in ms. Raise ClockError if it is negative, infinite, or finer than a millisecond."""
    if isinstance(ticks, timedelta):
        milliseconds = ticks / timedelta(milliseconds=1)
    elif isinstance(ticks, str):
        milliseconds = _parse_text(ticks)
    elif isinstance(ticks, bool) or not isinstance(ticks, (int, float)):
        raise ClockError(f"cannot move a clock by {ticks!r}: {_EXPECTED}")
    else:
        milliseconds = ticks
    if not math.isfinite(milliseconds) or milliseconds < 0 or abs(milliseconds - round(milliseconds)) > 1e-6:
        raise ClockError(f"cannot move a clock by {ticks!r}: {_EXPECTED}")
    return round(milliseconds)


_EXPECTED = (
    'give whole milliseconds (0 or more), a text such as "30" (seconds), "01:30" or "02:34:10",'
    " or a timedelta"
)


def _parse_text(text: str) -> float:
    match = _TEXT_TICKS.fullmatch(text.strip())
    if match is None:
        raise ClockError(f"cannot move a clock by {text!r}: {_EXPECTED}")
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return ((hours * 60 + minutes) * 60 + seconds) * 1000


def parse_time(time: float | str | datetime) -> float:
    """Return a point in time as ms since 1970. Raise ClockError if it is none."""
    if isinstance(time, str):
        try:
            time = datetime.fromisoformat(time.replace("Z", "+00:00"))
        except ValueError as error:
            raise ClockError(f"{time!r} is no date: give ISO 8601, such as 2030-01-31T12:00:00Z") from error
    if isinstance(time, datetime):
        # Like Playwright, take a date without a time zone as local time.
        return time.timestamp() * 1000
    if isinstance(time, bool) or not isinstance(time, (int, float)) or not math.isfinite(time):
        raise ClockError(f"{time!r} is no date: give ms since 1970, ISO 8601, or a datetime")
    return time


def to_date(milliseconds: float) -> datetime:
    """Return ms since 1970 as an aware datetime in UTC."""
    return datetime.fromtimestamp(milliseconds / 1000, timezone.utc)


def unsupported(kind: str, method: str, reason: str) -> UnsupportedError:
    """Return the error for a method that a clock cannot implement."""
    return UnsupportedError(
        f"the {kind} clock has no {method}: {reason}; use the virtual clock (worker_clock)"
    )
