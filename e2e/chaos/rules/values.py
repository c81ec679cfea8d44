"""The values that several rules draw from, and the time that they let pass."""

from __future__ import annotations

from e2e.chaos.rules.preconditions import MAX_TABS
from e2e.chaos.system import SystemUnderTest

FLUSH_INTERVAL_SECONDS = 30

TABS = range(MAX_TABS)
TIMES = (1, 2, 3, None)
SECONDS = (0.001, 1, 5, 29.999, FLUSH_INTERVAL_SECONDS, 31, 60, 120, 300, 900, 3600, 3 * 3600)
UP_TO_TWO_FLUSHES = (0, FLUSH_INTERVAL_SECONDS, 2 * FLUSH_INTERVAL_SECONDS)


def let_pass(system: SystemUnderTest, seconds: float) -> None:
    """Let time pass, or take no step for 0."""
    if seconds:
        system.pass_time(seconds)
