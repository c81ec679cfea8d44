"""Load: what piles up while the server is down, and how it leaves when the server is back."""

from __future__ import annotations

import pytest

from e2e.conformance.accounting import Fate
from e2e.conformance.case import FindingError, Level, case
from e2e.conformance.report.observations import Observations
from e2e.worker.driver.assertions import expect_stored_order
from e2e.worker.driver.system import Telemetry, set_fate
from e2e.worker.driver.waiting import HOUR_MS

OUTAGE_EVENTS = 20_000
OUTAGE_PARTS = 20
LEAST_KEPT_EVENTS = 10_000
MANY_EVENTS = 15_000
LAST_EVENTS = 100
KIBIBYTE = 1 << 10
MEBIBYTE = 1 << 20
LARGEST_BODY_BYTES = 5 * MEBIBYTE // 4
"""What a POST may measure that is meant to be of 1 MiB, with a quarter for what is around the records."""
HEAP_BYTES = 64 * MEBIBYTE
HEAP_EVENTS = 8 * 2_500
FOUR_KILOBYTES = "component-" * 400
MOST_RECORDS = 500
MOST_RECORDS_BYTES = 512 * KIBIBYTE
AROUND_RECORDS_BYTES = KIBIBYTE


@case(
    "load/2/1",
    Level.SHOULD,
    f"Of {OUTAGE_EVENTS:,} events logged while the server is down at least {LEAST_KEPT_EVENTS:,} are stored"
    " when it is back, in order, and all that comes after them.",
    expected=f"at least {LEAST_KEPT_EVENTS:,} of them stored once, in order; the later ones too",
    source="data safety: an outage is bridged up to a bound that is known",
)
def test_twenty_thousand_events_in_an_outage(telemetry: Telemetry, observations: Observations) -> None:
    tab = telemetry.open_tab()
    telemetry.settle()
    with telemetry.gateway.toxic("down"):
        for _ in range(OUTAGE_PARTS):
            tab.log(OUTAGE_EVENTS // OUTAGE_PARTS, fate=Fate.OPTIONAL)
            telemetry.settle()
        telemetry.flush(2)
    telemetry.run_for(HOUR_MS)
    tab.log(2)
    telemetry.run_for(HOUR_MS)
    expect_stored_order(telemetry)
    kept = len(set(telemetry.stored)) - 2
    observations(f"{kept:,} of {OUTAGE_EVENTS:,} events in {len(telemetry.batches)} POST")
    if kept < LEAST_KEPT_EVENTS:
        raise FindingError(f"at least {LEAST_KEPT_EVENTS:,} events stored", f"{kept:,} events stored")
    telemetry.account()


@case(
    "load/2/2",
    Level.SHOULD,
    "What an outage has piled up leaves in bodies of about 1 MiB at most.",
    expected="no body larger than 1.25 MiB, all stored once",
    source="data safety: servers and proxies limit bodies, nginx to 1 MiB where nothing else is configured",
)
def test_bodies_after_an_outage_are_bounded(telemetry: Telemetry, observations: Observations) -> None:
    tab = telemetry.open_tab()
    telemetry.settle()
    with telemetry.gateway.toxic("down"):
        tab.log(LEAST_KEPT_EVENTS)
        telemetry.flush(2)
    telemetry.run_for(HOUR_MS)
    largest = max((len(batch.exchange.request_body) for batch in telemetry.batches), default=0)
    observations(f"the largest body has {largest:,} bytes")
    if largest > LARGEST_BODY_BYTES:
        raise FindingError(f"at most {LARGEST_BODY_BYTES:,} bytes in a body", f"{largest:,} bytes")
    telemetry.account()


@case(
    "load/2/3",
    Level.SHOULD,
    "An outage does not make the worker's memory grow without bound.",
    expected=f"at most {HEAP_BYTES // MEBIBYTE} MiB of heap after {HEAP_EVENTS:,} events of 4 KB",
    source="data safety: telemetry must not take the browser down",
)
def test_memory_in_an_outage_is_bounded(telemetry: Telemetry, observations: Observations) -> None:
    if not telemetry.workers.is_chromium:
        pytest.skip("only Chromium tells how much memory a SharedWorker uses")
    tab = telemetry.open_tab()
    telemetry.settle()
    with telemetry.gateway.toxic("down"):
        for _ in range(8):
            tab.log(HEAP_EVENTS // 8, component=FOUR_KILOBYTES, fate=Fate.OPTIONAL)
            telemetry.settle()
        used = telemetry.workers.wait_for().heap_used()
    observations(f"{used / MEBIBYTE:.1f} MiB")
    if used > HEAP_BYTES:
        raise FindingError(f"at most {HEAP_BYTES // MEBIBYTE} MiB", f"{used / MEBIBYTE:.1f} MiB")
    telemetry.account()


@case(
    "load/2/4",
    Level.SHOULD,
    f"What an outage has piled up leaves in batches of at most {MOST_RECORDS} records and"
    f" {MOST_RECORDS_BYTES // KIBIBYTE} KiB.",
    expected="no larger batch, all stored once, in order",
    source="wire protocol, upstream batches: 500 records a request at most; data safety: half of what nginx"
    " lets pass where nothing else is configured",
)
def test_batches_after_an_outage_are_small(telemetry: Telemetry, observations: Observations) -> None:
    tab = telemetry.open_tab()
    telemetry.settle()
    with telemetry.gateway.toxic("down"):
        tab.log(3 * MOST_RECORDS)
        tab.log(MOST_RECORDS, component=FOUR_KILOBYTES)
        telemetry.flush(2)
    telemetry.run_for(HOUR_MS)
    records = max((len(batch.records) for batch in telemetry.batches), default=0)
    size = max((len(batch.exchange.decoded_body) for batch in telemetry.batches), default=0)
    said = f"up to {records} records and {size:,} bytes in a batch"
    observations(said)
    if records > MOST_RECORDS or size > MOST_RECORDS_BYTES + AROUND_RECORDS_BYTES:
        raise FindingError(f"at most {MOST_RECORDS} records and {MOST_RECORDS_BYTES:,} bytes of them", said)
    telemetry.account()
    expect_stored_order(telemetry)


@case(
    "load/2/5",
    Level.SHOULD,
    f"Of {MANY_EVENTS:,} events logged in an outage the last {LAST_EVENTS} are stored: what is new counts.",
    expected=f"the last {LAST_EVENTS} stored once",
    source="data safety: where something has to go, the oldest goes first",
)
def test_newest_events_of_an_outage_are_kept(telemetry: Telemetry) -> None:
    tab = telemetry.open_tab()
    telemetry.settle()
    with telemetry.gateway.toxic("down"):
        for _ in range(OUTAGE_PARTS):
            tab.log(MANY_EVENTS // OUTAGE_PARTS, fate=Fate.OPTIONAL)
            telemetry.settle()
    set_fate(tab.events[-LAST_EVENTS:], Fate.STORED)
    telemetry.run_for(HOUR_MS)
    telemetry.account()
