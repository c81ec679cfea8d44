"""Losses: an event that a worker drops is counted, and the count reaches the server with a later batch.

A worker whose batches carry no `dropped` reports no losses: these cases do not apply to it. What a bound or a
rejection drops at all is covered by the families of those subjects.
"""

from __future__ import annotations

import pytest

from e2e.conformance.accounting import Fate
from e2e.conformance.case import FindingError, Level, case
from e2e.conformance.preconditions import require_exercised, require_supported
from e2e.conformance.report.observations import Observations
from e2e.worker.driver.payloads import log_changed_payload
from e2e.worker.driver.requests import advance_until_posted
from e2e.worker.driver.retry import drain, require_virtual_time
from e2e.worker.driver.system import Telemetry
from e2e.worker.driver.tab import Tab
from e2e.worker.driver.waiting import HOUR_MS, MAX_BACKOFF_MS, count_responses
from pytest_sharedworker import HttpStatus, Latency, Route

COUNTED = "protocol extension, losses: the counters are totals of the session's events that are never posted"
BURST = 25_000
NO_REPORTS = "the worker reports no losses"
LARGE_CHARACTERS = 100_000
REFUSED = 7


def get_reports(telemetry: Telemetry) -> dict[str, int]:
    """Return for each session how many events it has reported as dropped or filtered."""
    reports: dict[str, int] = {}
    for batch in telemetry.batches:
        body = batch.exchange.json()
        counts = [body.get("dropped"), body.get("filtered")]
        if all(isinstance(count, int) for count in counts):
            session = str(body.get("session_id"))
            reports[session] = max(reports.get(session, 0), sum(counts))
    return reports


def open_reporting_tab(telemetry: Telemetry) -> Tab:
    """Open a tab and send its first event; skip the case if the batch carries no counters."""
    tab = telemetry.open_tab()
    tab.log()
    advance_until_posted(telemetry)
    require_supported(get_reports(telemetry), NO_REPORTS)
    return tab


def expect_all_counted(telemetry: Telemetry, observations: Observations, refused: int = 0) -> None:
    """Require that each event is stored, or counted once as dropped or filtered. Raise FindingError.

    `refused`: how many events tabs have refused, and told the worker.
    """
    reports = get_reports(telemetry)
    require_supported(reports, NO_REPORTS)
    logged, stored, counted = len(telemetry.events), len(set(telemetry.stored)), sum(reports.values())
    seen = f"{stored:,} stored and {counted:,} counted as dropped or filtered"
    observations(seen)
    if stored + counted != logged + refused:
        raise FindingError(f"{logged + refused:,} events stored or counted", seen)
    telemetry.account()


@case(
    "losses/1/1",
    Level.SHOULD,
    f"A worker counts what it drops of {BURST:,} events that are logged before its configuration arrives.",
    expected="each event stored, or counted as dropped",
    source=COUNTED,
)
def test_burst_before_the_config_is_counted(telemetry: Telemetry, observations: Observations) -> None:
    require_virtual_time(telemetry)
    first = open_reporting_tab(telemetry)
    worker = telemetry.workers.wait_for()
    first.close()
    worker.wait_for_close()
    telemetry.break_config(Latency(latency=5_000))
    tab = telemetry.open_tab()
    tab.log(BURST, fate=Fate.OPTIONAL)
    telemetry.run_for(10_000)
    tab.log()
    telemetry.run_for(HOUR_MS)
    tab.log()
    drain(telemetry)
    expect_all_counted(telemetry, observations)


@case(
    "losses/1/2",
    Level.SHOULD,
    f"A worker counts what it drops of {BURST:,} events that are logged while the server is down.",
    expected="each event stored, or counted as dropped",
    source=COUNTED,
)
def test_overflow_in_an_outage_is_counted(telemetry: Telemetry, observations: Observations) -> None:
    require_virtual_time(telemetry)
    tab = open_reporting_tab(telemetry)
    with telemetry.break_posts(HttpStatus(503)):
        for _ in range(5):
            tab.log(BURST // 5, fate=Fate.OPTIONAL)
            telemetry.flush()
    telemetry.run_for(HOUR_MS)
    tab.log()
    drain(telemetry)
    expect_all_counted(telemetry, observations)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(
            f"payload.params.value = 'x'.repeat({LARGE_CHARACTERS})",
            id="large",
            marks=case(
                "losses/1/3",
                Level.SHOULD,
                f"A worker counts an event of {LARGE_CHARACTERS // 1000} KB that it drops for its size.",
                expected="each event stored, or counted as dropped",
                source=COUNTED,
            ),
        ),
        pytest.param(
            "payload.params.value = 7n",
            id="not-json",
            marks=case(
                "losses/1/4",
                Level.SHOULD,
                "A worker counts an event that it drops because JSON cannot express it.",
                expected="each event stored, or counted as dropped",
                source=COUNTED,
            ),
        ),
        pytest.param(
            "m.payload = null",
            id="no-payload",
            marks=case(
                "losses/1/5",
                Level.SHOULD,
                "A worker counts an event without a payload.",
                expected="each event stored, or counted as dropped",
                source=COUNTED,
            ),
        ),
    ],
)
def test_dropped_event_is_counted(telemetry: Telemetry, observations: Observations, change: str) -> None:
    tab = telemetry.open_tab()
    tab.log()
    for _ in range(2):
        log_changed_payload(telemetry, tab, change, fate=Fate.OPTIONAL)
    telemetry.flush()
    tab.log()
    telemetry.flush(4)
    expect_all_counted(telemetry, observations)


