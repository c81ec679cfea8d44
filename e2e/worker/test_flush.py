"""Flush: when batches leave. What becomes of a batch that fails stands in `test_retry.py`."""

from __future__ import annotations

import pytest

from e2e.conformance.accounting import Fate
from e2e.conformance.case import FindingError, Level, case
from e2e.conformance.report.observations import Observations
from e2e.worker.driver.requests import advance_until_posted, expect_no_concurrent_posts
from e2e.worker.driver.retry import drain
from e2e.worker.driver.system import Telemetry
from e2e.worker.driver.waiting import HOUR_MS

PROTOCOL = "wire protocol, flush"
DRIFT_INTERVALS = 100
REAL_TOLERANCE_MS = 1_500
"""How far a flush on real time may be off: the browser's start and a busy machine."""


@case(
    "flush/1/1",
    Level.MUST,
    "Nothing leaves before the flush interval has passed.",
    expected="no POST one clock step before the interval",
    source=PROTOCOL,
)
def test_nothing_leaves_before_the_interval(telemetry: Telemetry) -> None:
    for tab in telemetry.open_tabs(2):
        tab.log(2)
    just_before = telemetry.flush_interval - telemetry.resolution
    telemetry.run_for(just_before)
    telemetry.expect_batches(0, f"at {just_before / 1000:g} s")
    telemetry.run_for(telemetry.resolution)
    telemetry.flush()
    telemetry.account()


@case(
    "flush/1/2",
    Level.MUST,
    "At the flush interval everything has left.",
    expected="all stored at the interval",
    source=PROTOCOL,
)
def test_all_has_left_at_the_interval(telemetry: Telemetry) -> None:
    for tab in telemetry.open_tabs(2):
        tab.log(2)
    telemetry.flush()
    telemetry.account()


@case(
    "flush/1/3",
    Level.MUST,
    "An event logged after a flush waits for the next one.",
    expected="the second POST leaves at the second interval",
    source=PROTOCOL,
)
def test_event_after_a_flush_waits_for_the_next(telemetry: Telemetry) -> None:
    tab = telemetry.open_tab()
    tab.log()
    telemetry.flush()
    tab.log()
    telemetry.run_for(telemetry.flush_interval - telemetry.resolution)
    telemetry.expect_batches(1, "before the second interval has passed")
    telemetry.run_for(telemetry.resolution)
    telemetry.expect_batches(2, "at the second interval")
    telemetry.account()


@case(
    "flush/2/1",
    Level.MUST,
    "An empty queue sends nothing in an hour.",
    expected="no POST",
    source=f"{PROTOCOL}: when there is something",
)
def test_empty_queue_sends_nothing_in_an_hour(telemetry: Telemetry) -> None:
    telemetry.open_tabs(2)
    telemetry.run_for(HOUR_MS)
    telemetry.expect_batches(0, "for an empty queue")
    telemetry.account()


@case(
    "flush/2/2",
    Level.MUST,
    f"{DRIFT_INTERVALS} intervals do not drift, also where every answer takes a second.",
    expected="one POST an interval, each at its multiple of the interval",
    source=f"{PROTOCOL}: every 30 s",
)
def test_a_hundred_intervals_do_not_drift(telemetry: Telemetry, observations: Observations) -> None:
    if telemetry.workers.clock_kind == "real":
        seconds = DRIFT_INTERVALS * telemetry.flush_interval / 1000
        pytest.skip(f"needs {seconds:.0f} s of real time; run it on the virtual clock")
    telemetry.break_posts("latency", latency_ms=1_000)
    tab = telemetry.open_tab()
    for _ in range(DRIFT_INTERVALS):
        tab.log()
        telemetry.flush()
    telemetry.run_for(2_000)
    batches = telemetry.expect_batches(DRIFT_INTERVALS, f"in {DRIFT_INTERVALS} intervals with an event each")
    times = [(batch.exchange.virtual_seconds or 0.0) * 1000 for batch in batches]
    drifts = [time - (number + 1) * telemetry.flush_interval for number, time in enumerate(times)]
    worst = max(drifts, key=abs)
    if abs(worst) > telemetry.resolution:
        raise FindingError("every flush at its multiple of the interval", f"a flush off by {worst:+.0f} ms")
    observations(f"no flush off by more than {abs(worst):g} ms")
    telemetry.account()


