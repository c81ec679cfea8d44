"""Rules: tabs log events. A timed run logs in all tabs before each step, so most have no weight."""

from __future__ import annotations

from e2e.chaos.rules.preconditions import has_tabs
from e2e.chaos.rules.rule import rule
from e2e.chaos.rules.values import TABS
from e2e.chaos.system import SystemUnderTest
from e2e.chaos.tab import ChaosTab


@rule(0, has_tabs, tab=TABS, count=range(1, 6))
def log(system: SystemUnderTest, tab: ChaosTab, count: int) -> None:
    """Log some events; the next step follows at once."""
    system.log_events(tab, count)


@rule(0, has_tabs, tab=TABS, count=range(1, 6))
def log_and_settle(system: SystemUnderTest, tab: ChaosTab, count: int) -> None:
    """Log some events, and give the worker the time to accept them."""
    system.log_events(tab, count)
    system.settle_and_acknowledge()


@rule(1, has_tabs, tab=TABS, count=range(20, 201))
def log_many(system: SystemUnderTest, tab: ChaosTab, count: int) -> None:
    """Log in a loop."""
    system.log_events(tab, count, padding="x" * 100)
