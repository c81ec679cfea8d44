"""Identity: session, installation and time of a record, and that it is the payload a tab posted.

Whether all tabs of a worker share its session stands in `test_batch.py`.
"""

from __future__ import annotations

from typing import Any

import pytest

from e2e.accounting import Fate
from e2e.case import Finding, Level, case
from e2e.payloads import log_payload, new_event, now_ns
from e2e.report.observed import Observed
from e2e.telemetry import Telemetry

RECORD = "wire protocol, record"
NANOSECONDS_PER_MILLISECOND = 1_000_000
HOUR_NANOSECONDS = 3600 * 1_000_000_000
LARGE_BYTES = 1 << 20


def records_of(telemetry: Telemetry) -> list[dict[str, Any]]:
    """All records that were sent, oldest first."""
    return [record for batch in telemetry.batches for record in batch.records]


def expect_sent_as_posted(telemetry: Telemetry, posted: list[dict[str, Any]], *fields: str) -> None:
    """These fields of each record are what the tab posted. Raises Finding."""
    sent = records_of(telemetry)
    for payload, record in zip(posted, sent, strict=False):
        for field in fields:
            if record.get(field) != payload.get(field):
                raise Finding(f"{field} {payload.get(field)!r:.200}", f"{field} {record.get(field)!r:.200}")
    if len(sent) != len(posted):
        raise Finding(f"{len(posted)} records", f"{len(sent)} records")


def expect_same_moments(telemetry: Telemetry, posted: list[dict[str, Any]]) -> None:
    """Each record's time is within 1 ms of what the tab posted. Raises Finding."""
    for payload, record in zip(posted, records_of(telemetry), strict=True):
        wanted, found = payload["timestamp_ns"], record.get("timestamp_ns")
        # A number of JavaScript is exact to 256 ns here: less than a millisecond, but not nothing.
        is_number = isinstance(found, (int, float)) and not isinstance(found, bool)
        if not is_number or abs(found - wanted) >= NANOSECONDS_PER_MILLISECOND:
            raise Finding(f"timestamp_ns {wanted}, within 1 ms", f"timestamp_ns {found!r}")


@case(
    "identity/1/1",
    Level.MUST,
    "A worker that starts after another has ended is a session of its own.",
    expected="two session ids, none of them empty",
    source=f"{RECORD}: one session a worker",
)
def test_next_worker_is_another_session(telemetry: Telemetry, observed: Observed) -> None:
    tab = telemetry.open_tab()
    for _ in range(2):
        tab.log()
        telemetry.flush()
        worker = telemetry.workers.wait_for()
        tab.page.goto("about:blank")
        worker.wait_until_ended()
        tab = telemetry.open_tab()
    expect_sessions(telemetry, 2)
    observed("2 workers, 2 session ids")
    telemetry.account()


@case(
    "identity/1/2",
    Level.MUST,
    "Two workers side by side are two sessions.",
    expected="two session ids, none of them empty",
    source=f"{RECORD}: one session a worker",
)
def test_workers_side_by_side_are_two_sessions(telemetry: Telemetry) -> None:
    for name in ("one", "other"):
        tab = telemetry.open_tab(connect=False)
        tab.connect(worker_name=name)
        tab.log()
    telemetry.flush(2)
    expect_sessions(telemetry, 2)
    telemetry.account()


def expect_sessions(telemetry: Telemetry, count: int) -> None:
    """As many session ids, texts that are not empty. Raises Finding."""
    sessions = [record.get("session_id") for record in records_of(telemetry)]
    usable = {session for session in sessions if isinstance(session, str) and session}
    if len(usable) != count or not all(session in usable for session in sessions):
        raise Finding(f"{count} session ids that are not empty", f"{sessions}")


@case(
    "identity/1/3",
    Level.MUST,
    "The session of a record is the worker's, whatever the tab says.",
    expected="the worker's session_id",
    source=f"{RECORD}: the payload with the worker's session_id",
)
def test_tab_cannot_name_the_session(telemetry: Telemetry) -> None:
    tab = telemetry.open_tab()
    log_payload(telemetry, tab, {"session_id": "of-the-tab", "params": {}})
    tab.log()
    telemetry.flush(2)
    expect_sessions(telemetry, 1)
    if records_of(telemetry)[0]["session_id"] == "of-the-tab":
        raise Finding("the worker's session_id", "the one in the tab's payload")
    telemetry.account()


