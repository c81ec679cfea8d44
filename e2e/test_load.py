"""Load: many events of many tabs over a long time. How fast that is measured in `bench/clock.py`."""

from __future__ import annotations

import pytest

from e2e.case import Finding, Level, case
from e2e.report.observed import Observed
from e2e.telemetry import Telemetry

TABS = 10
HOUR_SECONDS = 3600


@pytest.mark.virtual_tabs
@case(
    "load/1/1",
    Level.MUST,
    "In an hour in which ten tabs log an event a second, each is stored once, in a POST an interval.",
    expected=f"{TABS * HOUR_SECONDS:,} events stored once, in one POST an interval",
    source="wire protocol, flush",
)
def test_an_hour_of_ten_tabs(telemetry: Telemetry, observed: Observed) -> None:
    if telemetry.workers.clock_kind == "real":
        pytest.skip("needs an hour of real time; run it on the virtual clock")
    for tab in telemetry.open_tabs(TABS):
        tab.log(HOUR_SECONDS, interval_ms=1_000)
    telemetry.advance(HOUR_SECONDS)
    telemetry.flush()
    posts, intervals = len(telemetry.batches), HOUR_SECONDS / telemetry.interval
    if posts > intervals + 1:
        raise Finding(f"at most {intervals + 1:.0f} POST", f"{posts} POST")
    observed(f"{len(telemetry.stored):,} events in {posts} POST")
    telemetry.account()
