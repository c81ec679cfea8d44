"""Load: the events that a worker queues while the server is down, and how it sends them afterwards."""

from __future__ import annotations

import pytest

from e2e.conformance.accounting import Fate
from e2e.conformance.case import FindingError, Level, case
from e2e.conformance.report.observations import Observations
from e2e.worker.driver.assertions import expect_stored_order
from e2e.worker.driver.system import Telemetry, set_fate
from e2e.worker.driver.waiting import MAX_BACKOFF_MS
from pytest_sharedworker import Down, UnsupportedError

OUTAGE_EVENTS = 20_000
OUTAGE_PARTS = 20
MIN_KEPT_EVENTS = 10_000
MANY_EVENTS = 15_000
LAST_EVENTS = 100
KIBIBYTE = 1 << 10
MEBIBYTE = 1 << 20
MAX_BODY_BYTES = 5 * MEBIBYTE // 4
"""The largest size of a body that a worker limits to about 1 MiB, with a quarter as tolerance."""
HEAP_BYTES = 64 * MEBIBYTE
HEAP_EVENTS = 8 * 2_500
FOUR_KILOBYTES = "component-" * 400
MAX_BATCH_RECORDS = 500
MAX_BATCH_BYTES = 512 * KIBIBYTE
AROUND_RECORDS_BYTES = KIBIBYTE


@case(
    "load/2/1",
    Level.SHOULD,
    f"Of {OUTAGE_EVENTS:,} events logged while the server is down, at least {MIN_KEPT_EVENTS:,} are stored"
    " afterwards, in order, and so are all later events.",
    expected=f"at least {MIN_KEPT_EVENTS:,} of them stored once, in order; all later ones too",
    source="data safety: the queue covers an outage up to a known bound",
)
def test_half_of_twenty_thousand_events_survive_an_outage(
    telemetry: Telemetry, observations: Observations
) -> None:
    tab = telemetry.open_tab()
    telemetry.settle()
    with telemetry.gateway.add_toxic(Down()):
        for _ in range(OUTAGE_PARTS):
            tab.log(OUTAGE_EVENTS // OUTAGE_PARTS, fate=Fate.OPTIONAL)
            telemetry.settle()
        telemetry.flush(2)
    telemetry.run_for(MAX_BACKOFF_MS)
    tab.log(2)
    telemetry.run_for(MAX_BACKOFF_MS)
    expect_stored_order(telemetry)
    kept = len(set(telemetry.stored)) - 2
    observations(f"{kept:,} of {OUTAGE_EVENTS:,} events in {len(telemetry.batches)} POST")
    if kept < MIN_KEPT_EVENTS:
        raise FindingError(f"at least {MIN_KEPT_EVENTS:,} events stored", f"{kept:,} events stored")
    telemetry.account()


@case(
    "load/2/2",
    Level.SHOULD,
    "A worker sends the backlog of an outage in bodies of about 1 MiB at most.",
    expected="no body larger than 1.25 MiB, all stored once",
    source="data safety: servers and proxies limit bodies, nginx to 1 MiB by default",
)
def test_body_size_after_an_outage_is_bounded(telemetry: Telemetry, observations: Observations) -> None:
    tab = telemetry.open_tab()
    telemetry.settle()
    with telemetry.gateway.add_toxic(Down()):
        tab.log(MIN_KEPT_EVENTS)
        telemetry.flush(2)
    telemetry.run_for(MAX_BACKOFF_MS)
    largest = max((len(batch.exchange.request_body) for batch in telemetry.batches), default=0)
    observations(f"the largest body has {largest:,} bytes")
    if largest > MAX_BODY_BYTES:
        raise FindingError(f"at most {MAX_BODY_BYTES:,} bytes in a body", f"{largest:,} bytes")
    telemetry.account()


@case(
    "load/2/3",
    Level.SHOULD,
    "A worker's memory does not grow without bound in an outage.",
    expected=f"at most {HEAP_BYTES // MEBIBYTE} MiB of heap after {HEAP_EVENTS:,} events of 4 KB",
    source="data safety: telemetry must not crash the browser",
)
def test_memory_in_an_outage_is_bounded(telemetry: Telemetry, observations: Observations) -> None:
    tab = telemetry.open_tab()
    telemetry.settle()
    with telemetry.gateway.add_toxic(Down()):
        for _ in range(8):
            tab.log(HEAP_EVENTS // 8, component=FOUR_KILOBYTES, fate=Fate.OPTIONAL)
            telemetry.settle()
        try:
            used = telemetry.workers.wait_for().heap_used()
        except UnsupportedError as error:
            pytest.skip(str(error))
    observations(f"{used / MEBIBYTE:.1f} MiB")
    if used > HEAP_BYTES:
        raise FindingError(f"at most {HEAP_BYTES // MEBIBYTE} MiB", f"{used / MEBIBYTE:.1f} MiB")
    telemetry.account()


@case(
    "load/2/4",
    Level.SHOULD,
    f"A worker sends the backlog of an outage in batches of at most {MAX_BATCH_RECORDS} records and"
    f" {MAX_BATCH_BYTES // KIBIBYTE} KiB.",
    expected="no larger batch, all stored once, in order",
    source="wire protocol, upstream batches: at most 500 records per request; data safety: half of nginx's"
    " default limit",
)
def test_batch_size_after_an_outage_is_bounded(telemetry: Telemetry, observations: Observations) -> None:
    tab = telemetry.open_tab()
    telemetry.settle()
    with telemetry.gateway.add_toxic(Down()):
        tab.log(3 * MAX_BATCH_RECORDS)
        tab.log(MAX_BATCH_RECORDS, component=FOUR_KILOBYTES)
        telemetry.flush(2)
    telemetry.run_for(MAX_BACKOFF_MS)
    records = max((len(batch.records) for batch in telemetry.batches), default=0)
    size = max((len(batch.exchange.decoded_body) for batch in telemetry.batches), default=0)
    seen = f"up to {records} records and {size:,} bytes in a batch"
    observations(seen)
    if records > MAX_BATCH_RECORDS or size > MAX_BATCH_BYTES + AROUND_RECORDS_BYTES:
        raise FindingError(f"at most {MAX_BATCH_RECORDS} records and {MAX_BATCH_BYTES:,} bytes of them", seen)
    telemetry.account()
    expect_stored_order(telemetry)


@case(
    "load/2/5",
    Level.SHOULD,
    f"Of {MANY_EVENTS:,} events logged in an outage, the last {LAST_EVENTS} are stored.",
    expected=f"the last {LAST_EVENTS} stored once",
    source="data safety: a full queue drops its oldest events first",
)
def test_newest_events_of_an_outage_are_kept(telemetry: Telemetry) -> None:
    tab = telemetry.open_tab()
    telemetry.settle()
    with telemetry.gateway.add_toxic(Down()):
        for _ in range(OUTAGE_PARTS):
            tab.log(MANY_EVENTS // OUTAGE_PARTS, fate=Fate.OPTIONAL)
            telemetry.settle()
    set_fate(tab.events[-LAST_EVENTS:], Fate.STORED)
    telemetry.run_for(MAX_BACKOFF_MS)
    telemetry.account()
