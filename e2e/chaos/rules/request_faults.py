"""Rules: requests fail, or something between responds in the server's place."""

from __future__ import annotations

from typing import Any

from e2e.chaos import faults
from e2e.chaos.rules.preconditions import always, has_tabs
from e2e.chaos.rules.rule import rule
from e2e.chaos.rules.values import TABS, TIMES, UP_TO_TWO_FLUSHES, let_pass
from e2e.chaos.system import SystemUnderTest
from e2e.chaos.tab import ChaosTab

_BATCHES: dict[str, Any] = {
    "times": TIMES, "tab": TABS, "count": range(1, 51), "seconds": UP_TO_TWO_FLUSHES
}  # fmt: skip
# Never all requests: a new profile needs one configuration.
_CONFIGURATIONS: dict[str, Any] = {
    "times": range(1, 4), "tab": TABS, "count": range(4), "seconds": UP_TO_TWO_FLUSHES
}  # fmt: skip


@rule(
    6,
    has_tabs,
    name=faults.NAMES["POST"],
    **_BATCHES,
)
def disturb_batches(
    system: SystemUnderTest, name: str, times: int | None, tab: ChaosTab, count: int, seconds: float
) -> None:
    """Add a fault to the next batches, and log events to send."""
    _log_under_fault(system, name, times, tab, count, seconds)


@rule(
    3,
    has_tabs,
    name=faults.FALSE_NAMES["POST"],
    **_BATCHES,
)
def confirm_falsely(
    system: SystemUnderTest, name: str, times: int | None, tab: ChaosTab, count: int, seconds: float
) -> None:
    """Respond to the next batches in the server's place, and log events to send."""
    _log_under_fault(system, name, times, tab, count, seconds)


@rule(
    1,
    has_tabs,
    name=faults.NAMES["GET"],
    **_CONFIGURATIONS,
)
def disturb_configuration(
    system: SystemUnderTest, name: str, times: int, tab: ChaosTab, count: int, seconds: float
) -> None:
    """Add a fault to the next requests for the configuration; a new worker makes one."""
    _start_worker_under_fault(system, name, times, tab, count, seconds)


@rule(
    3,
    has_tabs,
    name=faults.FALSE_NAMES["GET"],
    **_CONFIGURATIONS,
)
def configure_falsely(
    system: SystemUnderTest, name: str, times: int, tab: ChaosTab, count: int, seconds: float
) -> None:
    """Respond to the next requests for the configuration in the server's place; a new worker makes one."""
    _start_worker_under_fault(system, name, times, tab, count, seconds)


@rule(4, always)
def remove_faults(system: SystemUnderTest) -> None:
    """Remove all faults of requests."""
    system.remove_request_faults()


def _log_under_fault(
    system: SystemUnderTest, name: str, times: int | None, tab: ChaosTab, count: int, seconds: float
) -> None:
    system.add_request_fault(name, "POST", times)
    system.log_events(tab, count)
    let_pass(system, seconds)


def _start_worker_under_fault(
    system: SystemUnderTest, name: str, times: int, tab: ChaosTab, count: int, seconds: float
) -> None:
    system.add_request_fault(name, "GET", times)
    system.terminate_worker()
    system.log_events(tab, count)
    let_pass(system, seconds)