@case(
    "flush/3/1",
    Level.MUST,
    "An answer slower than the interval neither loses nor doubles anything.",
    expected="all stored once",
    source=PROTOCOL,
)
def test_answer_slower_than_the_interval(telemetry: Telemetry) -> None:
    telemetry.break_posts("latency", latency_ms=int(telemetry.flush_interval * 1.5), times=1)
    tab = telemetry.open_tab()
    for _ in range(4):
        tab.log(2)
        telemetry.flush()
    drain(telemetry)
    telemetry.account()


@case(
    "flush/3/2",
    Level.SHOULD,
    "No second batch is sent while one is in flight: order and the server are spared.",
    expected="no POST before the one before it is answered or given up",
    source=f"{PROTOCOL}: one POST",
)
def test_no_two_batches_are_in_flight(telemetry: Telemetry) -> None:
    telemetry.break_posts("latency", latency_ms=int(telemetry.flush_interval * 1.5), times=1)
    tab = telemetry.open_tab()
    tab.log()
    telemetry.flush()
    tab.log()
    telemetry.settle()
    expect_no_concurrent_posts(telemetry)
    telemetry.flush()
    expect_no_concurrent_posts(telemetry)
    drain(telemetry)
    telemetry.account()


@pytest.mark.worker_clock("real")
@case(
    "flush/4/1",
    Level.MUST,
    "The flush interval holds in real time.",
    expected=f"the first POST one interval after the worker's start, within {REAL_TOLERANCE_MS / 1000} s",
    source=PROTOCOL,
)
def test_interval_in_real_time(telemetry: Telemetry, observations: Observations) -> None:
    telemetry.open_tab().log()
    # The worker asks for its configuration in its first lines.
    start = telemetry.wait_for_config_requests(1)[0].started_seconds
    batches = telemetry.wait_for_batches(1, timeout=telemetry.flush_interval * 2 + REAL_TOLERANCE_MS)
    seconds = batches[0].exchange.started_seconds - start
    interval_seconds, tolerance_seconds = telemetry.flush_interval / 1000, REAL_TOLERANCE_MS / 1000
    if abs(seconds - interval_seconds) > tolerance_seconds:
        raise FindingError(f"{interval_seconds:g} s ± {tolerance_seconds} s", f"{seconds:.2f} s")
    observations(f"the first POST after {seconds:.2f} s")
    telemetry.account()


@case(
    "flush/5/1",
    Level.MUST,
    "After an answer that says disabled nothing is sent ever after.",
    expected="one POST, and none in ten intervals after it",
    source="wire protocol, answer: stop, drop, send nothing ever after",
)
def test_disabled_answer_ends_all_sending(telemetry: Telemetry) -> None:
    tab = telemetry.open_tab()
    telemetry.settle()
    telemetry.configure(disable_telemetry=True)
    tab.log(fate=Fate.DROPPED)
    telemetry.flush()
    telemetry.expect_batches(1, "that is answered with disabled")
    tab.log(2, fate=Fate.DROPPED)
    telemetry.open_tab().log(2, fate=Fate.DROPPED)
    telemetry.configure()
    telemetry.flush(10)
    telemetry.expect_batches(1, "after an answer that says disabled")
    telemetry.account()


@case(
    "flush/5/2",
    Level.MUST,
    "An event logged while the answer that says disabled is on its way is dropped with the rest.",
    expected="one POST, and none in ten intervals after it",
    source="wire protocol, answer: stop, drop, send nothing ever after",
)
def test_disabled_answer_drops_what_came_meanwhile(telemetry: Telemetry) -> None:
    tab = telemetry.open_tab()
    telemetry.settle()
    telemetry.configure(disable_telemetry=True)
    telemetry.break_posts("latency", latency_ms=5_000, times=1)
    tab.log(fate=Fate.DROPPED)
    advance_until_posted(telemetry)
    tab.log(2, fate=Fate.DROPPED)
    telemetry.settle()
    telemetry.configure()
    telemetry.flush(10)
    telemetry.expect_batches(1, "after an answer that says disabled")
    telemetry.account()
