"""Flush: telemetry is disabled while a backlog waits. The queue is dropped, and no request repeats itself.

`test_flush.py` covers a `disabled` response to a small batch.
"""

from __future__ import annotations

from e2e.conformance.accounting import Fate
from e2e.conformance.case import FindingError, Level, case
from e2e.conformance.preconditions import require_exercised, require_supported
from e2e.conformance.report.observations import Observations
from e2e.worker.driver.batch import Batch
from e2e.worker.driver.retry import require_virtual_time
from e2e.worker.driver.storm_guard import StormGuard
from e2e.worker.driver.system import ENABLED, Telemetry, set_fate
from e2e.worker.driver.waiting import DAY_MS, HOUR_MS
from pytest_sharedworker import Exchange, HttpStatus, Latency, Route

DISABLED = "wire protocol, response: stop, drop the queue, and never send again"
BACKLOG = 2_900
"""Six batches of a worker that sends 500 records at once."""
MAX_POSTS = 12
"""More than the backlog needs; a storm ends here."""
LATENCY_MS = 20_000
AFTERWARDS = "after the configuration has disabled telemetry"


def get_refresh_interval(telemetry: Telemetry) -> float:
    """Return after how many ms the worker reads its configuration again; skip if it does not within a day."""
    telemetry.settle()
    before = len(telemetry.config_requests)
    telemetry.run_for(DAY_MS)
    times = [each.virtual_time for each in telemetry.config_requests[before - 1 :]]
    require_supported(len(times) > 1, "the worker reads its configuration only once")
    first, second = times[:2]
    assert first is not None
    assert second is not None
    return second - first


@case(
    "flush/6/1",
    Level.MUST,
    f"A worker with a backlog of {BACKLOG:,} events whose configuration, read again while a batch is in"
    " flight, disables telemetry sends at most one more POST.",
    expected="at most one POST after the response to the GET, none in the following hours",
    source=DISABLED,
)
def test_config_that_disables_ends_a_flush(telemetry: Telemetry, observations: Observations) -> None:
    require_virtual_time(telemetry)
    tab = telemetry.open_tab()
    interval = get_refresh_interval(telemetry)
    asked_at = telemetry.config_requests[-1].virtual_time
    assert asked_at is not None
    worker = telemetry.workers.wait_for()
    telemetry.run_for(asked_at + interval - worker.clock.now - 1.5 * telemetry.flush_interval)
    requests = len(telemetry.config_requests)
    StormGuard(telemetry, telemetry.posts_pattern, Route.fallback, MAX_POSTS)
    # Responses to batches do not say `disabled`, and are so late that one is due when the worker asks.
    telemetry.break_posts(Latency(latency=LATENCY_MS))
    tab.log(BACKLOG, fate=Fate.OPTIONAL)
    telemetry.override_config({**ENABLED, "disable_ui_telemetry": True})
    telemetry.run_for(2 * HOUR_MS)
    asked = telemetry.config_requests[requests]
    require_exercised(
        any(is_in_flight_at(batch, asked) for batch in telemetry.batches),
        "no batch was in flight when the worker read its configuration",
    )
    posts = sum(batch.exchange.number > asked.number for batch in telemetry.batches)
    observations(f"{posts} POST {AFTERWARDS}")
    if posts > 1:
        raise FindingError(f"at most 1 POST {AFTERWARDS}", f"{posts} POST, or more")
    telemetry.account()


def is_in_flight_at(batch: Batch, request: Exchange) -> bool:
    """Return whether the batch was in flight when the other request began."""
    return batch.exchange.number < request.number and (
        batch.exchange.ended_seconds is None or batch.exchange.ended_seconds > request.started_seconds
    )


@case(
    "flush/6/2",
    Level.MUST,
    f"A worker with a backlog of {BACKLOG:,} events whose batch gets the response `disabled` sends no other.",
    expected="no POST after the response, in two hours",
    source=DISABLED,
)
def test_disabled_response_ends_the_flush_of_a_backlog(telemetry: Telemetry) -> None:
    require_virtual_time(telemetry)
    tab = telemetry.open_tab()
    with telemetry.break_posts(HttpStatus(503)):
        tab.log(BACKLOG, fate=Fate.OPTIONAL)
        telemetry.flush()
    telemetry.configure(disable_telemetry=True)
    guard = StormGuard(telemetry, telemetry.posts_pattern, Route.fallback, 1)
    telemetry.run_for(2 * HOUR_MS)
    require_exercised(guard.times, "the worker did not send its backlog")
    set_fate(tab.events, Fate.FORBIDDEN)
    guard.expect_no_storm("POST that gets the response `disabled`")
    telemetry.account()
