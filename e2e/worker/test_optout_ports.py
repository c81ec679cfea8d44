"""Opt-out: tabs that keep their port while another tab withdraws consent and gives it again.

Consent belongs to the user, not to a tab: when it is given again, it is given for all tabs.
`test_optout.py` covers tabs that connect again.
"""

from __future__ import annotations

from e2e.conformance.accounting import Fate
from e2e.conformance.case import Level, case
from e2e.worker.driver.restart import restart, shut_down, shut_down_and_restart
from e2e.worker.driver.retry import drain
from e2e.worker.driver.system import Telemetry

CONSENT = "wire protocol, opt-out: a setting in the browser that shuts the worker down and starts it again"
ALL_STORED = "all events logged after the new start stored once"


@case(
    "optout/6/1",
    Level.SHOULD,
    "A tab that keeps its port while another one sends SHUTDOWN and starts again loses no later event.",
    expected=ALL_STORED,
    source=CONSENT,
)
def test_tab_that_keeps_its_port_loses_nothing(telemetry: Telemetry) -> None:
    first, second = telemetry.open_tabs(2)
    for tab in (first, second):
        tab.log(2)
    telemetry.flush()
    shut_down_and_restart(telemetry, first, delay_ms=50)
    for tab in (second, first, second):
        tab.log(2)
    telemetry.flush(2)
    drain(telemetry)
    telemetry.account()


@case(
    "optout/6/2",
    Level.SHOULD,
    "A tab that keeps its port over three SHUTDOWNs of other tabs sends what it logs after each new start,"
    " and nothing that it logs before it.",
    expected=f"{ALL_STORED}, none of those between SHUTDOWN and start",
    source=CONSENT,
)
def test_tab_keeps_its_port_over_several_shutdowns(telemetry: Telemetry) -> None:
    first, second = telemetry.open_tabs(2)
    second.log(2)
    telemetry.flush()
    for _ in range(3):
        shut_down(telemetry, first)
        second.log(2, fate=Fate.FORBIDDEN)
        telemetry.settle()
        restart(telemetry, first)
        second.log(2)
        telemetry.flush(2)
    drain(telemetry)
    telemetry.account()


@case(
    "optout/6/3",
    Level.SHOULD,
    "A tab that keeps its port can withdraw the consent that another tab has given again.",
    expected="no POST after its SHUTDOWN",
    source=CONSENT,
)
def test_tab_that_keeps_its_port_can_shut_down(telemetry: Telemetry) -> None:
    first, second = telemetry.open_tabs(2)
    second.log(2)
    telemetry.flush()
    shut_down_and_restart(telemetry, first, delay_ms=50)
    first.log(2, fate=Fate.OPTIONAL)
    telemetry.flush(2)
    posts = len(telemetry.batches)
    shut_down(telemetry, second)
    for tab in (first, second):
        tab.log(2, fate=Fate.FORBIDDEN)
    telemetry.flush(10)
    telemetry.expect_batches(posts, "before the second SHUTDOWN, and none after it")
    telemetry.account()
