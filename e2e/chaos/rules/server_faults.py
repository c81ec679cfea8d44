"""Rules: what the operator does to the server's configuration and database."""

from __future__ import annotations

from e2e.chaos.rules.preconditions import can_poll, has_tabs, has_tabs_and_server
from e2e.chaos.rules.rule import rule
from e2e.chaos.rules.values import FLUSH_INTERVAL_SECONDS, TABS, UP_TO_TWO_FLUSHES, let_pass
from e2e.chaos.server import CONFIG_GLITCHES
from e2e.chaos.system import SystemUnderTest
from e2e.chaos.tab import ChaosTab

CONFIG_LIFETIME_SECONDS = 3 * 3600

BACKLOG_EVENTS = 30
BACKLOG_PADDING = "x" * 40_000
"""Together more than two batches."""


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
        let_pass(system, seconds)


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
        let_pass(system, seconds)


def _deliver_backlog(system: SystemUnderTest) -> None:
    """Bring what is queued to the server: a server that is disabled costs it, and no promise is tested."""
    system.remove_request_faults()
    system.pass_time(2 * FLUSH_INTERVAL_SECONDS)
