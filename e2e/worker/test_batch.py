"""Batch: a worker sends the events of all tabs together, in one session, complete and in order."""

from __future__ import annotations

from collections import Counter

from playwright.sync_api import BrowserContext

from e2e.conformance.case import FindingError, Level, case
from e2e.conformance.report.observations import Observations
from e2e.worker.driver.assertions import expect_one_session, expect_sent_order, expect_separate_sessions
from e2e.worker.driver.system import Telemetry

ONE_SESSION = "wire protocol, record: one session per worker, shared by all tabs"
PAYLOAD_FIELDS = {"installation_id", "event_name", "timestamp_ns", "params"}


@case(
    "batch/1/1",
    Level.MUST,
    "A worker sends the events of three tabs in one POST, with one session id, in each tab's order.",
    expected="1 POST, 1 session id, each tab's events in order",
    source="wire protocol, flush: one POST",
)
def test_records_of_all_tabs_are_sent_in_one_post(telemetry: Telemetry, observations: Observations) -> None:
    tabs = telemetry.open_tabs(3)
    for _ in range(3):
        for tab in tabs:
            tab.log(2)
    telemetry.flush()
    batches = telemetry.expect_batches(1, "for three tabs")
    expect_one_session(telemetry)
    expect_sent_order(telemetry)
    observations(f"{len(batches[0].records)} records of 3 tabs in 1 POST")
    telemetry.account()


@case(
    "batch/1/2",
    Level.MUST,
    "A tab that opens later joins the same session.",
    expected="all stored under one session id",
    source=ONE_SESSION,
)
def test_later_tab_joins_the_session(telemetry: Telemetry) -> None:
    telemetry.open_tab().log()
    telemetry.flush()
    telemetry.open_tab().log()
    telemetry.flush()
    expect_one_session(telemetry)
    telemetry.account()


@case(
    "batch/1/3",
    Level.MUST,
    "Closing one of two tabs loses none of its events.",
    expected="all stored, in one session",
    source=ONE_SESSION,
)
def test_closing_one_of_two_tabs_loses_nothing(telemetry: Telemetry) -> None:
    first, second = telemetry.open_tabs(2)
    for tab in (first, second):
        tab.log(3)
    telemetry.settle()
    first.close()
    second.log(2)
    telemetry.flush()
    expect_one_session(telemetry)
    telemetry.account()


@case(
    "batch/1/4",
    Level.MUST,
    "Reloading one of two tabs keeps the session and loses no event.",
    expected="all stored, in one session",
    source=ONE_SESSION,
)
def test_reloading_one_of_two_tabs_keeps_the_session(telemetry: Telemetry) -> None:
    first, second = telemetry.open_tabs(2)
    for tab in (first, second):
        tab.log(3)
    telemetry.settle()
    first.page.reload()
    first.connect()
    first.log(2)
    telemetry.flush()
    expect_one_session(telemetry)
    telemetry.account()


@case(
    "batch/1/5",
    Level.MUST,
    "Two browser contexts have separate sessions, and no POST carries records of both.",
    expected="two sessions, and no POST with records of both",
    source=ONE_SESSION,
)
def test_two_contexts_have_separate_sessions(telemetry: Telemetry, second_context: BrowserContext) -> None:
    first, second = telemetry.open_tab(), telemetry.open_tab(second_context)
    for tab in (first, second):
        tab.log(2)
    telemetry.flush()
    expect_separate_sessions(telemetry, first, second)
    mixed = [batch.session_ids for batch in telemetry.batches if len(batch.session_ids) > 1]
    if mixed:
        raise FindingError("no POST with records of both", f"a POST with the sessions {sorted(mixed[0])}")
    telemetry.account()


@case(
    "batch/2/1",
    Level.MUST,
    "A record is the payload as the tab posted it, plus the worker's session_id.",
    expected="the payload unchanged, and a session_id",
    source="wire protocol, record",
)
def test_record_is_the_payload_with_a_session(telemetry: Telemetry) -> None:
    tab = telemetry.open_tab()
    tab.log()
    telemetry.flush()
    (record,) = telemetry.expect_batches(1, "for one event")[0].records
    missing = PAYLOAD_FIELDS - record.keys()
    if missing:
        raise FindingError(f"the fields {sorted(PAYLOAD_FIELDS)}", f"{sorted(record)}")
    if record["installation_id"] != tab.installation_id or record["event_name"] != "ui_event":
        raise FindingError("the payload as the tab posted it", f"{record}")
    if not isinstance(record.get("session_id"), str) or not record["session_id"]:
        raise FindingError("a session_id", f"{record.get('session_id')!r}")
    telemetry.account()


@case(
    "batch/2/2",
    Level.MUST,
    "A batch is posted as JSON.",
    expected="Content-Type: application/json",
    source="wire protocol, flush",
)
def test_batch_is_posted_as_json(telemetry: Telemetry) -> None:
    telemetry.open_tab().log()
    telemetry.flush()
    exchange = telemetry.expect_batches(1, "for one event")[0].exchange
    content_type = exchange.request_headers.get("Content-Type", "none")
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise FindingError("Content-Type: application/json", f"Content-Type: {content_type}")
    telemetry.account()


@case(
    "batch/3/1",
    Level.MUST,
    "A worker loses no event of a burst of 500 from three tabs and keeps each tab's order.",
    expected="500 stored, in order",
    source="wire protocol, record",
)
def test_burst_loses_nothing(telemetry: Telemetry) -> None:
    for tab, count in zip(telemetry.open_tabs(3), (200, 200, 100), strict=True):
        tab.log(count)
    telemetry.flush(2)
    expect_sent_order(telemetry)
    telemetry.account()


@case(
    "batch/3/2",
    Level.MUST,
    "A worker does not send stored events again with the next batch.",
    expected="each event in one POST",
    source="wire protocol, flush",
)
def test_stored_events_are_not_sent_again(telemetry: Telemetry) -> None:
    first, second = telemetry.open_tabs(2)
    for _ in range(4):
        first.log()
        second.log()
        telemetry.flush()
    times_sent = Counter(key for batch in telemetry.batches for key in batch.keys)
    again = sorted(key for key, times in times_sent.items() if times > 1)
    if again:
        raise FindingError("each event in one POST", f"sent again: {', '.join(again)}")
    telemetry.account()
