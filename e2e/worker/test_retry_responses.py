"""Retry: responses that reject a batch, are damaged, or never arrive.

A worker may retry, split or drop a rejected batch. It must not lose other events, cause duplicates, or let
one batch block all others. `test_retry_pace.py` covers how long it waits before a retry.
"""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest

from e2e.conformance.accounting import Fate
from e2e.conformance.case import Level, case
from e2e.conformance.preconditions import require_exercised, require_supported
from e2e.conformance.report.observations import Observations
from e2e.worker.driver.requests import advance_until_posted
from e2e.worker.driver.retry import expect_all_stored_in_order, require_virtual_time
from e2e.worker.driver.system import Telemetry
from e2e.worker.driver.waiting import HOUR_MS, MAX_BACKOFF_MS, count_responses
from pytest_sharedworker import AsyncRoute, DropResponse, LimitData, Route, Timeout

REJECTED = "RFC 9110, 15.5: a request with a client error fails again however often it is sent"
ACCEPTED = "wire protocol, failed POST: only the records of a failed POST return to the queue"
HANGING = "wire protocol, flush: every interval while records are queued"
MAX_BODY_BYTES = 4096
HANG_MS = 45_000
HOUR_PARTS = 24


def expect_stored_once(telemetry: Telemetry) -> None:
    """Log before and after the POST with the broken response, and account. Raise FindingError."""
    tab = telemetry.open_tab()
    tab.log(2)
    telemetry.flush()
    tab.log(2)
    expect_all_stored_in_order(telemetry)


@case(
    "retry/5/1",
    Level.SHOULD,
    "A batch that the server rejects permanently (400) does not block later events.",
    expected="later events stored within two hours",
    source=REJECTED,
)
def test_rejected_batch_does_not_block_others(telemetry: Telemetry) -> None:
    require_virtual_time(telemetry)

    def refuse(route: Route) -> None:
        if b"page.poison" in route.exchange.decoded_body:
            route.fulfill(status=400, json={"error": "body_not_json"})
        else:
            route.fallback()

    telemetry.route_posts(refuse)
    tab = telemetry.open_tab()
    tab.log(2, component="page.poison", fate=Fate.OPTIONAL)
    telemetry.flush()
    tab.log(2)
    telemetry.run_for(2 * MAX_BACKOFF_MS)
    telemetry.account()
    require_exercised(count_responses(telemetry, 400), "no POST got a 400")


@case(
    "retry/5/2",
    Level.SHOULD,
    "A batch that is too large for the server (413) is split or dropped, and does not block later events.",
    expected="later events stored within two hours",
    source=REJECTED,
)
def test_too_large_batch_does_not_block_others(telemetry: Telemetry, observations: Observations) -> None:
    require_virtual_time(telemetry)

    def refuse(route: Route) -> None:
        if len(route.exchange.decoded_body) > MAX_BODY_BYTES:
            route.fulfill(status=413, json={"error": "body_too_large"})
        else:
            route.fallback()

    telemetry.route_posts(refuse)
    tab = telemetry.open_tab()
    large = tab.log(40, fate=Fate.OPTIONAL)
    telemetry.flush()
    tab.log(2)
    telemetry.run_for(2 * MAX_BACKOFF_MS)
    kept = len({event.key for event in large}.intersection(telemetry.stored))
    observations(f"{kept} of {len(large)} events stored in smaller batches")
    telemetry.account()
    require_supported(count_responses(telemetry, 413), "the worker sends no batch that is too large")


def make_unreadable(number: int, name: str, title: str, status: int, body: str) -> Any:
    """Return the parameter of one case: a response with a success status and an unreadable body."""
    return pytest.param(
        status,
        body,
        id=name,
        marks=case(
            f"retry/6/{number}",
            Level.SHOULD,
            f"A batch that the server accepts with {title} is stored once.",
            expected="all stored once, each tab's events in order",
            source=ACCEPTED,
        ),
    )


@pytest.mark.parametrize(
    ("status", "body"),
    [
        make_unreadable(1, "204", "a 204", 204, ""),
        make_unreadable(2, "empty", "an empty 200", 200, ""),
        make_unreadable(3, "not-json", "a 200 that is not JSON", 200, "<html>thank you</html>"),
        make_unreadable(4, "null", "a 200 that is null", 200, "null"),
    ],
)
def test_unreadable_response_stores_once(telemetry: Telemetry, status: int, body: str) -> None:
    async def accept(route: AsyncRoute) -> None:
        await route.fetch()
        route.fulfill(status=status, body=body, headers={"Content-Type": "application/json"})

    telemetry.route_posts(accept, times=1)
    expect_stored_once(telemetry)


