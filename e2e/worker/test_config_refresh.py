"""Config: when a worker reads its configuration again. How it applies one is covered in `test_config.py`."""

from __future__ import annotations

import pytest

from e2e.conformance.accounting import Fate
from e2e.conformance.case import FindingError, Level, case
from e2e.conformance.report.observations import Observations
from e2e.worker.driver.requests import count_flush_intervals
from e2e.worker.driver.retry import drain, require_virtual_time
from e2e.worker.driver.system import Telemetry
from e2e.worker.driver.waiting import DAY_MS, HOUR_MS, MAX_BACKOFF_MS
from pytest_sharedworker import HttpStatus

RECOVERY = "data safety: one failed request does not disable a worker for as long as its tabs are open"
FORGOTTEN_DAYS = 30
"""A configuration of this age says nothing any more about what the operator wants today."""


@case(
    "config/9/1",
    Level.SHOULD,
    "A worker that could not read its configuration retries: an hour after its return it accepts events.",
    expected="events logged before that dropped, events logged an hour later stored",
    source=RECOVERY,
)
def test_unreadable_config_is_read_again(telemetry: Telemetry) -> None:
    require_virtual_time(telemetry)
    with telemetry.override_config("broken", 500):
        tab = telemetry.open_tab()
        tab.log(2, fate=Fate.FORBIDDEN)
        telemetry.flush(4)
    telemetry.run_for(MAX_BACKOFF_MS)
    tab.log(2)
    telemetry.open_tab().log(2)
    drain(telemetry)
    telemetry.account()


@case(
    "config/9/2",
    Level.SHOULD,
    "A worker requests an unreadable configuration no more often in an hour than there are intervals.",
    expected="in an hour at most as many GET as intervals, plus the first",
    source="data safety: clients do not keep a failing server down",
)
def test_unreadable_config_is_requested_rarely(telemetry: Telemetry, observations: Observations) -> None:
    require_virtual_time(telemetry)
    telemetry.override_config("broken", 503)
    telemetry.open_tab().log(2, fate=Fate.FORBIDDEN)
    telemetry.run_for(HOUR_MS)
    requests, limit = len(telemetry.config_requests), count_flush_intervals(telemetry, HOUR_MS) + 1
    observations(f"{requests} GET in an hour")
    if requests > limit:
        raise FindingError(f"at most {limit} GET in an hour", f"{requests} GET")
    telemetry.account()


@case(
    "config/9/3",
    Level.MAY,
    "A long-running worker applies a changed configuration: it drops events of a newly listed component.",
    expected="a day after the change only the events of the listed component are dropped",
    source="wire protocol, filter: the server owns the list, and a tab may be open for weeks",
)
def test_changed_filter_applies_within_a_day(telemetry: Telemetry) -> None:
    require_virtual_time(telemetry)
    tab = telemetry.open_tab()
    tab.log(2, component="page.save")
    telemetry.flush(2)
    telemetry.configure(disable_ui_events=["page.save"])
    telemetry.run_for(DAY_MS)
    tab.log(2, component="page.save", fate=Fate.FORBIDDEN)
    tab.log(2)
    drain(telemetry)
    telemetry.account()


def sleep(telemetry: Telemetry, ms: float) -> None:
    """Let time pass as in a computer that sleeps; skip the case if the clock cannot jump."""
    if telemetry.workers.clock.kind == "devtools":
        pytest.skip("needs a clock that can jump; run it on the virtual clock")
    telemetry.workers.clock.fast_forward(ms)


@case(
    "config/9/4",
    Level.SHOULD,
    f"A worker that could not read its configuration for {FORGOTTEN_DAYS} days takes no event by the old one,"
    " until it can read one again.",
    expected="events logged meanwhile dropped, later ones stored",
    source="privacy: only the operator of the endpoint decides what is collected",
)
def test_config_expires_in_a_running_worker(telemetry: Telemetry) -> None:
    require_virtual_time(telemetry)
    tab = telemetry.open_tab()
    tab.log(2)
    telemetry.flush(2)
    with telemetry.break_config(HttpStatus(503)):
        sleep(telemetry, FORGOTTEN_DAYS * DAY_MS)
        telemetry.flush()
        tab.log(2, fate=Fate.FORBIDDEN)
        telemetry.flush(4)
    telemetry.run_for(MAX_BACKOFF_MS)
    tab.log(2)
    drain(telemetry)
    telemetry.account()


@case(
    "config/9/5",
    Level.SHOULD,
    f"A worker keeps what it holds although it could not read its configuration for {FORGOTTEN_DAYS} days.",
    expected="all stored once, at most an hour after the configuration can be read again",
    source=RECOVERY,
)
def test_expired_config_keeps_what_is_queued(telemetry: Telemetry) -> None:
    require_virtual_time(telemetry)
    tab = telemetry.open_tab()
    telemetry.settle()
    with telemetry.break_config(HttpStatus(503)), telemetry.break_posts(HttpStatus(503)):
        tab.log(3)
        telemetry.flush(2)
        sleep(telemetry, FORGOTTEN_DAYS * DAY_MS)
        telemetry.flush(4)
    telemetry.run_for(MAX_BACKOFF_MS)
    drain(telemetry)
    telemetry.account()
