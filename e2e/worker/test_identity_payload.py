"""Identity: a record is the payload that a tab posted, character for character.

Its session, its installation and its time stand in `test_identity.py`.
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
"""A worker may refuse an event for its size, but not one as small as this."""


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
        component_ids(
            5, "blank", "that is empty or looks like another type", "", " ", "0", "null", "undefined"
        ),
        component_ids(6, "long", f"of {LONG_CHARACTERS:,} characters", "x" * LONG_CHARACTERS),
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
def test_large_event_does_not_cost_the_others(telemetry: Telemetry, observations: Observations) -> None:
    tab = telemetry.open_tab()
    tab.log(2)
    large = {"params": {"componentId": "page.save", "value": "x" * LARGE_BYTES}}
    log_payload(telemetry, tab, large, fate=Fate.OPTIONAL)
    tab.log(2)
    telemetry.flush(4)
    came = any(event.key in telemetry.stored for event in tab.events if event.fate is Fate.OPTIONAL)
    observations(f"the large event was {'stored' if came else 'dropped'}")
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
