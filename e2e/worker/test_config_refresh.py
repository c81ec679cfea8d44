"""Config: when a worker reads its configuration again. How it applies one is covered in `test_config.py`."""

from __future__ import annotations

from e2e.conformance.accounting import Fate
from e2e.conformance.case import FindingError, Level, case
from e2e.conformance.report.observations import Observations
from e2e.worker.driver.requests import count_flush_intervals
from e2e.worker.driver.retry import drain, require_virtual_time
from e2e.worker.driver.system import Telemetry
from e2e.worker.driver.waiting import DAY_MS, HOUR_MS, MAX_BACKOFF_MS

RECOVERY = "data safety: one failed request does not disable a worker for as long as its tabs are open"


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
    "A worker requests an unreadable configuration at most once per flush interval.",
    expected="in an hour at most one GET per interval, plus the first",
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
