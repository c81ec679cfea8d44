"""Retry: answers that refuse a batch, that are damaged, or that do not come.

A worker may send again, split or give up what was refused: how it does so is its own business. What it
may not do is to lose what it was not asked to, to store twice, or to let one batch hold up all others. How
long it waits before it sends again stands in `test_retry_pace.py`.
"""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest

from e2e.conformance.accounting import Fate
from e2e.conformance.case import Level, case
from e2e.conformance.preconditions import require_exercised
from e2e.conformance.report.observations import Observations
from e2e.worker.driver.requests import advance_until_posted
from e2e.worker.driver.retry import expect_all_stored_in_order, require_virtual_time
from e2e.worker.driver.system import Telemetry
from e2e.worker.driver.waiting import HOUR_MS, count_responses
from pytest_sharedworker.gateway.route import Route

REFUSED = "RFC 9110, 15.5: a request with a fault of its own fails again however often it is sent"
TAKEN = "wire protocol, failed POST: only what failed goes back to the queue"
HANGING = "wire protocol, flush: every interval when there is something"
MOST_BODY_BYTES = 4096
HANG_MS = 45_000
HOUR_PARTS = 24


def expect_stored_once(telemetry: Telemetry) -> None:
    """Log before and after the POST whose answer is broken. Raises FindingError."""
    tab = telemetry.open_tab()
    tab.log(2)
    telemetry.flush()
    tab.log(2)
    expect_all_stored_in_order(telemetry)


@case(
    "retry/5/1",
    Level.SHOULD,
    "A batch that the server refuses for good (400) does not hold up later events.",
    expected="later events stored within two hours",
    source=REFUSED,
)
def test_refused_batch_does_not_hold_up_others(telemetry: Telemetry) -> None:
    require_virtual_time(telemetry)

    def refuse(route: Route) -> None:
        if b"page.poison" in route.exchange.decoded_body:
            route.fulfill(status=400, json={"error": "body_not_json"})

    telemetry.gateway.route(f"POST {telemetry.endpoint}", refuse)
    tab = telemetry.open_tab()
    tab.log(2, component="page.poison", fate=Fate.OPTIONAL)
    telemetry.flush()
    tab.log(2)
    telemetry.run_for(2 * HOUR_MS)
    telemetry.account()
    require_exercised(count_responses(telemetry, 400), "no POST was answered with 400")


@case(
    "retry/5/2",
    Level.SHOULD,
    "A batch that is too large for the server (413) is split or dropped, and does not hold up later events.",
    expected="later events stored within two hours",
    source=REFUSED,
)
def test_too_large_batch_does_not_hold_up_others(telemetry: Telemetry, observations: Observations) -> None:
    require_virtual_time(telemetry)

    def refuse(route: Route) -> None:
        if len(route.exchange.decoded_body) > MOST_BODY_BYTES:
            route.fulfill(status=413, json={"error": "body_too_large"})

    telemetry.gateway.route(f"POST {telemetry.endpoint}", refuse)
    tab = telemetry.open_tab()
    large = tab.log(40, fate=Fate.OPTIONAL)
    telemetry.flush()
    tab.log(2)
    telemetry.run_for(2 * HOUR_MS)
    kept = len({event.key for event in large}.intersection(telemetry.stored))
    observations(f"{kept} of {len(large)} events came through in smaller pieces")
    telemetry.account()
    require_exercised(count_responses(telemetry, 413), "no POST was answered with 413")


def taken(number: int, name: str, title: str, status: int, body: str) -> Any:
    """An answer that says by its status that the batch was taken, and nothing that can be read."""
    return pytest.param(
        status,
        body,
        id=name,
        marks=case(
            f"retry/6/{number}",
            Level.SHOULD,
            f"A batch that the server took and answered with {title} is stored once.",
            expected="all stored once, each tab's events in order",
            source=TAKEN,
        ),
    )


@pytest.mark.parametrize(
    ("status", "body"),
    [
        taken(1, "204", "204", 204, ""),
        taken(2, "empty", "an empty 200", 200, ""),
        taken(3, "not-json", "a 200 that is not JSON", 200, "<html>thank you</html>"),
        taken(4, "null", "a 200 that is null", 200, "null"),
    ],
)
def test_unreadable_answer_stores_once(telemetry: Telemetry, status: int, body: str) -> None:
    async def take(route: Route) -> None:
        await route.fetch()
        route.fulfill(status=status, body=body, headers={"Content-Type": "application/json"})

    telemetry.gateway.route(f"POST {telemetry.endpoint}", take, times=1)
    expect_stored_once(telemetry)