@case(
    "identity/1/4",
    Level.MUST,
    "Each record names the installation that its tab named.",
    expected="each tab's own installation_id",
    source=f"{RECORD}: the payload",
)
def test_each_record_keeps_its_installation(telemetry: Telemetry) -> None:
    for tab in telemetry.open_tabs(3):
        tab.log(2)
    telemetry.flush(2)
    wanted = {tab.name: tab.installation_id for tab in telemetry.tabs}
    for batch in telemetry.batches:
        for key, record in zip(batch.keys, batch.records, strict=True):
            if record.get("installation_id") != wanted[key.partition("/")[0]]:
                raise Finding(f"{wanted}", f"{key} with {record.get('installation_id')!r}")
    telemetry.account()


@case(
    "identity/2/1",
    Level.MUST,
    "A record's time is the tab's, in nanoseconds, however long ago it was.",
    expected="timestamp_ns as posted, within 1 ms",
    source="wire protocol, tab → worker: timestamp_ns",
)
def test_time_is_the_tabs(telemetry: Telemetry) -> None:
    tab = telemetry.open_tab()
    now = now_ns(tab)
    moments = [now, now - HOUR_NANOSECONDS, now + 7 * NANOSECONDS_PER_MILLISECOND]
    posted = [log_payload(telemetry, tab, {"timestamp_ns": each, "params": {}}) for each in moments]
    telemetry.flush(2)
    expect_same_moments(telemetry, posted)
    telemetry.account()


@case(
    "identity/2/2",
    Level.MUST,
    "A record's time does not change while it waits for the configuration and is sent a second time.",
    expected="timestamp_ns as posted, within 1 ms",
    source="wire protocol, tab → worker: timestamp_ns",
)
def test_time_stays_while_the_record_waits(telemetry: Telemetry) -> None:
    telemetry.break_config("latency", latency_ms=5_000)
    telemetry.break_posts("status", status=503, times=1)
    tab = telemetry.open_tab()
    posted = [log_payload(telemetry, tab, {"params": {}})]
    telemetry.flush()
    telemetry.advance(telemetry.interval * 4)
    attempts = len(telemetry.batches)
    expect_same_moments(telemetry, posted * attempts)
    telemetry.account()


@case(
    "identity/3/1",
    Level.MUST,
    "Params that the worker does not know arrive as they were posted, whatever their type.",
    expected="params as posted",
    source=f"{RECORD}: the payload",
)
def test_unknown_params_are_kept(telemetry: Telemetry) -> None:
    tab = telemetry.open_tab()
    params = [
        {"componentId": "page.save", "value": "7"},
        {"componentId": "page.save", "value": 7, "ratio": -0.5, "none": None, "yes": True},
        {"componentId": "page.save", "list": [1, [2, {"three": 3}]], "nested": {"a": {"b": {"c": []}}}},
        {"": "empty", "with space": 1, "ключ": "значение"},
    ]
    posted = [log_payload(telemetry, tab, {"params": each}) for each in params]
    telemetry.flush(2)
    expect_sent_as_posted(telemetry, posted, "params")
    telemetry.account()


@case(
    "identity/3/2",
    Level.SHOULD,
    "A param named like a property of every object (__proto__) arrives like any other.",
    expected="params as posted",
    source=f"{RECORD}: the payload",
)
def test_params_named_like_properties_are_kept(telemetry: Telemetry) -> None:
    tab = telemetry.open_tab()
    names = ("__proto__", "constructor", "toJSON", "hasOwnProperty")
    posted = [log_payload(telemetry, tab, {"params": {name: {"x": 1}}}) for name in names]
    telemetry.flush(2)
    expect_sent_as_posted(telemetry, posted, "params")
    telemetry.account()


@case(
    "identity/3/3",
    Level.MUST,
    "The event's name arrives as it was posted.",
    expected="event_name as posted",
    source=f"{RECORD}: the payload",
)
def test_event_name_is_kept(telemetry: Telemetry) -> None:
    tab = telemetry.open_tab()
    names = ("ui_event", "page.view", "ÜBER event", "x" * 500)
    posted = [log_payload(telemetry, tab, {"event_name": name, "params": {}}) for name in names]
    telemetry.flush(2)
    expect_sent_as_posted(telemetry, posted, "event_name")
    telemetry.account()


