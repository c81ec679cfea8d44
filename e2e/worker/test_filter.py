"""Filter: which events `disable_ui_events` drops. A list that is none stands in `test_config.py`."""

from __future__ import annotations

from typing import Any

import pytest

from e2e.conformance.accounting import Fate
from e2e.conformance.case import Level, case
from e2e.worker.driver.payloads import log_payload
from e2e.worker.driver.system import Telemetry

PROTOCOL = "wire protocol, filter"
MANY = 50


def named(number: int, name: str, level: Level, requirement: str, names: list[str], **fates: Any) -> Any:
    """A list of names, and which component ids it drops and passes."""
    return pytest.param(
        names,
        fates["dropped"],
        fates["passed"],
        id=name,
        marks=case(
            f"filter/1/{number}",
            level,
            requirement,
            expected="the events of the named components dropped, all others stored",
            source=PROTOCOL,
        ),
    )


@pytest.mark.parametrize(
    ("names", "dropped", "passed"),
    [
        named(
            1,
            "several",
            Level.MUST,
            f"Every name of a list of {MANY} counts, the first, one in the middle and the last.",
            [f"page.{number}" for number in range(MANY)],
            dropped=["page.0", f"page.{MANY // 2}", f"page.{MANY - 1}"],
            passed=[f"page.{MANY}", "page."],
        ),
        named(
            2,
            "empty-list",
            Level.MUST,
            "An empty list filters nothing.",
            [],
            dropped=[],
            passed=["page.save", "", "[]"],
        ),
        named(
            3,
            "case",
            Level.MUST,
            "Names are compared letter for letter: neither case nor spaces nor accents are made alike.",
            ["page.save"],
            dropped=["page.save"],
            passed=["Page.Save", "page.save ", " page.save", "page.sáve", "pagexsave", "page.save\0"],
        ),
        named(
            4,
            "properties",
            Level.MUST,
            "Names of properties that every object has are names like any other.",
            ["__proto__", "constructor"],
            dropped=["__proto__", "constructor"],
            passed=["toString", "hasOwnProperty", "valueOf"],
        ),
        named(
            5,
            "empty-name",
            Level.MUST,
            "An empty name filters the component whose id is empty, and no other.",
            [""],
            dropped=[""],
            passed=["page.save", " "],
        ),
    ],
)
def test_list_drops_what_it_names(
    telemetry: Telemetry, names: list[str], dropped: list[str], passed: list[str]
) -> None:
    telemetry.configure(disable_ui_events=names)
    tab = telemetry.open_tab()
    for component in dropped:
        tab.log(component=component, fate=Fate.DROPPED)
    for component in passed:
        tab.log(component=component)
    telemetry.flush(2)
    telemetry.account()


@case(
    "filter/2/1",
    Level.SHOULD,
    "An event without a componentId, or without params, is in no list: it passes.",
    expected="all stored",
    source=PROTOCOL,
)
def test_event_without_a_component_passes(telemetry: Telemetry) -> None:
    telemetry.configure(disable_ui_events=["page.save", "undefined", "null"])
    tab = telemetry.open_tab()
    tab.log(component="page.save", fate=Fate.DROPPED)
    payloads: list[dict[str, Any]] = [{}, {"params": None}, {"params": {}}, {"params": {"componentId": None}}]
    for payload in payloads:
        log_payload(telemetry, tab, payload)
    telemetry.flush(2)
    telemetry.account()


@case(
    "filter/2/2",
    Level.SHOULD,
    "An event without a componentId is not one whose componentId is empty.",
    expected="only the event whose componentId is empty is dropped",
    source=PROTOCOL,
)
def test_missing_component_is_not_an_empty_one(telemetry: Telemetry) -> None:
    telemetry.configure(disable_ui_events=[""])
    tab = telemetry.open_tab()
    tab.log(component="", fate=Fate.DROPPED)
    payloads: list[dict[str, Any]] = [{}, {"params": {}}]
    for payload in payloads:
        log_payload(telemetry, tab, payload)
    telemetry.flush(2)
    telemetry.account()


@case(
    "filter/2/3",
    Level.SHOULD,
    "A componentId that is no string is in no list of strings: it passes, and costs no other event.",
    expected="all stored but the events of the named component",
    source=PROTOCOL,
)
def test_component_that_is_no_string_passes(telemetry: Telemetry) -> None:
    telemetry.configure(disable_ui_events=["7", "true", "page.save", "[object Object]"])
    tab = telemetry.open_tab()
    components: list[object] = [7, True, ["page.save"], {}]
    for component in components:
        log_payload(telemetry, tab, {"params": {"componentId": component}})
    tab.log(component="page.save", fate=Fate.DROPPED)
    tab.log()
    telemetry.flush(2)
    telemetry.account()


@case(
    "filter/3/1",
    Level.MUST,
    "The list holds for all tabs, also for one that opens later.",
    expected="the named component's events dropped in every tab, all others stored",
    source=f"{PROTOCOL}; one configuration a worker",
)
def test_list_holds_for_all_tabs(telemetry: Telemetry) -> None:
    telemetry.configure(disable_ui_events=["page.save"])
    telemetry.open_tabs(2)
    for _ in range(2):
        for tab in telemetry.tabs:
            tab.log(component="page.save", fate=Fate.DROPPED)
            tab.log()
        telemetry.flush()
        telemetry.open_tab()
    telemetry.flush()
    telemetry.account()


@case(
    "filter/3/2",
    Level.MUST,
    "The list holds for events that were logged before it was there.",
    expected="the named component's events dropped, all others stored",
    source=PROTOCOL,
)
def test_list_holds_for_events_that_waited(telemetry: Telemetry) -> None:
    telemetry.configure(disable_ui_events=["page.save"])
    telemetry.break_config("latency", latency_ms=5_000)
    tab = telemetry.open_tab()
    tab.log(2, component="page.save", fate=Fate.DROPPED)
    tab.log(2)
    telemetry.flush(2)
    telemetry.account()
