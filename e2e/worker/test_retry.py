"""Retry: a batch that fails returns to the front of the queue and is sent with a later flush.

`test_retry_responses.py` covers responses that reject a batch, are damaged or never arrive.
"""

from __future__ import annotations

from typing import Any

import pytest

from e2e.conformance.case import Level, case
from e2e.worker.driver.retry import expect_all_stored_in_order, require_virtual_time
from e2e.worker.driver.system import Telemetry
from e2e.worker.driver.waiting import DAY_MS, HOUR_MS, advance_until_applied
from pytest_sharedworker import Down, HttpStatus, Latency, ResetPeer, Timeout, Toxic

PROTOCOL = "wire protocol, failed POST: the records return to the front of the queue"
OUTAGE_INTERVALS = 40


def make_failure(number: int, name: str, title: str, toxic: Toxic) -> Any:
    """Return the parameter of one case: a POST that fails before the server accepts it."""
    return pytest.param(
        toxic,
        id=name,
        marks=case(
            f"retry/1/{number}",
            Level.MUST,
            f"A worker keeps a batch whose POST {title}, and sends it again before later events.",
            expected="all stored once, each tab's events in order",
            source=PROTOCOL,
        ),
    )


@pytest.mark.parametrize(
    "toxic",
    [
        make_failure(1, "500", "gets a 500", HttpStatus(500)),
        make_failure(2, "503", "gets a 503", HttpStatus(503)),
        make_failure(3, "reset", "is cut off by a reset", ResetPeer()),
        make_failure(4, "refused", "fails because the connection is refused", Down()),
    ],
)
def test_failed_batch_is_sent_again(telemetry: Telemetry, toxic: Toxic) -> None:
    first, second = telemetry.open_tabs(2)
    telemetry.settle()  # The worker has its configuration now.
    # Down works on connections: it affects the whole origin, not one path.
    is_down = isinstance(toxic, Down)
    fault = telemetry.gateway.add_toxic(toxic) if is_down else telemetry.break_posts(toxic)
    with fault:
        for tab in (first, second):
            tab.log(2)
        telemetry.flush(2)
    for tab in (first, second):
        tab.log(2)
    expect_all_stored_in_order(telemetry)


@case(
    "retry/2/1",
    Level.MUST,
    "A failed batch returns in front of the events that were logged while it was in flight.",
    expected="all stored once, each tab's events in order",
    source=PROTOCOL,
)
def test_failed_batch_precedes_events_logged_meanwhile(telemetry: Telemetry) -> None:
    telemetry.break_posts(Latency(latency=5_000), stream="upstream", times=1)
    telemetry.break_posts(HttpStatus(500), times=1)
    tab = telemetry.open_tab()
    tab.log(2)
    telemetry.flush()
    tab.log(2)
    expect_all_stored_in_order(telemetry)


@case(
    "retry/2/2",
    Level.MUST,
    f"Events that two tabs log in a server outage of {OUTAGE_INTERVALS} intervals are stored afterwards.",
    expected="all stored once, each tab's events in order",
    source=PROTOCOL,
)
def test_long_outage_loses_nothing(telemetry: Telemetry) -> None:
    require_virtual_time(telemetry)
    first, second = telemetry.open_tabs(2)
    with telemetry.break_posts(HttpStatus(503)):
        for _ in range(OUTAGE_INTERVALS // 5):
            first.log()
            second.log()
            telemetry.flush(5)
    first.log()
    expect_all_stored_in_order(telemetry)


@case(
    "retry/2/3",
    Level.MUST,
    "A worker loses and duplicates nothing if POSTs fail in every way, one after the other.",
    expected="all stored once, each tab's events in order",
    source=PROTOCOL,
)
def test_failures_of_every_kind_in_a_row(telemetry: Telemetry) -> None:
    require_virtual_time(telemetry)
    tab = telemetry.open_tab()
    toxics: list[Toxic] = [HttpStatus(500), ResetPeer(), HttpStatus(502), Timeout(5_000), HttpStatus(503)]
    for toxic in toxics:
        fault = telemetry.break_posts(toxic, times=1)
        tab.log(2)
        advance_until_applied(telemetry, fault)
    expect_all_stored_in_order(telemetry)


@case(
    "retry/3/1",
    Level.MUST,
    "Events logged while the browser is offline are stored when it is online again.",
    expected="all stored once, each tab's events in order",
    source="wire protocol, flush: when the browser is online",
)
def test_offline_loses_nothing(telemetry: Telemetry) -> None:
    first, second = telemetry.open_tabs(2)
    telemetry.settle()
    with telemetry.workers.wait_for().offline():
        first.log(2)
        telemetry.flush()
        second.log(2)
        telemetry.flush(2)
    first.log(2)
    expect_all_stored_in_order(telemetry)


@case(
    "retry/3/2",
    Level.MUST,
    "Events logged in a day without a network are stored when the browser is online again.",
    expected="all stored once, each tab's events in order",
    source="wire protocol, flush: when the browser is online",
)
def test_a_day_offline_loses_nothing(telemetry: Telemetry) -> None:
    require_virtual_time(telemetry)
    first, second = telemetry.open_tabs(2)
    telemetry.settle()
    with telemetry.workers.wait_for().offline():
        for _ in range(DAY_MS // HOUR_MS):
            first.log(2)
            second.log()
            telemetry.run_for(HOUR_MS)
    first.log(2)
    expect_all_stored_in_order(telemetry)