@case(
    "losses/1/6",
    Level.SHOULD,
    "A worker counts the events of a batch that the server rejects for good (400).",
    expected="each event stored, or counted as dropped",
    source=COUNTED,
)
def test_rejected_batch_is_counted(telemetry: Telemetry, observations: Observations) -> None:
    require_virtual_time(telemetry)

    def refuse(route: Route) -> None:
        if b"page.poison" in route.exchange.decoded_body:
            route.fulfill(status=400, json={"error": "body_not_json"})
        else:
            route.fallback()

    telemetry.route_posts(refuse)
    tab = telemetry.open_tab()
    tab.log(3, component="page.poison", fate=Fate.OPTIONAL)
    telemetry.flush()
    tab.log()
    drain(telemetry)
    tab.log()
    drain(telemetry)
    require_exercised(count_responses(telemetry, 400), "no POST got a 400")
    expect_all_counted(telemetry, observations)


@case(
    "losses/1/7",
    Level.SHOULD,
    "A worker counts the events that it drops because no configuration could be read yet.",
    expected="each event stored, or counted as dropped",
    source=COUNTED,
)
def test_events_without_a_config_are_counted(telemetry: Telemetry, observations: Observations) -> None:
    require_virtual_time(telemetry)
    with telemetry.override_config("broken", 500):
        tab = telemetry.open_tab()
        tab.log(3, fate=Fate.OPTIONAL)
        telemetry.flush(4)
    telemetry.run_for(MAX_BACKOFF_MS)
    tab.log()
    drain(telemetry)
    require_supported(telemetry.batches, "the worker reads its configuration only once")
    expect_all_counted(telemetry, observations)


@case(
    "losses/1/8",
    Level.SHOULD,
    "A worker counts the events that it filters.",
    expected="each event stored, or counted as filtered",
    source=COUNTED,
)
def test_filtered_events_are_counted(telemetry: Telemetry, observations: Observations) -> None:
    telemetry.configure(disable_ui_events=["page.save"])
    for tab in telemetry.open_tabs(2):
        tab.log(3, component="page.save", fate=Fate.FORBIDDEN)
        tab.log()
    telemetry.flush(2)
    expect_all_counted(telemetry, observations)


@case(
    "losses/2/1",
    Level.SHOULD,
    "A worker reports the events that its tabs have refused.",
    expected=f"the {REFUSED} refused events of each of two tabs counted once",
    source="protocol extension, VISIBILITY: `dropped` counts what the tab has refused since its last message",
)
def test_refused_events_of_tabs_are_counted(telemetry: Telemetry, observations: Observations) -> None:
    tabs = telemetry.open_tabs(2)
    for tab in tabs:
        tab.post({"type": telemetry.implementation.protocol.visibility, "hidden": False, "dropped": REFUSED})
        tab.log()
    telemetry.flush()
    tabs[0].post({"type": telemetry.implementation.protocol.visibility, "hidden": False, "dropped": 0})
    tabs[0].log()
    telemetry.flush(2)
    expect_all_counted(telemetry, observations, refused=2 * REFUSED)


@pytest.mark.parametrize(
    "dropped",
    [
        pytest.param(
            value,
            id=value,
            marks=case(
                f"losses/2/{number}",
                Level.SHOULD,
                f"A tab that reports {value} refused events spoils no batch, and no counter.",
                expected="all stored, and every counter a whole number that is not negative",
                source=COUNTED,
            ),
        )
        for number, value in enumerate(["'7'", "1.5", "-3", "Infinity", "NaN"], start=2)
    ],
)
def test_bad_count_of_a_tab_spoils_nothing(telemetry: Telemetry, dropped: str) -> None:
    tab = open_reporting_tab(telemetry)
    message = {"type": telemetry.implementation.protocol.visibility, "hidden": False}
    tab.page.evaluate(f"(m) => window.port.postMessage({{ ...m, dropped: {dropped} }})", message)
    tab.log(2)
    telemetry.flush(4)
    for batch in telemetry.batches:
        body = batch.exchange.json()
        counts = [body.get("dropped"), body.get("filtered")]
        if not all(type(count) is int and count >= 0 for count in counts):
            raise FindingError("whole numbers, not negative", f"dropped and filtered of {counts}")
    telemetry.account()