@case(
    "retry/6/5",
    Level.SHOULD,
    "A batch that the server took, and whose answer breaks off after its first bytes, is stored once.",
    expected="all stored once, each tab's events in order",
    source=TAKEN,
)
def test_half_an_answer_stores_once(telemetry: Telemetry) -> None:
    telemetry.break_posts("limit_data", bytes=5, times=1)
    expect_stored_once(telemetry)


@case(
    "retry/6/6",
    Level.SHOULD,
    "A batch that the server took, and whose answer is lost as a whole, is neither lost nor stored twice.",
    expected="all stored once, each tab's events in order",
    source=TAKEN,
)
def test_lost_answer_stores_once(telemetry: Telemetry) -> None:
    telemetry.break_posts("drop_response", times=1)
    expect_stored_once(telemetry)


@case(
    "retry/6/7",
    Level.SHOULD,
    "Over an hour in which every second answer is lost, each event is stored once.",
    expected="all stored once, each tab's events in order",
    source=TAKEN,
)
def test_every_second_answer_is_lost(telemetry: Telemetry, observations: Observations) -> None:
    require_virtual_time(telemetry)
    turns = count()

    async def lose_every_second(route: Route) -> None:
        answer = await route.fetch()
        if next(turns) % 2:
            route.fulfill(answer=answer)
        else:
            route.abort()

    tabs = telemetry.open_tabs(2)
    with telemetry.gateway.route(f"POST {telemetry.endpoint}", lose_every_second) as lossy:
        for _ in range(HOUR_PARTS):
            for tab in tabs:
                tab.log()
            telemetry.run_for(HOUR_MS / HOUR_PARTS)
    observations(f"{(len(lossy.routes) + 1) // 2} of {len(lossy.routes)} answers lost")
    expect_all_stored_in_order(telemetry)


@case(
    "retry/7/1",
    Level.MUST,
    f"A POST that hangs for {HANG_MS // 1000} s and then breaks off loses nothing and doubles nothing.",
    expected="all stored once",
    source="wire protocol, failed POST: records go back to the queue",
)
def test_hanging_post_that_breaks_off_is_sent_again(telemetry: Telemetry) -> None:
    log_around_a_hanging_post(telemetry)
    telemetry.flush(4)
    telemetry.run_for(HOUR_MS)
    telemetry.account()


@case(
    "retry/7/3",
    Level.SHOULD,
    f"What is logged while a POST hangs for {HANG_MS // 1000} s is not stored before what the POST carried.",
    expected="all stored once, each tab's events in order",
    source="wire protocol, failed POST: records go back to the front of the queue",
)
def test_hanging_post_changes_no_order(telemetry: Telemetry) -> None:
    log_around_a_hanging_post(telemetry)
    expect_all_stored_in_order(telemetry)


def log_around_a_hanging_post(telemetry: Telemetry) -> None:
    """Log before, while and after a POST hangs, which then breaks off before the server has it."""
    telemetry.break_posts("timeout", timeout_ms=HANG_MS, times=1)
    tab = telemetry.open_tab()
    for _ in range(2):
        tab.log(2)
        telemetry.flush()
    tab.log(2)


@case(
    "retry/7/2",
    Level.SHOULD,
    "A POST that is never answered does not hold up later events for ever.",
    expected="later events stored within an hour",
    source=HANGING,
)
def test_post_without_an_answer_does_not_hold_up_others(
    telemetry: Telemetry, observations: Observations
) -> None:
    require_virtual_time(telemetry)
    telemetry.break_posts("timeout", times=1)
    tab = telemetry.open_tab()
    hung = tab.log(fate=Fate.OPTIONAL)
    advance_until_posted(telemetry)
    telemetry.expect_batches(1, "that is never answered")
    tab.log(2)
    telemetry.flush(4)
    telemetry.run_for(HOUR_MS)
    again = len({event.key for event in hung}.intersection(telemetry.stored))
    observations(f"{again} of {len(hung)} events of the hanging batch came through")
    telemetry.account()
