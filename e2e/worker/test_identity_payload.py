"""Identity: a record is the payload that a tab posted, character for character.

`test_identity.py` covers its session, its installation and its time.
"""

from __future__ import annotations

from typing import Any

import pytest

from e2e.conformance.accounting import Fate
from e2e.conformance.case import Level, case
from e2e.conformance.report.observations import Observations
from e2e.worker.driver.payloads import expect_sent_as_posted, get_time_ns, log_payload, register_event
from e2e.worker.driver.system import Telemetry

RECORD = "wire protocol, record"
LARGE_BYTES = 1 << 20
LONG_CHARACTERS = 30_000
"""A worker may reject an event for its size, but not one as small as this."""


@case(
    "identity/3/1",
    Level.MUST,
    "A worker sends params that it does not know unchanged, whatever their type.",
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
    "A worker sends a param named like a property of every object (__proto__) unchanged.",
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
    "A worker sends the event's name unchanged.",
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


def make_component_ids(number: int, name: str, title: str, *ids: str) -> Any:
    """Return the parameter of one case: component ids of one kind."""
    return pytest.param(
        ids,
        id=name,
        marks=case(
            f"identity/4/{number}",
            Level.MUST,
            f"A worker sends a component id {title} unchanged, character for character.",
            expected="componentId as posted",
            source=f"{RECORD}: the payload",
        ),
    )


@pytest.mark.parametrize(
    "ids",
    [
        make_component_ids(
            1,
            "unicode",
            "of any Unicode",
            "größe",
            "e\u0301 is not é",
            "保存",
            "حفظ\u200f",
            "\U0001f469\u200d\U0001f680",
        ),
        make_component_ids(
            2,
            "control",
            "with null bytes, control characters and quotes",
            "a\0b",
            "\0",
            "\t\n\r\x7f",
            "\u2028",
            "\"\\'</script>",
        ),
        make_component_ids(
            3, "properties", "that names a property of every object", "__proto__", "constructor", "toString"
        ),
        make_component_ids(
            5, "blank", "that is empty or looks like another type", "", " ", "0", "null", "undefined"
        ),
        make_component_ids(6, "long", f"of {LONG_CHARACTERS:,} characters", "x" * LONG_CHARACTERS),
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
    "A worker loses no other event, earlier or later, because of an event of 1 MiB.",
    expected="all others stored",
    source=RECORD,
)
def test_large_event_loses_no_other_event(telemetry: Telemetry, observations: Observations) -> None:
    tab = telemetry.open_tab()
    tab.log(2)
    large = {"params": {"componentId": "page.save", "value": "x" * LARGE_BYTES}}
    log_payload(telemetry, tab, large, fate=Fate.OPTIONAL)
    tab.log(2)
    telemetry.flush(4)
    is_stored = any(event.key in telemetry.stored for event in tab.events if event.fate is Fate.OPTIONAL)
    observations(f"the large event was {'stored' if is_stored else 'dropped'}")
    telemetry.account()


@case(
    "identity/5/2",
    Level.SHOULD,
    "A worker loses no other event because of one that JSON cannot express (a BigInt, a cycle).",
    expected="all others stored",
    source=RECORD,
)
def test_event_beyond_json_loses_no_other_event(telemetry: Telemetry) -> None:
    tab = telemetry.open_tab()
    tab.log(2)
    for value in ("7n", "(() => { const cycle = {}; cycle.self = cycle; return cycle; })()"):
        event = register_event(tab, Fate.OPTIONAL)
        message = {
            "type": telemetry.implementation.protocol.log_event,
            "payload": {
                "installation_id": tab.installation_id,
                "event_name": "ui_event",
                "timestamp_ns": get_time_ns(tab),
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
