"""Flush: when a worker sends batches. Failed batches are covered in `test_retry.py`."""

from __future__ import annotations

import pytest

from e2e.conformance.accounting import Fate
from e2e.conformance.case import FindingError, Level, case
from e2e.conformance.report.observations import Observations
from e2e.worker.driver.requests import advance_until_posted, expect_no_concurrent_posts
from e2e.worker.driver.retry import drain
from e2e.worker.driver.system import Telemetry
from e2e.worker.driver.waiting import HOUR_MS
from pytest_sharedworker import Latency

PROTOCOL = "wire protocol, flush"
DRIFT_INTERVALS = 100
REAL_TOLERANCE_MS = 1_500
"""How far a flush on real time may be off: the browser's start and a busy machine."""


@case(
    "flush/1/1",
    Level.MUST,
    "A worker sends nothing before the flush interval has passed.",
    expected="no POST one clock step before the interval",
    source=PROTOCOL,
)
def test_nothing_is_sent_before_the_interval(telemetry: Telemetry) -> None:
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
    "A worker has sent everything when the flush interval has passed.",
    expected="all stored at the interval",
    source=PROTOCOL,
)
def test_everything_is_sent_at_the_interval(telemetry: Telemetry) -> None:
    for tab in telemetry.open_tabs(2):
        tab.log(2)
    telemetry.flush()
    telemetry.account()


@case(
    "flush/1/3",
    Level.MUST,
    "A worker sends an event that is logged after a flush with the next flush.",
    expected="the second POST is sent at the second interval",
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
    "A worker with an empty queue sends nothing for an hour.",
    expected="no POST",
    source=f"{PROTOCOL}: while records are queued",
)
def test_empty_queue_sends_nothing_in_an_hour(telemetry: Telemetry) -> None:
    telemetry.open_tabs(2)
    telemetry.run_for(HOUR_MS)
    telemetry.expect_batches(0, "for an empty queue")
    telemetry.account()


@case(
    "flush/2/2",
    Level.MUST,
    f"A worker's flushes do not drift in {DRIFT_INTERVALS} intervals, even if every response takes a second.",
    expected="one POST per interval, each at its multiple of the interval",
    source=f"{PROTOCOL}: every 30 s",
)
def test_flushes_do_not_drift_in_a_hundred_intervals(
    telemetry: Telemetry, observations: Observations
) -> None:
    if telemetry.workers.clock.kind == "real":
        seconds = DRIFT_INTERVALS * telemetry.flush_interval / 1000
        pytest.skip(f"needs {seconds:.0f} s of real time; run it on the virtual clock")
    telemetry.break_posts(Latency(latency=1_000))
    tab = telemetry.open_tab()
    for _ in range(DRIFT_INTERVALS):
        tab.log()
        telemetry.flush()
    telemetry.run_for(2_000)
    batches = telemetry.expect_batches(DRIFT_INTERVALS, f"in {DRIFT_INTERVALS} intervals with one event each")
    times = [batch.exchange.virtual_time or 0.0 for batch in batches]
    drifts = [time - (number + 1) * telemetry.flush_interval for number, time in enumerate(times)]
    worst = max(drifts, key=abs)
    if abs(worst) > telemetry.resolution:
        raise FindingError("every flush at its multiple of the interval", f"a flush off by {worst:+.0f} ms")
    observations(f"no flush off by more than {abs(worst):g} ms")
    telemetry.account()


@case(
    "flush/3/1",
    Level.MUST,
    "A worker loses and duplicates nothing if a response takes longer than the interval.",
    expected="all stored once",
    source=PROTOCOL,
)
def test_response_slower_than_the_interval_loses_nothing(telemetry: Telemetry) -> None:
    telemetry.break_posts(Latency(latency=int(telemetry.flush_interval * 1.5)), times=1)
    tab = telemetry.open_tab()
    for _ in range(4):
        tab.log(2)
        telemetry.flush()
    drain(telemetry)
    telemetry.account()


@case(
    "flush/3/2",
    Level.SHOULD,
    "A worker sends no second batch while one is in flight: it keeps the order and spares the server.",
    expected="no POST before the previous one has a response or is aborted",
    source=f"{PROTOCOL}: one POST",
)
def test_only_one_batch_is_in_flight(telemetry: Telemetry) -> None:
    telemetry.break_posts(Latency(latency=int(telemetry.flush_interval * 1.5)), times=1)
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
    "A worker keeps the flush interval in real time.",
    expected=f"the first POST one interval after the worker's start, within {REAL_TOLERANCE_MS / 1000} s",
    source=PROTOCOL,
)
def test_interval_in_real_time(telemetry: Telemetry, observations: Observations) -> None:
    telemetry.open_tab().log()
    batches = telemetry.wait_for_batches(1, timeout=telemetry.flush_interval * 2 + REAL_TOLERANCE_MS)
    seconds = batches[0].exchange.started_seconds - _find_start(telemetry)
    interval_seconds, tolerance_seconds = telemetry.flush_interval / 1000, REAL_TOLERANCE_MS / 1000
    if abs(seconds - interval_seconds) > tolerance_seconds:
        raise FindingError(f"{interval_seconds:g} s ± {tolerance_seconds} s", f"{seconds:.2f} s")
    observations(f"the first POST after {seconds:.2f} s")
    telemetry.account()


@case(
    "flush/5/1",
    Level.MUST,
    "A worker sends nothing more after a response that says disabled.",
    expected="one POST, and none in the ten intervals after it",
    source="wire protocol, response: stop, drop the queue, and never send again",
)
def test_disabled_response_ends_all_sending(telemetry: Telemetry) -> None:
    tab = telemetry.open_tab()
    telemetry.settle()
    telemetry.configure(disable_telemetry=True)
    tab.log(fate=Fate.FORBIDDEN)
    telemetry.flush()
    telemetry.expect_batches(1, "that gets the response disabled")
    tab.log(2, fate=Fate.FORBIDDEN)
    telemetry.open_tab().log(2, fate=Fate.FORBIDDEN)
    telemetry.configure()
    telemetry.flush(10)
    telemetry.expect_batches(1, "after a response that says disabled")
    telemetry.account()


@case(
    "flush/5/2",
    Level.MUST,
    "A worker also drops the events that are logged while the response disabled is on its way.",
    expected="one POST, and none in the ten intervals after it",
    source="wire protocol, response: stop, drop the queue, and never send again",
)
def test_disabled_response_drops_events_logged_meanwhile(telemetry: Telemetry) -> None:
    tab = telemetry.open_tab()
    telemetry.settle()
    telemetry.configure(disable_telemetry=True)
    telemetry.break_posts(Latency(latency=5_000), times=1)
    tab.log(fate=Fate.FORBIDDEN)
    advance_until_posted(telemetry)
    tab.log(2, fate=Fate.FORBIDDEN)
    telemetry.settle()
    telemetry.configure()
    telemetry.flush(10)
    telemetry.expect_batches(1, "after a response that says disabled")
    telemetry.account()


def _find_start(telemetry: Telemetry) -> float:
    """Return when the worker started, in the journal's seconds: with its first lines, or with its script."""
    if requests := telemetry.config_requests:  # It requests its configuration in its first lines, if at all.
        return requests[0].started_seconds
    script = telemetry.gateway.journal.select(f"GET {telemetry.script_path}")[0]
    return script.ended_seconds or script.started_seconds
