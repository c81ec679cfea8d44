"""Identity: payloads of tabs that set an identity to nothing, or cut a text inside a character."""

from __future__ import annotations

from typing import Any

import pytest

from e2e.conformance.case import FindingError, Level, case
from e2e.worker.driver.payloads import log_changed_payload
from e2e.worker.driver.system import Telemetry

ABSENT = "ECMAScript, structured clone and JSON: a property that is undefined is absent"
WELL_FORMED = "RFC 8259, 8.2: receivers of half a surrogate behave unpredictably, and may refuse the record"
HALF = "String.fromCharCode(0xd83d)"
"""The first half of an emoji: what is left where a text is cut after so many UTF-16 units."""
OTHER_HALF = "String.fromCharCode(0xde00)"


def make_absent(number: int, name: str, change: str) -> Any:
    """Return the parameter of one case: what a tab sets to undefined."""
    return pytest.param(
        change,
        id=name,
        marks=case(
            f"identity/7/{number}",
            Level.MUST,
            f"A worker loses no event of a tab that sets {name} to undefined.",
            expected="all stored once",
            source=ABSENT,
        ),
    )


@pytest.mark.parametrize(
    "change",
    [
        make_absent(1, "tab_id", "payload.tab_id = undefined"),
        make_absent(2, "seq", "payload.seq = undefined"),
        make_absent(3, "tab_id and seq", "payload.tab_id = undefined; payload.seq = undefined"),
        make_absent(4, "session_id", "payload.session_id = undefined"),
    ],
)
def test_undefined_identity_loses_no_event(telemetry: Telemetry, change: str) -> None:
    for tab in telemetry.open_tabs(2):
        for _ in range(3):
            log_changed_payload(telemetry, tab, change)
        tab.log()
    telemetry.flush(4)
    telemetry.account()


def make_half(number: int, name: str, title: str, change: str) -> Any:
    """Return the parameter of one case: where a tab has half of a surrogate pair."""
    return pytest.param(
        change,
        id=name,
        marks=case(
            f"identity/8/{number}",
            Level.SHOULD,
            f"A worker loses no event because of half of a surrogate pair in {title}.",
            expected="all stored once",
            source=WELL_FORMED,
        ),
    )


@pytest.mark.parametrize(
    "change",
    [
        make_half(1, "value", "a param", f"payload.params.value = 'cut' + {HALF}"),
        make_half(2, "component", "its componentId", f"payload.params.componentId = {OTHER_HALF} + 'cut'"),
        make_half(3, "key", "the name of a param", f"payload.params['cut' + {HALF}] = 1"),
        make_half(4, "nested", "a list in a param", f"payload.params.value = [{{ text: {HALF} + {HALF} }}]"),
        make_half(5, "event", "its event_name", f"payload.event_name = {HALF} + 'cut'"),
        make_half(6, "installation", "its installation_id", f"payload.installation_id += {OTHER_HALF}"),
    ],
)
def test_half_a_character_costs_no_event(telemetry: Telemetry, change: str) -> None:
    tab = telemetry.open_tab()
    tab.log()
    log_changed_payload(telemetry, tab, change)
    tab.log()
    telemetry.flush(4)
    telemetry.account()


@case(
    "identity/8/7",
    Level.MUST,
    "A worker keeps an emoji, and a text that looks like an escaped half of one.",
    expected="all stored once, each text as logged",
    source="wire protocol, record: the payload with the session",
)
def test_whole_characters_are_kept(telemetry: Telemetry) -> None:
    tab = telemetry.open_tab()
    texts = ["\U0001f600", "\\ud83d", "\\\\ud83d", 'a"\\udE00', "\\\U0001f600"]
    logged = {tab.log(component=text)[0].key: text for text in texts}
    telemetry.flush(4)
    for batch in telemetry.batches:
        for key, record in zip(batch.keys, batch.records, strict=True):
            if record["params"]["componentId"] != logged[key]:
                raise FindingError(f"componentId {logged[key]!r}", f"{record['params']['componentId']!r}")
    telemetry.account()
