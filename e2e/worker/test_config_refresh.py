"""Config: when the worker reads its configuration again. What it makes of one stands in `test_config.py`."""

from __future__ import annotations

from e2e.conformance.accounting import Fate
from e2e.conformance.case import FindingError, Level, case
from e2e.conformance.report.observations import Observations
from e2e.worker.driver.requests import count_flush_intervals
from e2e.worker.driver.retry import drain, require_virtual_time
from e2e.worker.driver.system import Telemetry
from e2e.worker.driver.waiting import DAY_MS, HOUR_MS

NOT_BLINDED = "data safety: one failed request does not blind a worker for as long as its tabs are open"


@case(
    "config/9/1",
    Level.SHOULD,
    "A configuration that could not be read is read again: an hour after its return events are taken.",
    expected="what was logged meanwhile dropped, what is logged an hour later stored",
    source=NOT_BLINDED,
)
def test_unreadable_configuration_is_read_again(telemetry: Telemetry) -> None:
    require_virtual_time(telemetry)
    with telemetry.override_config("broken", 500):
        tab = telemetry.open_tab()
        tab.log(2, fate=Fate.DROPPED)
        telemetry.flush(4)
    telemetry.run_for(HOUR_MS)
    tab.log(2)
    telemetry.open_tab().log(2)
    drain(telemetry)
    telemetry.account()


@case(
    "config/9/2",
    Level.SHOULD,
    "A configuration that cannot be read is asked for at most once a flush interval.",
    expected="in an hour at most one GET an interval, and the first",
    source="data safety: a server that is down is not kept down by its clients",
)
def test_unreadable_configuration_is_asked_for_seldom(
    telemetry: Telemetry, observations: Observations
) -> None:
    require_virtual_time(telemetry)
    telemetry.override_config("broken", 503)
    telemetry.open_tab().log(2, fate=Fate.DROPPED)
    telemetry.run_for(HOUR_MS)
    requests, most = len(telemetry.config_requests), count_flush_intervals(telemetry, HOUR_MS) + 1
    observations(f"{requests} GET in an hour")
    if requests > most:
        raise FindingError(f"at most {most} GET in an hour", f"{requests} GET")
    telemetry.account()


@case(
    "config/9/3",
    Level.MAY,
    "A worker that lives for long hears of a change: a component that the list names since is dropped.",
    expected="a day after the change only the events of the named component are dropped",
    source="wire protocol, filter: the list is the server's, and a tab may be open for weeks",
)
def test_changed_list_is_heard_of_within_a_day(telemetry: Telemetry) -> None:
    require_virtual_time(telemetry)
    tab = telemetry.open_tab()
    tab.log(2, component="page.save")
    telemetry.flush(2)
    telemetry.configure(disable_ui_events=["page.save"])
    telemetry.run_for(DAY_MS)
    tab.log(2, component="page.save", fate=Fate.DROPPED)
    tab.log(2)
    drain(telemetry)
    telemetry.account()
