"""The rules: what may happen to a system, when, with which values, and how often.

The state machine of hypothesis and the random steps of a timed run both draw from `RULES`. Whether a rule
applies depends on earlier steps alone, not on how the browser reacted: so a seed replays the same steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from e2e.chaos import faults
from e2e.chaos.page import BUNDLE, OTHER, SECOND, Build
from e2e.chaos.server import CONFIG_GLITCHES
from e2e.chaos.system import SystemUnderTest
from e2e.chaos.tab import ChaosTab

MAX_TABS = 5
FLUSH_INTERVAL_SECONDS = 30
CONFIG_LIFETIME_SECONDS = 3 * 3600

BACKLOG_EVENTS = 30
BACKLOG_PADDING = "x" * 40_000
"""Together more than two batches."""

TABS = range(MAX_TABS)
TIMES = (1, 2, 3, None)
SECONDS = (0.001, 1, 5, 29.999, FLUSH_INTERVAL_SECONDS, 31, 60, 120, 300, 900, 3600, 3 * 3600)
UP_TO_TWO_FLUSHES = (0, FLUSH_INTERVAL_SECONDS, 2 * FLUSH_INTERVAL_SECONDS)

Precondition = Callable[[SystemUnderTest], bool]


@dataclass(frozen=True)
class Rule:
    """One thing that may happen.

    `action` takes the system and a value for each name in `choices`; the value of `tab` is a number, which
    becomes one of the open tabs. `weight` is how often the rule is drawn in a timed run, relative to others;
    hypothesis draws by its own rules.
    """

    name: str
    precondition: Precondition
    action: Callable[..., None]
    weight: float
    choices: Mapping[str, Sequence[Any]]

    def apply(self, system: SystemUnderTest, values: Mapping[str, Any]) -> None:
        """Take the step with these values."""
        arguments = dict(values)
        if "tab" in arguments:
            arguments["tab"] = system.tabs.get(arguments["tab"])
        self.action(system, **arguments)


RULES: list[Rule] = []


def rule(
    weight: float, precondition: Precondition, **choices: Sequence[Any]
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add the decorated action to `RULES`."""

    def add(action: Callable[..., None]) -> Callable[..., None]:
        RULES.append(Rule(action.__name__, precondition, action, weight, choices))
        return action

    return add


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


def has_consent(system: SystemUnderTest) -> bool:
    """Return whether a tab is open with consent."""
    return has_tabs(system) and system.consent


def has_no_consent(system: SystemUnderTest) -> bool:
    """Return whether a tab is open without consent."""
    return has_tabs(system) and not system.consent


# --- tabs -----------------------------------------------------------------------------------------


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


# --- events: a timed run logs in all tabs before each step, so the weights are 0 ------------------


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


# --- faults ---------------------------------------------------------------------------------------


@rule(
    6,
    has_tabs,
    name=faults.NAMES["POST"],
    times=TIMES,
    tab=TABS,
    count=range(1, 51),
    seconds=UP_TO_TWO_FLUSHES,
)
def disturb_batches(
    system: SystemUnderTest, name: str, times: int | None, tab: ChaosTab, count: int, seconds: float
) -> None:
    """Add a fault to the next batches, and log events to send."""
    system.add_request_fault(name, "POST", times)
    system.log_events(tab, count)
    _pass(system, seconds)


@rule(
    3,
    has_tabs,
    name=faults.FALSE_NAMES["POST"],
    times=TIMES,
    tab=TABS,
    count=range(1, 51),
    seconds=UP_TO_TWO_FLUSHES,
)
def confirm_falsely(
    system: SystemUnderTest, name: str, times: int | None, tab: ChaosTab, count: int, seconds: float
) -> None:
    """Respond to the next batches in the server's place, and log events to send."""
    system.add_request_fault(name, "POST", times)
    system.log_events(tab, count)
    _pass(system, seconds)


# Never all requests: a new profile needs one configuration.
@rule(
    1,
    has_tabs,
    name=faults.NAMES["GET"],
    times=range(1, 4),
    tab=TABS,
    count=range(4),
    seconds=UP_TO_TWO_FLUSHES,
)
def disturb_configuration(
    system: SystemUnderTest, name: str, times: int, tab: ChaosTab, count: int, seconds: float
) -> None:
    """Add a fault to the next requests for the configuration; a new worker makes one."""
    system.add_request_fault(name, "GET", times)
    system.terminate_worker()
    system.log_events(tab, count)
    _pass(system, seconds)


@rule(
    3,
    has_tabs,
    name=faults.FALSE_NAMES["GET"],
    times=range(1, 4),
    tab=TABS,
    count=range(4),
    seconds=UP_TO_TWO_FLUSHES,
)
def configure_falsely(
    system: SystemUnderTest, name: str, times: int, tab: ChaosTab, count: int, seconds: float
) -> None:
    """Respond to the next requests for the configuration in the server's place; a new worker makes one."""
    system.add_request_fault(name, "GET", times)
    system.terminate_worker()
    system.log_events(tab, count)
    _pass(system, seconds)


@rule(4, always)
def remove_faults(system: SystemUnderTest) -> None:
    """Remove all faults of requests."""
    system.remove_request_faults()


@rule(2, is_online)
def go_offline(system: SystemUnderTest) -> None:
    """Take the worker off the network."""
    system.set_offline(True)


