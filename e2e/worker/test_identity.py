"""Identity: session, installation and time of a record.

`test_batch.py` covers the session that all tabs of a worker share, `test_identity_payload.py` the rest of the
payload.
"""

from __future__ import annotations

from typing import Any

from e2e.conformance.accounting import get_event_key
from e2e.conformance.case import FindingError, Level, case
from e2e.conformance.preconditions import require_supported
from e2e.conformance.report.observations import Observations
from e2e.worker.driver.payloads import find_sent_records, get_sent_records, get_time_ns, log_payload
from e2e.worker.driver.retry import drain
from e2e.worker.driver.system import Telemetry
from pytest_sharedworker import HttpStatus, Latency

RECORD = "wire protocol, record"
NANOSECONDS_PER_MILLISECOND = 1_000_000
HOUR_NANOSECONDS = 3600 * 1_000_000_000


def expect_posted_times(telemetry: Telemetry, posted: list[dict[str, Any]]) -> None:
    """Require that each record's time is within 1 ms of what the tab posted. Raise FindingError."""
    for payload in posted:
        expected = payload["timestamp_ns"]
        for record in find_sent_records(telemetry, payload):
            found = record.get("timestamp_ns")
            # JavaScript rounds a number of this size to 256 ns, so the two may differ.
            is_number = isinstance(found, (int, float)) and not isinstance(found, bool)
            if not is_number or abs(found - expected) >= NANOSECONDS_PER_MILLISECOND:
                raise FindingError(f"timestamp_ns {expected}, within 1 ms", f"timestamp_ns {found!r}")


@case(
    "identity/1/1",
    Level.MUST,
    "A worker that starts after another one has ended has its own session.",
    expected="two session ids, neither of them empty",
    source=f"{RECORD}: one session per worker",
)
def test_next_worker_has_another_session(telemetry: Telemetry, observations: Observations) -> None:
    for _ in range(2):
        tab = telemetry.open_tab()
        tab.log()
        telemetry.flush()
        worker = telemetry.workers.wait_for()
        tab.page.goto("about:blank")
        worker.wait_for_close()
    expect_sessions(telemetry, 2)
    observations("2 workers, 2 session ids")
    telemetry.account()


@case(
    "identity/1/2",
    Level.MUST,
    "Two workers that run at the same time have two sessions.",
    expected="two session ids, neither of them empty",
    source=f"{RECORD}: one session per worker",
)
def test_concurrent_workers_have_two_sessions(telemetry: Telemetry) -> None:
    for name in ("one", "other"):
        tab = telemetry.open_tab(connect=False)
        tab.connect(worker_name=name)
        tab.log()
    telemetry.flush(2)
    expect_sessions(telemetry, 2)
    telemetry.account()


def expect_sessions(telemetry: Telemetry, count: int) -> None:
    """Require `count` distinct session ids, all of them non-empty strings. Raise FindingError."""
    sessions = [record.get("session_id") for record in get_sent_records(telemetry)]
    usable = {session for session in sessions if isinstance(session, str) and session}
    if len(usable) != count or not all(session in usable for session in sessions):
        raise FindingError(f"{count} non-empty session ids", f"{sessions}")


@case(
    "identity/1/3",
    Level.MUST,
    "A record has the worker's session, whatever session the tab names.",
    expected="the worker's session_id",
    source=f"{RECORD}: the payload with the worker's session_id",
)
def test_tab_cannot_choose_the_session(telemetry: Telemetry) -> None:
    tab = telemetry.open_tab()
    log_payload(telemetry, tab, {"session_id": "of-the-tab", "params": {}})
    tab.log()
    telemetry.flush(2)
    expect_sessions(telemetry, 1)
    if any(record["session_id"] == "of-the-tab" for record in get_sent_records(telemetry)):
        raise FindingError("the worker's session_id", "the one in the tab's payload")
    telemetry.account()


@case(
    "identity/1/4",
    Level.MUST,
    "A record has the installation_id that its tab posted.",
    expected="each tab's own installation_id",
    source=f"{RECORD}: the payload",
)
def test_each_record_keeps_its_installation(telemetry: Telemetry) -> None:
    for tab in telemetry.open_tabs(3):
        tab.log(2)
    telemetry.flush(2)
    installations = {tab.name: tab.installation_id for tab in telemetry.tabs}
    for batch in telemetry.batches:
        for key, record in zip(batch.keys, batch.records, strict=True):
            if record.get("installation_id") != installations[key.partition("/")[0]]:
                raise FindingError(f"{installations}", f"{key} with {record.get('installation_id')!r}")
    telemetry.account()


@case(
    "identity/2/1",
    Level.MUST,
    "A record has the tab's timestamp in nanoseconds, however old it is.",
    expected="timestamp_ns as posted, within 1 ms",
    source="wire protocol, tab → worker: timestamp_ns",
)
def test_record_has_the_timestamp_of_the_tab(telemetry: Telemetry) -> None:
    tab = telemetry.open_tab()
    now = get_time_ns(tab)
    times = [now, now - HOUR_NANOSECONDS, now + 7 * NANOSECONDS_PER_MILLISECOND]
    posted = [log_payload(telemetry, tab, {"timestamp_ns": each, "params": {}}) for each in times]
    telemetry.flush(2)
    expect_posted_times(telemetry, posted)
    telemetry.account()


@case(
    "identity/2/2",
    Level.MUST,
    "A record keeps its timestamp while it waits for the configuration and is sent a second time.",
    expected="timestamp_ns as posted, within 1 ms",
    source="wire protocol, tab → worker: timestamp_ns",
)
def test_timestamp_does_not_change_while_the_record_waits(telemetry: Telemetry) -> None:
    telemetry.break_config(Latency(latency=5_000))
    telemetry.break_posts(HttpStatus(503), times=1)
    tab = telemetry.open_tab()
    posted = [log_payload(telemetry, tab, {"params": {}})]
    drain(telemetry)
    expect_posted_times(telemetry, posted)
    telemetry.account()


@case(
    "identity/6/1",
    Level.SHOULD,
    "A worker keeps an event's identity (tab_id and seq) when it sends the event again after a failed POST.",
    expected="one identity per event, however often it is sent, and no identity for two events",
    source="data safety: the identity lets a server store a repeated event once",
)
def test_identity_does_not_change_when_sent_again(telemetry: Telemetry, observations: Observations) -> None:
    tabs = telemetry.open_tabs(2)
    with telemetry.break_posts(HttpStatus(503)):
        for tab in tabs:
            tab.log(2)
        telemetry.flush(2)
    drain(telemetry)
    identities: dict[str, set[tuple[object, object]]] = {}
    for record in get_sent_records(telemetry):
        identities.setdefault(get_event_key(record), set()).add((record.get("tab_id"), record.get("seq")))
    carried = set().union(*identities.values())
    require_supported(carried != {(None, None)}, "records carry no identity")
    changed = {key: sorted(map(str, each)) for key, each in identities.items() if len(each) > 1}
    if changed:
        raise FindingError("one identity per event", f"{changed}")
    if len(carried) < len(identities):
        raise FindingError(f"{len(identities)} identities for {len(identities)} events", f"{len(carried)}")
    observations(f"{len(identities)} events, sent {len(get_sent_records(telemetry))} times")
    telemetry.account()
