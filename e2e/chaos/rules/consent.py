"""Rules: consent is withdrawn and given."""

from __future__ import annotations

from e2e.chaos.page import MODULES, OTHER, Build
from e2e.chaos.rules.preconditions import (
    can_leave_outbox,
    has_consent,
    has_full_storage,
    has_no_consent,
    has_room_in_storage,
)
from e2e.chaos.rules.rule import rule
from e2e.chaos.rules.values import FLUSH_INTERVAL_SECONDS, TABS
from e2e.chaos.system import SystemUnderTest
from e2e.chaos.tab import ChaosTab

BUSY = "status 503, retry after 2 minutes"


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


@rule(2, can_leave_outbox, build=(OTHER, MODULES), count=range(1, 21))
def opt_out_beside_outbox(system: SystemUnderTest, build: Build, count: int) -> None:
    """Withdraw consent while an app without a worker has events in its outbox; then use both."""
    system.remove_request_faults()
    system.log_events(system.open_tab(build), count)
    system.add_request_fault(BUSY, "POST", None)
    system.settle_and_acknowledge()
    system.leave_outbox(build)
    remaining = system.open_tab(OTHER if build is MODULES else MODULES)
    system.opt_out(remaining)
    system.remove_request_faults()
    system.opt_in(remaining)
    system.open_tab(build)
    system.pass_time(2 * FLUSH_INTERVAL_SECONDS)
