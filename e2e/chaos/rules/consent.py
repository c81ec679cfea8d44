"""Rules: consent is withdrawn and given."""

from __future__ import annotations

from e2e.chaos.rules.preconditions import has_consent, has_full_storage, has_no_consent, has_room_in_storage
from e2e.chaos.rules.rule import rule
from e2e.chaos.rules.values import TABS
from e2e.chaos.system import SystemUnderTest
from e2e.chaos.tab import ChaosTab


@rule(3, has_full_storage, tab=TABS, count=range(4))
def opt_out_with_full_storage(system: SystemUnderTest, tab: ChaosTab, count: int) -> None:
    """Withdraw consent where it is hard to store; the other tabs log, and a reload must not bring it back."""
    if system.consent:
        system.opt_out(tab, count)
    for other in system.tabs:
        system.log_events(other)
    system.tabs.reload(tab)


@rule(0.5, has_consent, tab=TABS, count=range(4))
def opt_out(system: SystemUnderTest, tab: ChaosTab, count: int) -> None:
    """Log some events and withdraw consent at once."""
    system.opt_out(tab, count)


@rule(4, has_no_consent, tab=TABS)
def opt_in(system: SystemUnderTest, tab: ChaosTab) -> None:
    """Give consent."""
    system.opt_in(tab)


@rule(0.5, has_room_in_storage, tab=TABS, count=range(3), turns=range(1, 4), spacing_ms=(0, 1, 5, 50))
def flip_consent(system: SystemUnderTest, tab: ChaosTab, count: int, turns: int, spacing_ms: int) -> None:
    """Withdraw and give consent repeatedly."""
    system.flip_consent(tab, count, turns, spacing_ms)
