"""Retry: how long a worker waits before a retry, and how often it retries.

`test_retry.py` and `test_retry_responses.py` cover that it loses nothing meanwhile.
"""

from __future__ import annotations

import math
from datetime import datetime, timezone
from email.utils import format_datetime
from typing import Any

import pytest

from e2e.conformance.accounting import Fate
from e2e.conformance.case import Level, case
from e2e.conformance.report.observations import Observations
from e2e.worker.driver.requests import advance_until_posted, advance_within_post_limit, count_flush_intervals
from e2e.worker.driver.retry import drain, expect_all_stored_in_order, require_virtual_time
from e2e.worker.driver.system import Telemetry
from e2e.worker.driver.waiting import HOUR_MS
from pytest_sharedworker import HttpStatus, Route

RETRY_AFTER = "RFC 9110, 10.2.3: Retry-After; RFC 6585, 4: 429"
SERVER_LOAD = "data safety: clients do not keep a failing or rejecting server busy"
OUTAGE_HOURS = 6
OUTAGE_MS = OUTAGE_HOURS * HOUR_MS
BACKOFF_INTERVALS = 4
"""A worker that waits longer after each failure sends far fewer than one POST in so many intervals."""


@case(
    "retry/4/1",
    Level.SHOULD,
    "A worker keeps a batch that gets a 429, and sends it again.",
    expected="all stored once, each tab's events in order",
    source=RETRY_AFTER,
)
def test_batch_is_sent_again_after_too_many_requests(telemetry: Telemetry) -> None:
    telemetry.break_posts(HttpStatus(429, headers={"Retry-After": "60"}), times=1)
    tab = telemetry.open_tab()
    tab.log(2)
    telemetry.flush()
    tab.log(2)
    expect_all_stored_in_order(telemetry)


@case(
    "retry/4/2",
    Level.SHOULD,
    "A worker sends nothing after a 429 until its Retry-After has passed.",
    expected="no second POST before Retry-After",
    source=RETRY_AFTER,
)
def test_retry_after_delays_the_next_post(telemetry: Telemetry, observations: Observations) -> None:
    require_virtual_time(telemetry)
    wait_seconds = math.ceil(telemetry.flush_interval * 3.5 / 1000)
    telemetry.break_posts(HttpStatus(429, headers={"Retry-After": str(wait_seconds)}), times=1)
    tab = telemetry.open_tab()
    tab.log()
    advance_until_posted(telemetry)
    telemetry.expect_batches(1, "that gets a 429")
    tab.log(2)
    telemetry.run_for(wait_seconds * 1000 - telemetry.resolution)
    telemetry.expect_batches(1, f"within a Retry-After of {wait_seconds} s")
    observations(f"nothing sent for {wait_seconds} s")
    expect_all_stored_in_order(telemetry)


@case(
    "retry/4/3",
    Level.SHOULD,
    "A worker waits for a Retry-After that is a date as for one in seconds.",
    expected="no second POST before that date",
    source=RETRY_AFTER,
)
def test_retry_after_may_be_a_date(telemetry: Telemetry, observations: Observations) -> None:
    require_virtual_time(telemetry)
    wait_seconds = math.ceil(telemetry.flush_interval * 3.5 / 1000)
    tab = telemetry.open_tab()
    telemetry.settle()
    worker = telemetry.workers.wait_for()

    def refuse(route: Route) -> None:
        requested_at = started_ms / 1000 + (route.exchange.virtual_time or 0.0) / 1000
        dates = {"Date": requested_at, "Retry-After": requested_at + wait_seconds}
        route.fulfill(
            status=503, headers={name: format_http_date(seconds) for name, seconds in dates.items()}
        )

    started_ms: float = worker.evaluate("() => Date.now() - performance.now()")
    telemetry.route_posts(refuse, times=1)
    tab.log()
    advance_until_posted(telemetry)
    telemetry.expect_batches(1, "that gets a 503")
    tab.log(2)
    # An HTTP date has whole seconds only.
    telemetry.run_for((wait_seconds - 1) * 1000 - telemetry.resolution)
    telemetry.expect_batches(1, f"until the date of Retry-After, {wait_seconds} s later")
    observations(f"nothing sent for {wait_seconds - 1} s")
    expect_all_stored_in_order(telemetry)


def format_http_date(seconds: float) -> str:
    """Return a time in seconds since 1970 as an HTTP date (RFC 9110, 5.6.7)."""
    return format_datetime(datetime.fromtimestamp(seconds, timezone.utc), usegmt=True)


def make_refusal(number: int, status: int, title: str) -> Any:
    """Return the parameter of one case: a status that rejects this worker."""
    return pytest.param(
        status,
        id=str(status),
        marks=case(
            f"retry/8/{number}",
            Level.SHOULD,
            f"A worker whose POST gets a {status} ({title}) retries rarely, or not at all.",
            expected=f"in an hour at most one POST in {BACKOFF_INTERVALS} intervals",
            source=SERVER_LOAD,
        ),
    )


@pytest.mark.parametrize(
    "status",
    [
        make_refusal(1, 401, "unauthorized"),
        make_refusal(2, 403, "forbidden"),
        make_refusal(3, 404, "not found"),
    ],
)
def test_refusal_causes_no_request_storm(
    telemetry: Telemetry, observations: Observations, status: int
) -> None:
    require_virtual_time(telemetry)
    tab = telemetry.open_tab()
    with telemetry.break_posts(HttpStatus(status)):
        tab.log(2, fate=Fate.OPTIONAL)
        posts = advance_within_post_limit(
            telemetry, HOUR_MS, count_flush_intervals(telemetry, HOUR_MS) // BACKOFF_INTERVALS
        )
    observations(f"{posts} POST in an hour")
    telemetry.account()


@case(
    "retry/9/1",
    Level.SHOULD,
    f"A worker sends far fewer than one POST per interval if it gets a 503 for {OUTAGE_HOURS} hours.",
    expected=f"at most one POST in {BACKOFF_INTERVALS} intervals",
    source=SERVER_LOAD,
)
def test_long_outage_is_retried_rarely(telemetry: Telemetry, observations: Observations) -> None:
    require_virtual_time(telemetry)
    tab = telemetry.open_tab()
    with telemetry.break_posts(HttpStatus(503)):
        tab.log(2, fate=Fate.OPTIONAL)
        posts = advance_within_post_limit(
            telemetry, OUTAGE_MS, count_flush_intervals(telemetry, OUTAGE_MS) // BACKOFF_INTERVALS
        )
    observations(f"{posts} POST in {OUTAGE_HOURS} hours")
    drain(telemetry)
    telemetry.account()


@case(
    "retry/9/2",
    Level.MUST,
    "A worker sends no more POSTs in an hour of failures than it has intervals; it may retry between them.",
    expected="in an hour at most as many POST as intervals",
    source="wire protocol, flush: one POST per interval",
)
def test_retries_of_a_failed_batch_are_limited(telemetry: Telemetry, observations: Observations) -> None:
    require_virtual_time(telemetry)
    tab = telemetry.open_tab()
    with telemetry.break_posts(HttpStatus(503)):
        tab.log(fate=Fate.OPTIONAL)
        posts = advance_within_post_limit(telemetry, HOUR_MS, count_flush_intervals(telemetry, HOUR_MS))
    observations(f"{posts} POST in an hour")
    drain(telemetry)
    telemetry.account()
