"""Load: many events, large ones, odd ones, outages. How fast time passes is measured in `bench/clock.py`."""

from __future__ import annotations

import pytest

from e2e.accounting import Fate
from e2e.case import Finding, Level, case
from e2e.elsewhere import limit_bodies
from e2e.order import expect_order
from e2e.patience import HOUR_SECONDS, MOST_REFUSALS, all_stored, give_time, refused
from e2e.report.observed import Observed
from e2e.sessions import expect_one_session
from e2e.telemetry import Telemetry

TABS = 10
OUTAGE_EVENTS = 20_000
LEAST_KEPT_EVENTS = 10_000
BURST_EVENTS = 300
MEBIBYTE = 1 << 20
LARGEST_BODY_BYTES = 5 * MEBIBYTE // 4
"""What a POST may measure that is meant to be of 1 MiB, with a quarter for what is around the records."""
HEAP_BYTES = 64 * MEBIBYTE
HEAP_EVENTS = 8 * 2_500
HEAP_COMPONENT = "component-" * 400
BAD_MINUTES = 5
BACKWARDS = "\u202e"
COMPONENTS = (
    "", " ", "a" * 2_000, "\0", "a\0b", "\x01\x1f\x7f\x80", "\"'\\/</script>", "\r\n\t\u2028\u2029",
    "\ufeff\ufffe", f"{BACKWARDS}gnp", "é e\u0301", "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "\U0010ffff", "実験", "\u05ea\u05e6\u05d5\u05d2\u05d4",
    "__proto__", "constructor", "toString", "hasOwnProperty", "null", "0", "-0", "NaN", "[]", "{}",
)  # fmt: skip


@pytest.mark.virtual_tabs
@case(
    "load/1/1",
    Level.MUST,
    "In an hour in which ten tabs log an event a second, each is stored once, in a POST an interval.",
    expected=f"{TABS * HOUR_SECONDS:,} events stored once, in one POST an interval",
    source="wire protocol, flush",
)
def test_an_hour_of_ten_tabs(telemetry: Telemetry, observed: Observed) -> None:
    if telemetry.workers.clock_kind == "real":
        pytest.skip("needs an hour of real time; run it on the virtual clock")
    for tab in telemetry.open_tabs(TABS):
        tab.log(HOUR_SECONDS, interval_ms=1_000)
    telemetry.advance(HOUR_SECONDS)
    telemetry.flush()
    posts, intervals = len(telemetry.batches), HOUR_SECONDS / telemetry.interval
    if posts > intervals + 1:
        raise Finding(f"at most {intervals + 1:.0f} POST", f"{posts} POST")
    observed(f"{len(telemetry.stored):,} events in {posts} POST")
    telemetry.account()


@case(
    "load/1/2",
    Level.MUST,
    "Ten tabs that log at the same time lose nothing, each tab's events stay in order.",
    expected=f"{TABS * BURST_EVENTS:,} events stored once, in order, in one session",
    source="wire protocol, flush and record",
)
def test_ten_tabs_at_once(telemetry: Telemetry) -> None:
    tabs = telemetry.open_tabs(TABS)
    for tab in tabs:
        tab.log(BURST_EVENTS)
    telemetry.flush(2)
    expect_order(telemetry)
    expect_one_session(telemetry)
    telemetry.account()


@case(
    "load/2/1",
    Level.SHOULD,
    f"Of {OUTAGE_EVENTS:,} events logged while the server is down at least {LEAST_KEPT_EVENTS:,} are stored"
    " when it is back, in order, and all that comes after them.",
    expected=f"at least {LEAST_KEPT_EVENTS:,} of them stored once, in order; the later ones too",
    source="data safety: an outage is bridged up to a bound that is known",
)
def test_twenty_thousand_events_in_an_outage(telemetry: Telemetry, observed: Observed) -> None:
    tab = telemetry.open_tab()
    telemetry.settle()
    with telemetry.gateway.toxic("down"):
        tab.log(OUTAGE_EVENTS, fate=Fate.EITHER)
        telemetry.flush(2)
    telemetry.advance(HOUR_SECONDS)
    tab.log(2)
    telemetry.advance(HOUR_SECONDS)
    expect_order(telemetry)
    kept = len(set(telemetry.stored)) - 2
    observed(f"{kept:,} of {OUTAGE_EVENTS:,} events in {len(telemetry.batches)} POST")
    if kept < LEAST_KEPT_EVENTS:
        raise Finding(f"at least {LEAST_KEPT_EVENTS:,} events stored", f"{kept:,} events stored")
    telemetry.account()


