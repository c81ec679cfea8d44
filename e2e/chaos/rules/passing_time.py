"""Rules: time passes."""

from __future__ import annotations

from e2e.chaos.rules.preconditions import always
from e2e.chaos.rules.rule import rule
from e2e.chaos.rules.values import SECONDS
from e2e.chaos.system import SystemUnderTest


@rule(12, always, seconds=SECONDS)
def pass_time(system: SystemUnderTest, seconds: float) -> None:
    """Let time pass."""
    system.pass_time(seconds)
