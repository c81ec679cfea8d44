"""Load: many events, unusual ones, failures. `scripts/bench harness` measures the speed of virtual time."""

from __future__ import annotations

import pytest

from e2e.conformance.case import FindingError, Level, case
from e2e.conformance.report.observations import Observations
from e2e.worker.driver.assertions import expect_one_session, expect_stored_order
from e2e.worker.driver.requests import advance_within_post_limit, count_flush_intervals
from e2e.worker.driver.system import Telemetry
from e2e.worker.driver.waiting import HOUR_MS, MAX_BACKOFF_MS
from pytest_sharedworker import HttpStatus, Latency

TABS = 10
CHECKS = 6
EVENTS_PER_HOUR = 3_600
BURST_EVENTS = 300
BAD_MINUTES = 5
BACKWARDS = "\u202e"
COMPONENTS = (
    "", " ", "a" * 2_000, "\0", "a\0b", "\x01\x1f\x7f\x80", "\"'\\/</script>", "\r\n\t\u2028\u2029",
    "\ufeff\ufffe", f"{BACKWARDS}gnp", "é e\u0301", "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "\U0010ffff", "実験", "\u05ea\u05e6\u05d5\u05d2\u05d4",
    "__proto__", "constructor", "toString", "hasOwnProperty", "null", "0", "-0", "NaN", "[]", "{}",
)  # fmt: skip


@pytest.mark.virtual_tabs
@pytest.mark.timeout(300)  # Firefox is slow with 36,000 messages.
@case(
    "load/1/1",
    Level.MUST,
    "Each event of ten tabs that log one per second for an hour is stored once, in one POST per interval.",
    expected=f"{TABS * EVENTS_PER_HOUR:,} events stored once, in one POST per interval, one more or less",
    source="wire protocol, flush",
)
def test_ten_tabs_log_for_an_hour(telemetry: Telemetry, observations: Observations) -> None:
    if telemetry.workers.clock.kind == "real":
        pytest.skip("needs an hour of real time; run it on the virtual clock")
    for tab in telemetry.open_tabs(TABS):
        tab.log(EVENTS_PER_HOUR, interval_ms=1_000)
    intervals = count_flush_intervals(telemetry, HOUR_MS)
    advance_within_post_limit(telemetry, HOUR_MS, intervals, checks=CHECKS)
    telemetry.flush()
    posts = len(telemetry.batches)
    if not intervals - 1 <= posts <= intervals + 1:
        raise FindingError(f"{intervals} POST, one more or less", f"{posts} POST")
    observations(f"{len(telemetry.stored):,} events in {posts} POST")
    telemetry.account()


@case(
    "load/1/2",
    Level.MUST,
    "Ten tabs that log at the same time lose nothing, and each tab's events stay in order.",
    expected=f"{TABS * BURST_EVENTS:,} events stored once, in order, in one session",
    source="wire protocol, flush and record",
)
def test_ten_tabs_log_at_the_same_time(telemetry: Telemetry) -> None:
    tabs = telemetry.open_tabs(TABS)
    for tab in tabs:
        tab.log(BURST_EVENTS)
    telemetry.flush(2)
    expect_stored_order(telemetry)
    expect_one_session(telemetry)
    telemetry.account()


@case(
    "load/4/1",
    Level.MUST,
    "A worker sends component ids unchanged: Unicode, control characters, names of Object's properties.",
    expected="all stored once, each id as logged",
    source="wire protocol, record: the payload with the session",
)
def test_component_ids_of_any_characters_are_kept(telemetry: Telemetry) -> None:
    tab = telemetry.open_tab()
    logged = {tab.log(component=component)[0].key: component for component in COMPONENTS}
    telemetry.flush(2)
    for batch in telemetry.batches:
        for key, record in zip(batch.keys, batch.records, strict=True):
            arrived = record["params"].get("componentId")
            if key in logged and arrived != logged[key]:
                raise FindingError(f"componentId {logged[key]!r:.80}", f"{arrived!r:.80}")
    telemetry.account()


@case(
    "load/5/1",
    Level.MUST,
    f"A worker loses and duplicates nothing in {BAD_MINUTES} minutes of late responses, half of them a 500.",
    expected="all stored once, at most an hour after these minutes",
    source="wire protocol, failed POST",
)
def test_five_minutes_of_failures_lose_nothing(telemetry: Telemetry) -> None:
    tabs = telemetry.open_tabs(2)
    bad = telemetry.break_posts(HttpStatus(500), toxicity=0.5, seed=3)
    late = telemetry.break_posts(Latency(latency=8_000, jitter=8_000), toxicity=0.5, seed=5)
    with bad, late:
        for _ in range(int(BAD_MINUTES * 60_000 / telemetry.flush_interval)):
            for tab in tabs:
                tab.log(3)
            telemetry.flush()
    telemetry.run_for(MAX_BACKOFF_MS)
    telemetry.account()