@case(
    "load/2/2",
    Level.SHOULD,
    "What an outage has piled up leaves in bodies of about 1 MiB at most.",
    expected="no body larger than 1.25 MiB, all stored once",
    source="data safety: servers and proxies limit bodies, nginx to 1 MiB where nothing else is configured",
)
def test_bodies_after_an_outage_are_bounded(telemetry: Telemetry, observed: Observed) -> None:
    tab = telemetry.open_tab()
    telemetry.settle()
    with telemetry.gateway.toxic("down"):
        tab.log(LEAST_KEPT_EVENTS)
        telemetry.flush(2)
    telemetry.advance(HOUR_SECONDS)
    largest = max((len(batch.exchange.body) for batch in telemetry.batches), default=0)
    observed(f"the largest body has {largest:,} bytes")
    if largest > LARGEST_BODY_BYTES:
        raise Finding(f"at most {LARGEST_BODY_BYTES:,} bytes in a body", f"{largest:,} bytes")
    telemetry.account()


@case(
    "load/2/3",
    Level.SHOULD,
    "An outage does not make the worker's memory grow without bound.",
    expected=f"at most {HEAP_BYTES // MEBIBYTE} MiB of heap after {HEAP_EVENTS:,} events of 4 KB",
    source="data safety: telemetry must not take the browser down",
)
def test_memory_in_an_outage_is_bounded(telemetry: Telemetry, observed: Observed) -> None:
    if not telemetry.workers.is_chromium:
        pytest.skip("only Chromium tells how much memory a SharedWorker uses")
    tab = telemetry.open_tab()
    telemetry.settle()
    with telemetry.gateway.toxic("down"):
        for _ in range(8):
            tab.log(HEAP_EVENTS // 8, component=HEAP_COMPONENT, fate=Fate.EITHER)
            telemetry.settle()
        used = telemetry.workers.wait_for().heap_used()
    observed(f"{used / MEBIBYTE:.1f} MiB")
    if used > HEAP_BYTES:
        raise Finding(f"at most {HEAP_BYTES // MEBIBYTE} MiB", f"{used / MEBIBYTE:.1f} MiB")
    telemetry.account()


@case(
    "load/3/1",
    Level.SHOULD,
    "One event too large for the proxy in front does not hold up the small ones beside it.",
    expected="all small events stored once",
    source="data safety: a batch that is refused for its size (413) is sent in parts",
)
def test_one_large_event_beside_small_ones(telemetry: Telemetry) -> None:
    limit_bodies(telemetry, MEBIBYTE)
    tab = telemetry.open_tab()
    small = tab.log(2)
    tab.log(component="x" * MEBIBYTE, fate=Fate.EITHER)
    small += tab.log(2)

    def enough() -> bool:
        return all_stored(telemetry, small) or refused(telemetry, 413) >= MOST_REFUSALS

    give_time(telemetry, enough)
    telemetry.account()


@case(
    "load/3/2",
    Level.MUST,
    "An event of 1 MiB is sent like any other where the server takes it.",
    expected="all stored once, in order",
    source="wire protocol, record: the payload with the session",
)
def test_one_large_event(telemetry: Telemetry) -> None:
    tab = telemetry.open_tab()
    tab.log(2)
    tab.log(component="x" * MEBIBYTE)
    tab.log(2)
    telemetry.flush(4)
    expect_order(telemetry)
    telemetry.account()


@case(
    "load/4/1",
    Level.MUST,
    "Component ids of any characters arrive as they were: Unicode, controls, names of Object's own.",
    expected="all stored once, each id as it was logged",
    source="wire protocol, record: the payload with the session",
)
def test_components_of_any_characters(telemetry: Telemetry) -> None:
    tab = telemetry.open_tab()
    logged = {tab.log(component=component)[0].key: component for component in COMPONENTS}
    telemetry.flush(2)
    for batch in telemetry.batches:
        for key, record in zip(batch.keys, batch.records, strict=True):
            arrived = record["params"].get("componentId")
            if key in logged and arrived != logged[key]:
                raise Finding(f"componentId {logged[key]!r:.80}", f"{arrived!r:.80}")
    telemetry.account()


@case(
    "load/5/1",
    Level.MUST,
    f"{BAD_MINUTES} minutes of late answers, every second one a 500, lose and double nothing.",
    expected="all stored once, at most an hour after the bad minutes",
    source="wire protocol, failed POST",
)
def test_five_bad_minutes(telemetry: Telemetry) -> None:
    tabs = telemetry.open_tabs(2)
    bad = telemetry.break_posts("status", status=500, probability=0.5, seed=3)
    late = telemetry.break_posts("latency", latency_ms=8_000, jitter_ms=8_000, probability=0.5, seed=5)
    with bad, late:
        for _ in range(int(BAD_MINUTES * 60 / telemetry.interval)):
            for tab in tabs:
                tab.log(3)
            telemetry.flush()
    telemetry.advance(HOUR_SECONDS)
    telemetry.account()
