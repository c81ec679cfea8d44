"""Rules: what happens to the origin's databases, locks and localStorage in the browser."""

from __future__ import annotations

from e2e.chaos.rules.preconditions import (
    has_databases,
    has_full_storage,
    has_no_quota,
    has_quota,
    has_room_in_storage,
    has_tabs,
)
from e2e.chaos.rules.rule import rule
from e2e.chaos.rules.values import TABS
from e2e.chaos.system import SystemUnderTest
from e2e.chaos.tab import ChaosTab


@rule(1.5, has_databases, tab=TABS)
def clear_site_data(system: SystemUnderTest, tab: ChaosTab) -> None:
    """Clear the databases of the origin."""
    system.site_data.clear(tab)


@rule(1, has_tabs, tab=TABS)
def delete_databases(system: SystemUnderTest, tab: ChaosTab) -> None:
    """Delete the databases of the origin by a page's API."""
    system.site_data.delete_databases(tab)


@rule(1, has_tabs, tab=TABS)
def replace_databases(system: SystemUnderTest, tab: ChaosTab) -> None:
    """Replace the databases by those of a build with other stores."""
    system.site_data.replace_databases(tab)


@rule(1, has_tabs, tab=TABS)
def upgrade_databases(system: SystemUnderTest, tab: ChaosTab) -> None:
    """Upgrade the databases as a later build does."""
    system.site_data.upgrade_databases(tab)


@rule(1.5, has_quota, tab=TABS)
def exceed_quota(system: SystemUnderTest, tab: ChaosTab) -> None:
    """Leave no space for databases."""
    system.site_data.exceed_quota(tab)


@rule(15, has_no_quota, tab=TABS)
def restore_quota(system: SystemUnderTest, tab: ChaosTab) -> None:
    """Make space for databases again."""
    system.site_data.restore_quota(tab)


@rule(1, has_tabs, tab=TABS, is_held=(False, True))
def steal_locks(system: SystemUnderTest, tab: ChaosTab, is_held: bool) -> None:
    """Steal all locks of the origin."""
    system.site_data.steal_locks(tab, is_held=is_held)


@rule(1.5, has_room_in_storage, tab=TABS)
def fill_storage(system: SystemUnderTest, tab: ChaosTab) -> None:
    """Fill localStorage."""
    system.site_data.fill_storage(tab)


@rule(8, has_full_storage, tab=TABS)
def free_storage(system: SystemUnderTest, tab: ChaosTab) -> None:
    """Make room in localStorage."""
    system.site_data.free_storage(tab)