@case(
    "retry/6/5",
    Level.SHOULD,
    "A batch that the server accepts is stored once if the response breaks off after its first bytes.",
    expected="all stored once, each tab's events in order",
    source=ACCEPTED,
)
def test_truncated_response_stores_once(telemetry: Telemetry) -> None:
    telemetry.break_posts(LimitData(bytes=5), times=1)
    expect_stored_once(telemetry)


@case(
    "retry/6/6",
    Level.SHOULD,
    "A batch that the server accepts is stored once if the whole response is lost.",
    expected="all stored once, each tab's events in order",
    source=ACCEPTED,
)
def test_lost_response_stores_once(telemetry: Telemetry) -> None:
    telemetry.break_posts(DropResponse(), times=1)
    expect_stored_once(telemetry)


@case(
    "retry/6/7",
    Level.SHOULD,
    "In an hour in which every second response is lost, each event is stored once.",
    expected="all stored once, each tab's events in order",
    source=ACCEPTED,
)
def test_every_second_lost_response_stores_once(telemetry: Telemetry, observations: Observations) -> None:
    require_virtual_time(telemetry)
    turns = count()

    async def lose_every_second(route: AsyncRoute) -> None:
        response = await route.fetch()
        if next(turns) % 2:
            route.fulfill(response=response)
        else:
            route.abort()

    tabs = telemetry.open_tabs(2)
    with telemetry.route_posts(lose_every_second) as lossy:
        for _ in range(HOUR_PARTS):
            for tab in tabs:
                tab.log()
            telemetry.run_for(HOUR_MS / HOUR_PARTS)
    observations(f"{(len(lossy.routes) + 1) // 2} of {len(lossy.routes)} responses lost")
    expect_all_stored_in_order(telemetry)


@case(
    "retry/7/1",
    Level.MUST,
    f"A POST that hangs for {HANG_MS // 1000} s and then breaks off loses and duplicates nothing.",
    expected="all stored once",
    source="wire protocol, failed POST: the records return to the queue",
)
def test_hanging_post_that_breaks_off_is_sent_again(telemetry: Telemetry) -> None:
    log_around_a_hanging_post(telemetry)
    telemetry.flush(4)
    telemetry.run_for(MAX_BACKOFF_MS)
    telemetry.account()


@case(
    "retry/7/3",
    Level.SHOULD,
    f"Events logged while a POST hangs for {HANG_MS // 1000} s are not stored before those of the POST.",
    expected="all stored once, each tab's events in order",
    source="wire protocol, failed POST: the records return to the front of the queue",
)
def test_hanging_post_does_not_change_the_order(telemetry: Telemetry) -> None:
    log_around_a_hanging_post(telemetry)
    expect_all_stored_in_order(telemetry)


def log_around_a_hanging_post(telemetry: Telemetry) -> None:
    """Log before, during and after a POST that hangs and breaks off before the server gets it."""
    telemetry.break_posts(Timeout(timeout=HANG_MS), times=1)
    tab = telemetry.open_tab()
    for _ in range(2):
        tab.log(2)
        telemetry.flush()
    tab.log(2)


@case(
    "retry/7/2",
    Level.SHOULD,
    "A POST that never gets a response does not block later events forever.",
    expected="later events stored within an hour",
    source=HANGING,
)
def test_post_without_a_response_does_not_block_others(
    telemetry: Telemetry, observations: Observations
) -> None:
    require_virtual_time(telemetry)
    telemetry.break_posts(Timeout(), times=1)
    tab = telemetry.open_tab()
    hung = tab.log(fate=Fate.OPTIONAL)
    advance_until_posted(telemetry)
    telemetry.expect_batches(1, "that never gets a response")
    tab.log(2)
    telemetry.flush(4)
    telemetry.run_for(MAX_BACKOFF_MS)
    stored = len({event.key for event in hung}.intersection(telemetry.stored))
    observations(f"{stored} of {len(hung)} events of the hanging batch stored")
    telemetry.account()
