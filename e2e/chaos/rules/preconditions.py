"""When rules apply: what earlier steps left of tabs, network, server, consent and site data."""

from __future__ import annotations

from e2e.chaos.system import SystemUnderTest

MAX_TABS = 5


def always(system: SystemUnderTest) -> bool:
    """Return True."""
    return True


def has_tabs(system: SystemUnderTest) -> bool:
    """Return whether a tab is open."""
    return len(system.tabs) > 0


def has_room_for_tab(system: SystemUnderTest) -> bool:
    """Return whether one more tab may open."""
    return len(system.tabs) < MAX_TABS


def can_crash_tab(system: SystemUnderTest) -> bool:
    """Return whether a tab is open in a browser that can crash it."""
    return has_tabs(system) and system.can_crash_tabs


def can_kill_browser(system: SystemUnderTest) -> bool:
    """Return whether the system has its own browser."""
    return system.browser is not None


def is_online(system: SystemUnderTest) -> bool:
    """Return whether a tab is open and no step took its worker offline."""
    return has_tabs(system) and not system.is_offline


def is_offline(system: SystemUnderTest) -> bool:
    """Return whether a step took the worker offline."""
    return system.is_offline


def is_server_up(system: SystemUnderTest) -> bool:
    """Return whether the server runs."""
    return system.is_server_up


def is_server_down(system: SystemUnderTest) -> bool:
    """Return whether a step killed the server."""
    return not system.is_server_up


def has_tabs_and_server(system: SystemUnderTest) -> bool:
    """Return whether a tab is open and the server runs."""
    return has_tabs(system) and system.is_server_up


def has_databases(system: SystemUnderTest) -> bool:
    """Return whether a tab is open in a browser that can clear the data of an origin."""
    return has_tabs(system) and system.can_clear_site_data


def has_quota(system: SystemUnderTest) -> bool:
    """Return whether a tab is open in such a browser, and its quota is not exceeded."""
    return has_databases(system) and not system.site_data.is_quota_exceeded


def has_no_quota(system: SystemUnderTest) -> bool:
    """Return whether a tab is open in a browser that refuses to write."""
    return has_tabs(system) and system.site_data.is_quota_exceeded


def has_room_in_storage(system: SystemUnderTest) -> bool:
    """Return whether a tab is open and localStorage is not full."""
    return has_tabs(system) and not system.site_data.is_storage_full


def has_full_storage(system: SystemUnderTest) -> bool:
    """Return whether a tab is open and localStorage is full."""
    return has_tabs(system) and system.site_data.is_storage_full


def can_poll(system: SystemUnderTest) -> bool:
    """Return whether nothing known to the steps keeps a new worker from its configuration."""
    return has_tabs_and_server(system) and system.consent and not system.is_offline


def can_leave_outbox(system: SystemUnderTest) -> bool:
    """Return whether two more tabs may open whose worker writes to disk what it acknowledges."""
    site_data = system.site_data
    is_writable = not site_data.is_quota_exceeded and not site_data.is_storage_full
    return can_poll(system) and is_writable and len(system.tabs) <= MAX_TABS - 2


def has_consent(system: SystemUnderTest) -> bool:
    """Return whether a tab is open with consent."""
    return has_tabs(system) and system.consent


def has_no_consent(system: SystemUnderTest) -> bool:
    """Return whether a tab is open without consent."""
    return has_tabs(system) and not system.consent
