"""Rules: tabs open, reload and end, and the browser with them."""

from __future__ import annotations

from e2e.chaos.page import BUNDLE, OTHER, SECOND, Build
from e2e.chaos.rules.preconditions import can_crash_tab, can_kill_browser, has_room_for_tab, has_tabs
from e2e.chaos.rules.rule import rule
from e2e.chaos.rules.values import TABS
from e2e.chaos.system import SystemUnderTest
from e2e.chaos.tab import ChaosTab


@rule(4, has_room_for_tab)
def open_tab(system: SystemUnderTest) -> None:
    """Open one more tab."""
    system.open_tab()


@rule(2, has_room_for_tab, build=(SECOND, BUNDLE, OTHER))
def open_other_build(system: SystemUnderTest, build: Build) -> None:
    """Open one more tab with another build of the client, whose worker runs beside the first."""
    system.open_tab(build)


@rule(2, has_tabs, tab=TABS)
def close_tab(system: SystemUnderTest, tab: ChaosTab) -> None:
    """Close a tab, perhaps the last."""
    system.tabs.close(tab)


@rule(2, has_tabs, tab=TABS)
def reload_tab(system: SystemUnderTest, tab: ChaosTab) -> None:
    """Reload a tab."""
    system.tabs.reload(tab)


@rule(1, has_tabs, tab=TABS)
def leave_and_return(system: SystemUnderTest, tab: ChaosTab) -> None:
    """Follow a link to another page and come back."""
    system.tabs.leave_and_return(tab)


@rule(3, can_crash_tab, tab=TABS)
def crash_tab(system: SystemUnderTest, tab: ChaosTab) -> None:
    """Crash a tab's renderer."""
    system.crash_tab(tab)


@rule(2, can_kill_browser)
def kill_browser(system: SystemUnderTest) -> None:
    """Kill the browser and reopen it."""
    system.kill_browser()