# Frequent, as is the server's restart: an outage that covers the start of a worker weakens the promises.
@rule(100, is_offline, seconds=SECONDS)
def go_online(system: SystemUnderTest, seconds: float) -> None:
    """Let time pass, and bring the worker back on the network."""
    _pass(system, seconds)
    system.set_offline(False)


@rule(2, has_tabs)
def terminate_worker(system: SystemUnderTest) -> None:
    """Terminate the worker while its tabs continue."""
    system.terminate_worker()


@rule(2, is_server_up)
def kill_server(system: SystemUnderTest) -> None:
    """Kill the server."""
    system.kill_server()


@rule(100, is_server_down, seconds=SECONDS)
def restart_server(system: SystemUnderTest, seconds: float) -> None:
    """Let time pass, and restart the server."""
    _pass(system, seconds)
    system.restart_server()


@rule(4, has_tabs_and_server, tab=TABS, count=range(1, 51), delay_ms=range(11))
def kill_server_at_work(system: SystemUnderTest, tab: ChaosTab, count: int, delay_ms: int) -> None:
    """Kill the server while it works on a batch, and restart it soon after."""
    system.log_events(tab, count)
    with system.kill_server_at_next_batch(delay_ms):
        system.pass_time(FLUSH_INTERVAL_SECONDS)


# --- the operator ---------------------------------------------------------------------------------


@rule(
    2, has_tabs, glitch=tuple(CONFIG_GLITCHES), tab=TABS, count=range(1, 51), seconds=UP_TO_TWO_FLUSHES,
    restarts=("the worker", "the server", "nothing"),
)  # fmt: skip
def break_configuration_file(
    system: SystemUnderTest, glitch: str, tab: ChaosTab, count: int, seconds: float, restarts: str
) -> None:
    """Edit the server's configuration in place, while batches arrive and workers start."""
    with system.server_faults.broken_config(glitch):
        system.log_events(tab, count)
        if restarts == "the worker":
            system.terminate_worker()
        elif restarts == "the server" and system.is_server_up:
            system.kill_server()
            system.restart_server()
        _pass(system, seconds)


@rule(0.5, can_poll, tab=TABS, count=range(1, 51), seconds=(FLUSH_INTERVAL_SECONDS, 120, 3600))
def disable_telemetry(system: SystemUnderTest, tab: ChaosTab, count: int, seconds: float) -> None:
    """Pull the kill switch, and enable telemetry again for the next worker."""
    _deliver_backlog(system)
    with system.server_faults.disabled():
        system.log_events(tab, count)
        system.pass_time(seconds)
    system.terminate_worker()


@rule(0.7, can_poll, tab=TABS)
def disable_telemetry_during_flush(system: SystemUnderTest, tab: ChaosTab) -> None:
    """Pull the kill switch so that a worker learns of it while it posts a backlog of several batches."""
    system.terminate_worker()
    _deliver_backlog(system)
    system.terminate_worker()
    system.settle()
    system.pass_time(CONFIG_LIFETIME_SECONDS - FLUSH_INTERVAL_SECONDS - 1)
    system.log_events(tab, BACKLOG_EVENTS, BACKLOG_PADDING)
    system.add_request_fault("response 20 seconds late", "POST", None)
    system.pass_time(FLUSH_INTERVAL_SECONDS - 4)
    with system.server_faults.disabled():
        system.pass_time(2 * FLUSH_INTERVAL_SECONDS)
        system.remove_request_faults()
    system.terminate_worker()


@rule(1, has_tabs_and_server, tab=TABS, count=range(1, 51))
def delete_server_database(system: SystemUnderTest, tab: ChaosTab, count: int) -> None:
    """Delete the server's database while it runs, and log events to store."""
    system.log_events(tab, count)
    system.server_faults.delete_database()
    system.pass_time(FLUSH_INTERVAL_SECONDS)


@rule(0.5, has_tabs_and_server, tab=TABS, count=range(1, 51))
def replace_server_database(system: SystemUnderTest, tab: ChaosTab, count: int) -> None:
    """Restore a backup of the server's database while it runs, and log events to store."""
    system.log_events(tab, count)
    system.server_faults.replace_database()
    system.pass_time(FLUSH_INTERVAL_SECONDS)


@rule(1, has_tabs_and_server, tab=TABS, count=range(1, 51), seconds=UP_TO_TWO_FLUSHES)
def lock_server_database(system: SystemUnderTest, tab: ChaosTab, count: int, seconds: float) -> None:
    """Lock the server's database for a while."""
    with system.server_faults.locked_database():
        system.log_events(tab, count)
        _pass(system, seconds)


# --- the origin's data in the browser -------------------------------------------------------------


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


# --- consent --------------------------------------------------------------------------------------


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


# --- time -----------------------------------------------------------------------------------------


@rule(12, always, seconds=SECONDS)
def pass_time(system: SystemUnderTest, seconds: float) -> None:
    """Let time pass."""
    system.pass_time(seconds)


def _deliver_backlog(system: SystemUnderTest) -> None:
    """Bring what is queued to the server: a server that is disabled costs it, and no promise is tested."""
    system.remove_request_faults()
    system.pass_time(2 * FLUSH_INTERVAL_SECONDS)


def _pass(system: SystemUnderTest, seconds: float) -> None:
    if seconds:
        system.pass_time(seconds)