@pytest.mark.parametrize(
    "absence",
    [
        pytest.param(
            {},
            id="missing",
            marks=case(
                "identity/3/4",
                Level.SHOULD,
                "An event without params is stored like any other.",
                expected="stored",
                source=RECORD,
            ),
        ),
        pytest.param(
            {"params": None},
            id="null",
            marks=case(
                "identity/3/5",
                Level.SHOULD,
                "An event whose params are null is stored like any other.",
                expected="stored",
                source=RECORD,
            ),
        ),
    ],
)
def test_event_without_params_is_stored(telemetry: Telemetry, absence: dict[str, Any]) -> None:
    tab = telemetry.open_tab()
    tab.log()
    log_payload(telemetry, tab, absence)
    tab.log()
    telemetry.flush(2)
    telemetry.account()


def component_ids(number: int, name: str, title: str, *ids: str) -> Any:
    """Component ids of one kind, as a case of its own."""
    return pytest.param(
        ids,
        id=name,
        marks=case(
            f"identity/4/{number}",
            Level.MUST,
            f"A component id {title} arrives character for character.",
            expected="componentId as posted",
            source=f"{RECORD}: the payload",
        ),
    )


@pytest.mark.parametrize(
    "ids",
    [
        component_ids(
            1,
            "unicode",
            "of any Unicode",
            "größe",
            "e\u0301 is not é",
            "保存",
            "حفظ\u200f",
            "\U0001f469\u200d\U0001f680",
        ),
        component_ids(
            2,
            "control",
            "with null bytes, controls and quotes",
            "a\0b",
            "\0",
            "\t\n\r\x7f",
            "\u2028",
            "\"\\'</script>",
        ),
        component_ids(
            3, "properties", "that names a property of every object", "__proto__", "constructor", "toString"
        ),
        component_ids(4, "long", "of 100,000 characters", "x" * 100_000),
        component_ids(
            5, "blank", "that is empty or looks like another type", "", " ", "0", "null", "undefined"
        ),
    ],
)
def test_component_id_is_kept(telemetry: Telemetry, ids: tuple[str, ...]) -> None:
    tab = telemetry.open_tab()
    posted = [log_payload(telemetry, tab, {"params": {"componentId": each}}) for each in ids]
    telemetry.flush(2)
    expect_sent_as_posted(telemetry, posted, "params")
    telemetry.account()


@case(
    "identity/5/1",
    Level.SHOULD,
    "An event of 1 MiB does not cost the others, before it or after it.",
    expected="all others stored",
    source=RECORD,
)
def test_large_event_does_not_cost_the_others(telemetry: Telemetry, observed: Observed) -> None:
    tab = telemetry.open_tab()
    tab.log(2)
    large = {"params": {"componentId": "page.save", "value": "x" * LARGE_BYTES}}
    log_payload(telemetry, tab, large, fate=Fate.EITHER)
    tab.log(2)
    telemetry.flush(4)
    came = any(event.key in telemetry.stored for event in tab.events if event.fate is Fate.EITHER)
    observed(f"the large event was {'stored' if came else 'dropped'}")
    telemetry.account()


@case(
    "identity/5/2",
    Level.SHOULD,
    "An event that JSON cannot express (a BigInt, a cycle) does not cost the others.",
    expected="all others stored",
    source=RECORD,
)
def test_event_beyond_json_does_not_cost_the_others(telemetry: Telemetry) -> None:
    tab = telemetry.open_tab()
    tab.log(2)
    for value in ("7n", "(() => { const cycle = {}; cycle.self = cycle; return cycle; })()"):
        event = new_event(tab, Fate.EITHER)
        message = {
            "type": telemetry.implementation.protocol.log_event,
            "payload": {
                "installation_id": tab.installation_id,
                "event_name": "ui_event",
                "timestamp_ns": now_ns(tab),
                "params": {"componentViewId": event.key},
            },
        }
        tab.page.evaluate(
            f"(message) => {{ message.payload.params.value = {value}; window.port.postMessage(message); }}",
            message,
        )
    tab.log(2)
    telemetry.flush(4)
    telemetry.account()
