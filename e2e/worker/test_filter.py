"""Filter: which events `disable_ui_events` drops. Values that are not a list: see `test_config.py`."""

from __future__ import annotations

from typing import Any

import pytest

from e2e.conformance.accounting import Fate
from e2e.conformance.case import Level, case
from e2e.worker.driver.payloads import log_payload
from e2e.worker.driver.system import Telemetry
from pytest_sharedworker import Latency

PROTOCOL = "wire protocol, filter"
MANY = 50


def make_list(number: int, name: str, level: Level, requirement: str, names: list[str], **fates: Any) -> Any:
    """Return the parameter of one case: a list of names, and the component ids that it drops and passes."""
    return pytest.param(
        names,
        fates["dropped"],
        fates["passed"],
        id=name,
        marks=case(
            f"filter/1/{number}",
            level,
            requirement,
            expected="the events of the listed components dropped, all others stored",
            source=PROTOCOL,
        ),
    )


@pytest.mark.parametrize(
    ("names", "dropped", "passed"),
    [
        make_list(
            1,
            "several",
            Level.MUST,
            f"A worker applies every name of a list of {MANY}: the first, a middle one and the last.",
            [f"page.{number}" for number in range(MANY)],
            dropped=["page.0", f"page.{MANY // 2}", f"page.{MANY - 1}"],
            passed=[f"page.{MANY}", "page."],
        ),
        make_list(
            2,
            "empty-list",
            Level.MUST,
            "A worker filters nothing if the list is empty.",
            [],
            dropped=[],
            passed=["page.save", "", "[]"],
        ),
        make_list(
            3,
            "case",
            Level.MUST,
            "A worker compares names exactly: case, spaces and accents count.",
            ["page.save"],
            dropped=["page.save"],
            passed=["Page.Save", "page.save ", " page.save", "page.sáve", "pagexsave", "page.save\0"],
        ),
        make_list(
            4,
            "properties",
            Level.MUST,
            "A worker treats names that are properties of every object like any other name.",
            ["__proto__", "constructor"],
            dropped=["__proto__", "constructor"],
            passed=["toString", "hasOwnProperty", "valueOf"],
        ),
        make_list(
            5,
            "empty-name",
            Level.MUST,
            "A worker filters only the component with an empty id if the list has an empty name.",
            [""],
            dropped=[""],
            passed=["page.save", " "],
        ),
    ],
)
def test_filter_drops_only_listed_components(
    telemetry: Telemetry, names: list[str], dropped: list[str], passed: list[str]
) -> None:
    telemetry.configure(disable_ui_events=names)
    tab = telemetry.open_tab()
    for component in dropped:
        tab.log(component=component, fate=Fate.FORBIDDEN)
    for component in passed:
        tab.log(component=component)
    telemetry.flush(2)
    telemetry.account()


@case(
    "filter/2/1",
    Level.SHOULD,
    "A worker passes an event without a componentId, or without params.",
    expected="all stored",
    source=PROTOCOL,
)
def test_event_without_a_component_passes(telemetry: Telemetry) -> None:
    telemetry.configure(disable_ui_events=["page.save", "undefined", "null"])
    tab = telemetry.open_tab()
    tab.log(component="page.save", fate=Fate.FORBIDDEN)
    payloads: list[dict[str, Any]] = [{}, {"params": None}, {"params": {}}, {"params": {"componentId": None}}]
    for payload in payloads:
        log_payload(telemetry, tab, payload)
    telemetry.flush(2)
    telemetry.account()


@case(
    "filter/2/2",
    Level.SHOULD,
    "A worker does not take a missing componentId for an empty one.",
    expected="only the event whose componentId is empty is dropped",
    source=PROTOCOL,
)
def test_missing_component_does_not_match_an_empty_name(telemetry: Telemetry) -> None:
    telemetry.configure(disable_ui_events=[""])
    tab = telemetry.open_tab()
    tab.log(component="", fate=Fate.FORBIDDEN)
    payloads: list[dict[str, Any]] = [{}, {"params": {}}]
    for payload in payloads:
        log_payload(telemetry, tab, payload)
    telemetry.flush(2)
    telemetry.account()


@case(
    "filter/2/3",
    Level.SHOULD,
    "A worker passes an event whose componentId is not a string, and loses no other event because of it.",
    expected="all stored except the events of the listed component",
    source=PROTOCOL,
)
def test_component_that_is_not_a_string_passes(telemetry: Telemetry) -> None:
    telemetry.configure(disable_ui_events=["7", "true", "page.save", "[object Object]"])
    tab = telemetry.open_tab()
    components: list[object] = [7, True, ["page.save"], {}]
    for component in components:
        log_payload(telemetry, tab, {"params": {"componentId": component}})
    tab.log(component="page.save", fate=Fate.FORBIDDEN)
    tab.log()
    telemetry.flush(2)
    telemetry.account()


@case(
    "filter/3/1",
    Level.MUST,
    "A worker applies the list to all tabs, also to one that opens later.",
    expected="the listed component's events dropped in every tab, all others stored",
    source=f"{PROTOCOL}; one configuration per worker",
)
def test_filter_applies_to_all_tabs(telemetry: Telemetry) -> None:
    telemetry.configure(disable_ui_events=["page.save"])
    telemetry.open_tabs(2)
    for _ in range(2):
        for tab in telemetry.tabs:
            tab.log(component="page.save", fate=Fate.FORBIDDEN)
            tab.log()
        telemetry.flush()
        telemetry.open_tab()
    telemetry.flush()
    telemetry.account()


@case(
    "filter/3/2",
    Level.MUST,
    "A worker applies the list to events that were logged before the list arrived.",
    expected="the listed component's events dropped, all others stored",
    source=PROTOCOL,
)
def test_filter_applies_to_waiting_events(telemetry: Telemetry) -> None:
    telemetry.configure(disable_ui_events=["page.save"])
    telemetry.break_config(Latency(latency=5_000))
    tab = telemetry.open_tab()
    tab.log(2, component="page.save", fate=Fate.FORBIDDEN)
    tab.log(2)
    telemetry.flush(2)
    telemetry.account()
