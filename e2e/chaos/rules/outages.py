"""Rules: the network, the worker or the server is away for a while."""

from __future__ import annotations

from e2e.chaos.rules.preconditions import (
    has_tabs,
    has_tabs_and_server,
    is_offline,
    is_online,
    is_server_down,
    is_server_up,
)
from e2e.chaos.rules.rule import rule
from e2e.chaos.rules.values import FLUSH_INTERVAL_SECONDS, SECONDS, TABS, let_pass
from e2e.chaos.system import SystemUnderTest
from e2e.chaos.tab import ChaosTab


@rule(2, is_online)
def go_offline(system: SystemUnderTest) -> None:
    """Take the worker off the network."""
    system.set_offline(True)


# Frequent, as is the server's restart: an outage that covers the start of a worker weakens the promises.
@rule(100, is_offline, seconds=SECONDS)
def go_online(system: SystemUnderTest, seconds: float) -> None:
    """Let time pass, and bring the worker back on the network."""
    let_pass(system, seconds)
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
    let_pass(system, seconds)
    system.restart_server()


@rule(4, has_tabs_and_server, tab=TABS, count=range(1, 51), delay_ms=range(11))
def kill_server_at_work(system: SystemUnderTest, tab: ChaosTab, count: int, delay_ms: int) -> None:
    """Kill the server while it works on a batch, and restart it soon after."""
    system.log_events(tab, count)
    with system.kill_server_at_next_batch(delay_ms):
        system.pass_time(FLUSH_INTERVAL_SECONDS)
