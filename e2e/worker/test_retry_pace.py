"""Retry: how long a worker waits before it sends again, and how often it tries.

That it loses nothing meanwhile stands in `test_retry.py` and `test_retry_answers.py`.
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
from pytest_sharedworker.gateway.route import Route

RETRY_AFTER = "RFC 9110, 10.2.3: Retry-After; RFC 6585, 4: 429"
SPARED = "data safety: a server that is down, or refuses, is not kept busy by its clients"
OUTAGE_HOURS = 6
OUTAGE_MS = OUTAGE_HOURS * HOUR_MS
BACKED_OFF = 4
"""A worker that waits longer after each failure sends far fewer than one POST in so many intervals."""


@case(
    "retry/4/1",
    Level.SHOULD,
    "A batch that is answered with 429 is kept and sent again.",
    expected="all stored once, each tab's events in order",
    source=RETRY_AFTER,
)
def test_too_many_requests_is_sent_again(telemetry: Telemetry) -> None:
    telemetry.break_posts("status", status=429, headers={"Retry-After": "60"}, times=1)
    tab = telemetry.open_tab()
    tab.log(2)
    telemetry.flush()
    tab.log(2)
    expect_all_stored_in_order(telemetry)


@case(
    "retry/4/2",
    Level.SHOULD,
    "After an answer of 429 nothing is sent before its Retry-After has passed.",
    expected="no second POST before Retry-After",
    source=RETRY_AFTER,
)
def test_retry_after_is_waited_for(telemetry: Telemetry, observations: Observations) -> None:
    require_virtual_time(telemetry)
    wait_seconds = math.ceil(telemetry.flush_interval * 3.5 / 1000)
    telemetry.break_posts("status", status=429, headers={"Retry-After": str(wait_seconds)}, times=1)
    tab = telemetry.open_tab()
    tab.log()
    advance_until_posted(telemetry)
    telemetry.expect_batches(1, "that is answered with 429")
    tab.log(2)
    telemetry.run_for(wait_seconds * 1000 - telemetry.resolution)
    telemetry.expect_batches(1, f"within a Retry-After of {wait_seconds} s")
    observations(f"nothing sent for {wait_seconds} s")
    expect_all_stored_in_order(telemetry)


@case(
    "retry/4/3",
    Level.SHOULD,
    "A Retry-After that is a date is waited for like one in seconds.",
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
        asked_seconds = started_ms / 1000 + (route.exchange.virtual_seconds or 0.0)
        dates = {"Date": asked_seconds, "Retry-After": asked_seconds + wait_seconds}
        route.fulfill(status=503, headers={name: http_date(seconds) for name, seconds in dates.items()})

    started_ms: float = worker.evaluate("() => Date.now() - performance.now()")
    telemetry.gateway.route(f"POST {telemetry.endpoint}", refuse, times=1)
    tab.log()
    advance_until_posted(telemetry)
    telemetry.expect_batches(1, "that is answered with 503")
    tab.log(2)
    # A date of HTTP knows whole seconds only.
    telemetry.run_for((wait_seconds - 1) * 1000 - telemetry.resolution)
    telemetry.expect_batches(1, f"until the date of Retry-After, {wait_seconds} s later")
    observations(f"nothing sent for {wait_seconds - 1} s")
    expect_all_stored_in_order(telemetry)


def http_date(seconds: float) -> str:
    """A moment in seconds since 1970 as HTTP writes it (RFC 9110, 5.6.7)."""
    return format_datetime(datetime.fromtimestamp(seconds, timezone.utc), usegmt=True)


def refusal(number: int, status: int, title: str) -> Any:
    """An answer that says that this worker is not wanted, as a case of its own."""
    return pytest.param(
        status,
        id=str(status),
        marks=case(
            f"retry/8/{number}",
            Level.SHOULD,
            f"An answer of {status} ({title}) leads to no storm: it is tried again seldom, or not at all.",
            expected=f"in an hour at most one POST in {BACKED_OFF} intervals",
            source=SPARED,
        ),
    )


@pytest.mark.parametrize(
    "status", [refusal(1, 401, "not logged in"), refusal(2, 403, "forbidden"), refusal(3, 404, "not there")]
)
def test_refusal_leads_to_no_storm(telemetry: Telemetry, observations: Observations, status: int) -> None:
    require_virtual_time(telemetry)
    tab = telemetry.open_tab()
    with telemetry.break_posts("status", status=status):
        tab.log(2, fate=Fate.OPTIONAL)
        posts = advance_within_post_limit(
            telemetry, HOUR_MS, count_flush_intervals(telemetry, HOUR_MS) // BACKED_OFF
        )
    observations(f"{posts} POST in an hour")
    telemetry.account()


@case(
    "retry/9/1",
    Level.SHOULD,
    f"A server that answers 503 for {OUTAGE_HOURS} hours gets far fewer than one POST an interval.",
    expected=f"at most one POST in {BACKED_OFF} intervals",
    source=SPARED,
)
def test_long_outage_is_tried_seldom(telemetry: Telemetry, observations: Observations) -> None:
    require_virtual_time(telemetry)
    tab = telemetry.open_tab()
    with telemetry.break_posts("status", status=503):
        tab.log(2, fate=Fate.OPTIONAL)
        posts = advance_within_post_limit(
            telemetry, OUTAGE_MS, count_flush_intervals(telemetry, OUTAGE_MS) // BACKED_OFF
        )
    observations(f"{posts} POST in {OUTAGE_HOURS} hours")
    drain(telemetry)
    telemetry.account()


@case(
    "retry/9/2",
    Level.MUST,
    "A batch that fails is tried again at most once an interval.",
    expected="in an hour at most one POST an interval",
    source="wire protocol, flush: one POST every interval",
)
def test_failed_batch_is_tried_once_an_interval(telemetry: Telemetry, observations: Observations) -> None:
    require_virtual_time(telemetry)
    tab = telemetry.open_tab()
    with telemetry.break_posts("status", status=503):
        tab.log(fate=Fate.OPTIONAL)
        posts = advance_within_post_limit(telemetry, HOUR_MS, count_flush_intervals(telemetry, HOUR_MS))
    observations(f"{posts} POST in an hour")
    drain(telemetry)
    telemetry.account()
