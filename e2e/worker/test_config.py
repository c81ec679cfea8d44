"""Config: what the worker does with the configuration, above all when there is none.

Every case with a broken configuration watches ten flush intervals: what had to be dropped must not be
sent then or later. Which events a configuration filters out stands here too; by how much it samples
stands in `test_sampling.py`.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from e2e.conformance.accounting import Fate
from e2e.conformance.case import FindingError, Level, case
from e2e.worker.driver.system import ENABLED, Telemetry

PROTOCOL = "wire protocol, GET"
MISSING_VALUES = "wire protocol, missing values"
SERVED = {key: value for key, value in ENABLED.items() if key != "disable_telemetry"}
WATCHED_INTERVALS = 10


def without(key: str) -> dict[str, object]:
    """The configuration as served, less one value."""
    return {name: value for name, value in SERVED.items() if name != key}


def expect_all_dropped(telemetry: Telemetry) -> None:
    """Log from two tabs, one of them late, and see that none of it ever leaves."""
    telemetry.open_tab().log(3, fate=Fate.DROPPED)
    telemetry.flush()
    telemetry.open_tab().log(2, fate=Fate.DROPPED)
    telemetry.flush(WATCHED_INTERVALS)
    telemetry.expect_batches(0, "without a usable configuration")
    telemetry.account()


def expect_all_stored(telemetry: Telemetry) -> None:
    """Log from two tabs and see that all of it arrives."""
    for tab in telemetry.open_tabs(2):
        tab.log(2)
    telemetry.flush(2)
    telemetry.account()


@case(
    "config/1/1",
    Level.MUST,
    "The configuration is read once a worker, not once a tab.",
    expected="one GET for three tabs",
    source=PROTOCOL,
)
def test_three_tabs_cost_one_configuration_request(telemetry: Telemetry) -> None:
    for tab in telemetry.open_tabs(3):
        tab.log()
    telemetry.flush(2)
    requests = len(telemetry.config_requests)
    if requests != 1:
        raise FindingError("1 GET for 3 tabs", f"{requests} GET")
    telemetry.account()


def unreadable(number: int, name: str, title: str, toxic: str, **attributes: Any) -> Any:
    """One way in which the configuration cannot be read, as a case of its own."""
    return pytest.param(
        toxic,
        attributes,
        id=name,
        marks=case(
            f"config/2/{number}",
            Level.MUST,
            f"Where the configuration is {title}, every event is dropped, then and later.",
            expected="no POST in ten intervals",
            source=MISSING_VALUES,
        ),
    )


def answered(number: int, name: str, title: str, body: str, status: int = 200) -> Any:
    """A configuration answered with something unusable."""
    return unreadable(number, name, title, "status", status=status, body=body)


@pytest.mark.parametrize(
    ("toxic", "attributes"),
    [
        answered(1, "404", "not found (404)", "not found", 404),
        answered(2, "500", "an error (500)", "broken", 500),
        answered(3, "not-json", "not JSON", "<html>welcome</html>"),
        answered(4, "empty-object", "an empty object", "{}"),
        answered(5, "null", "null", "null"),
        answered(6, "list", "a list", "[]"),
        unreadable(7, "reset", "cut off by a reset", "reset_peer"),
        unreadable(8, "refused", "refused with the connection", "down", at_worker_start=True),
        unreadable(9, "never", "never answered", "timeout"),
        unreadable(10, "half", "half an answer", "limit_data", bytes=20),
        answered(11, "empty", "an empty answer", ""),
        answered(12, "500-enabled", "an error with a usable body", json.dumps(SERVED), 500),
    ],
)
def test_events_are_dropped_without_a_configuration(
    telemetry: Telemetry, toxic: str, attributes: dict[str, Any]
) -> None:
    if toxic == "down":
        if telemetry.workers.clock_kind == "real":
            pytest.skip("only a prologue knows the moment before the worker's first line")
        with telemetry.gateway.toxic("down", **attributes):
            telemetry.open_tab().log(3, fate=Fate.DROPPED)
            telemetry.settle()
        telemetry.flush(WATCHED_INTERVALS)
        telemetry.expect_batches(0, "without a usable configuration")
        telemetry.account()
    else:
        telemetry.break_config(toxic, **attributes)
        expect_all_dropped(telemetry)


@case(
    "config/3/1",
    Level.MUST,
    "Where disable_ui_telemetry is missing, every event is dropped.",
    expected="no POST in ten intervals",
    source=MISSING_VALUES,
)
def test_missing_switch_counts_as_disabled(telemetry: Telemetry) -> None:
    telemetry.override_config(without("disable_ui_telemetry"))
    expect_all_dropped(telemetry)


@case(
    "config/3/2",
    Level.MUST,
    "Where ui_rollout_percentage is missing, it is 0.",
    expected="no POST in ten intervals",
    source=MISSING_VALUES,
)
def test_missing_percentage_counts_as_zero(telemetry: Telemetry) -> None:
    telemetry.override_config(without("ui_rollout_percentage"))
    expect_all_dropped(telemetry)


@case(
    "config/3/3",
    Level.SHOULD,
    "Where disable_ui_events is missing, no component is filtered out.",
    expected="all events stored",
    source=f"{MISSING_VALUES}: only the other two have a value that drops",
)
def test_missing_filter_filters_nothing(telemetry: Telemetry) -> None:
    telemetry.override_config(without("disable_ui_events"))
    expect_all_stored(telemetry)


def wrong_switch(number: int, name: str, level: Level, value: object) -> Any:
    """A disable_ui_telemetry that is no boolean."""
    return pytest.param(
        value,
        id=name,
        marks=case(
            f"config/4/{number}",
            level,
            f"A disable_ui_telemetry of {value!r} cannot be read as false: every event is dropped.",
            expected="no POST in ten intervals",
            source=f"{MISSING_VALUES}: unreadable",
        ),
    )


@pytest.mark.parametrize(
    "value",
    [
        wrong_switch(1, "null", Level.MUST, None),
        wrong_switch(2, "string", Level.MUST, "false"),
        wrong_switch(3, "list", Level.MUST, []),
        wrong_switch(4, "zero", Level.SHOULD, 0),
        wrong_switch(5, "empty-string", Level.SHOULD, ""),
    ],
)
def test_unreadable_switch_counts_as_disabled(telemetry: Telemetry, value: object) -> None:
    telemetry.override_config({**SERVED, "disable_ui_telemetry": value})
    expect_all_dropped(telemetry)


def wrong_percentage(number: int, name: str, level: Level, value: object) -> Any:
    """A ui_rollout_percentage that is no number."""
    return pytest.param(
        value,
        id=name,
        marks=case(
            f"config/5/{number}",
            level,
            f"A ui_rollout_percentage of {value!r} is no number and counts as missing: 0.",
            expected="no POST in ten intervals",
            source=MISSING_VALUES,
        ),
    )


@pytest.mark.parametrize(
    "value",
    [
        wrong_percentage(1, "null", Level.MUST, None),
        wrong_percentage(2, "object", Level.MUST, {}),
        wrong_percentage(3, "string", Level.SHOULD, "100"),
        wrong_percentage(4, "list", Level.SHOULD, [100]),
    ],
)
def test_unreadable_percentage_counts_as_zero(telemetry: Telemetry, value: object) -> None:
    telemetry.override_config({**SERVED, "ui_rollout_percentage": value})
    expect_all_dropped(telemetry)


def wrong_filter(number: int, name: str, value: object) -> Any:
    """A disable_ui_events that is no list of strings."""
    return pytest.param(
        value,
        id=name,
        marks=case(
            f"config/6/{number}",
            Level.SHOULD,
            f"A disable_ui_events of {value!r} counts as missing: no event is lost to it.",
            expected="all events stored",
            source=f"{MISSING_VALUES}: only the other two have a value that drops",
        ),
    )


@pytest.mark.parametrize(
    "value",
    [
        wrong_filter(1, "null", None),
        wrong_filter(2, "number", 7),
        wrong_filter(3, "object", {}),
        wrong_filter(4, "string", "mlflow.experiment_list.create_button"),
        wrong_filter(5, "list-of-others", [None, 7, {}]),
    ],
)
def test_unreadable_filter_filters_nothing(telemetry: Telemetry, value: object) -> None:
    telemetry.override_config({**SERVED, "disable_ui_events": value})
    expect_all_stored(telemetry)


@case(
    "config/7/1",
    Level.MUST,
    "Where disable_ui_telemetry is true, every event is dropped.",
    expected="no POST in ten intervals",
    source=PROTOCOL,
)
def test_disabled_worker_sends_nothing(telemetry: Telemetry) -> None:
    telemetry.configure(disable_ui_telemetry=True)
    expect_all_dropped(telemetry)


@case(
    "config/7/2",
    Level.MUST,
    "An event whose componentId is in disable_ui_events is dropped, and no other: names match whole.",
    expected="only the events of the named component are dropped",
    source="wire protocol, filter",
)
def test_filtered_component_is_dropped_and_no_other(telemetry: Telemetry) -> None:
    telemetry.configure(disable_ui_events=["page.save", "page.open"])
    tab = telemetry.open_tab()
    tab.log(2, component="page.save", fate=Fate.DROPPED)
    tab.log(2, component="page.save-as")
    tab.log(1, component="page")
    tab.log(1, component="page.open", fate=Fate.DROPPED)
    tab.log(1, component="PAGE.SAVE")
    telemetry.flush(2)
    telemetry.account()


@case(
    "config/8/1",
    Level.MUST,
    "Events logged while the configuration is 5 s late are kept and sent.",
    expected="all stored, in the order in which they were logged",
    source="wire protocol, GET: an event is judged by the configuration, not by when it came",
)
def test_late_configuration_loses_nothing(telemetry: Telemetry) -> None:
    telemetry.break_config("latency", latency_ms=5_000)
    tab = telemetry.open_tab()
    tab.log(3)
    telemetry.run_for(4_000)
    tab.log(3)
    telemetry.run_for(2_000)
    tab.log(3)
    telemetry.flush(2)
    keys = telemetry.stored
    if keys != [event.key for event in tab.events]:
        raise FindingError("the order in which they were logged", ", ".join(keys))
    telemetry.account()


@case(
    "config/8/2",
    Level.SHOULD,
    "Events logged while the configuration is late by more than a flush interval are kept and sent.",
    expected="all stored",
    source="wire protocol, GET: an event is judged by the configuration, not by when it came",
)
def test_configuration_later_than_a_flush_loses_nothing(telemetry: Telemetry) -> None:
    telemetry.break_config("latency", latency_ms=int(telemetry.flush_interval * 1.5))
    tab = telemetry.open_tab()
    tab.log(3)
    telemetry.flush()
    tab.log(3)
    telemetry.flush(2)
    telemetry.account()


@case(
    "config/8/3",
    Level.MUST,
    "Events logged while a configuration is late that then disables telemetry are dropped.",
    expected="no POST in ten intervals",
    source=PROTOCOL,
)
def test_late_configuration_that_disables_drops_what_waited(telemetry: Telemetry) -> None:
    telemetry.configure(disable_ui_telemetry=True)
    telemetry.break_config("latency", latency_ms=5_000)
    telemetry.open_tab().log(3, fate=Fate.DROPPED)
    telemetry.flush(WATCHED_INTERVALS)
    telemetry.expect_batches(0, "after a configuration that disables")
    telemetry.account()


@case(
    "config/10/1",
    Level.MUST,
    "A server whose configuration does not say that it unpacks bodies gets them as they are.",
    expected="no Content-Encoding",
    source="RFC 9110, 8.4: a coding that the receiver does not know makes the body unreadable",
)
def test_bodies_are_packed_for_nobody_who_did_not_ask(telemetry: Telemetry) -> None:
    telemetry.override_config(SERVED)
    telemetry.open_tab().log()
    telemetry.flush()
    for batch in telemetry.batches:
        coding = batch.exchange.request_headers.get("Content-Encoding", "identity")
        if coding != "identity":
            raise FindingError("a body as it is", f"Content-Encoding: {coding}")
    telemetry.account()
