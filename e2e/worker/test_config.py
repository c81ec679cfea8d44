"""Config: how a worker applies its configuration, above all when the configuration is missing.

Every case with an unusable configuration watches ten flush intervals: dropped events must not be sent later
either. `test_filter.py` covers lists of component names, `test_sampling.py` the sampling.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from e2e.conformance.accounting import Fate
from e2e.conformance.case import FindingError, Level, case
from e2e.worker.driver.system import ENABLED, Telemetry
from pytest_sharedworker import Down, HttpStatus, Latency, LimitData, ResetPeer, Timeout, Toxic

PROTOCOL = "wire protocol, GET"
MISSING_VALUES = "wire protocol, missing values"
SERVED = {key: value for key, value in ENABLED.items() if key != "disable_telemetry"}
WATCHED_INTERVALS = 10


def omit(key: str) -> dict[str, object]:
    """Return the served configuration without one value."""
    return {name: value for name, value in SERVED.items() if name != key}


def expect_all_dropped(telemetry: Telemetry) -> None:
    """Log in two tabs, one of which opens later, and require that no event is sent."""
    telemetry.open_tab().log(3, fate=Fate.FORBIDDEN)
    telemetry.flush()
    telemetry.open_tab().log(2, fate=Fate.FORBIDDEN)
    telemetry.flush(WATCHED_INTERVALS)
    telemetry.expect_batches(0, "without a usable configuration")
    telemetry.account()


def expect_all_stored(telemetry: Telemetry) -> None:
    """Log in two tabs and require that all events are stored."""
    for tab in telemetry.open_tabs(2):
        tab.log(2)
    telemetry.flush(2)
    telemetry.account()


@case(
    "config/1/1",
    Level.MUST,
    "A worker reads the configuration once, not once per tab.",
    expected="one GET for three tabs",
    source=PROTOCOL,
)
def test_three_tabs_share_one_config_request(telemetry: Telemetry) -> None:
    for tab in telemetry.open_tabs(3):
        tab.log()
    telemetry.flush(2)
    requests = len(telemetry.config_requests)
    if requests != 1:
        raise FindingError("1 GET for 3 tabs", f"{requests} GET")
    telemetry.account()


def make_unreadable(number: int, name: str, title: str, toxic: Toxic) -> Any:
    """Return the parameter of one case: a configuration that cannot be read."""
    return pytest.param(
        toxic,
        id=name,
        marks=case(
            f"config/2/{number}",
            Level.MUST,
            f"A worker drops every event, at once and later, if {title}.",
            expected="no POST in ten intervals",
            source=MISSING_VALUES,
        ),
    )


def make_unusable(number: int, name: str, title: str, body: str, status: int = 200) -> Any:
    """Return the parameter of one case: a configuration response that is unusable."""
    return make_unreadable(number, name, title, HttpStatus(status, body))


@pytest.mark.parametrize(
    "toxic",
    [
        make_unusable(1, "404", "its configuration is not found (404)", "not found", 404),
        make_unusable(2, "500", "its configuration is an error response (500)", "broken", 500),
        make_unusable(3, "not-json", "its configuration is not JSON", "<html>welcome</html>"),
        make_unusable(4, "empty-object", "its configuration is an empty object", "{}"),
        make_unusable(5, "null", "its configuration is null", "null"),
        make_unusable(6, "list", "its configuration is a list", "[]"),
        make_unreadable(7, "reset", "a reset cuts off its configuration", ResetPeer()),
        make_unreadable(
            8, "refused", "the connection for its configuration is refused", Down(at_worker_start=True)
        ),
        make_unreadable(9, "never", "its configuration request gets no response", Timeout()),
        make_unreadable(10, "half", "its configuration breaks off in the middle", LimitData(bytes=20)),
        make_unusable(11, "empty", "its configuration is an empty response", ""),
        make_unusable(
            12,
            "500-enabled",
            "its configuration is the body of an error response (500)",
            json.dumps(SERVED),
            500,
        ),
    ],
)
def test_events_are_dropped_without_a_config(telemetry: Telemetry, toxic: Toxic) -> None:
    if isinstance(toxic, Down):
        if telemetry.workers.clock.kind == "real":
            pytest.skip("the real clock cannot stop before the worker's first line")
        with telemetry.gateway.add_toxic(toxic):
            telemetry.open_tab().log(3, fate=Fate.FORBIDDEN)
            telemetry.settle()
        telemetry.flush(WATCHED_INTERVALS)
        telemetry.expect_batches(0, "without a usable configuration")
        telemetry.account()
    else:
        telemetry.break_config(toxic)
        expect_all_dropped(telemetry)


@case(
    "config/3/1",
    Level.MUST,
    "A worker drops every event if disable_ui_telemetry is missing.",
    expected="no POST in ten intervals",
    source=MISSING_VALUES,
)
def test_missing_switch_counts_as_disabled(telemetry: Telemetry) -> None:
    telemetry.override_config(omit("disable_ui_telemetry"))
    expect_all_dropped(telemetry)


@case(
    "config/3/2",
    Level.MUST,
    "A worker takes a missing ui_rollout_percentage as 0.",
    expected="no POST in ten intervals",
    source=MISSING_VALUES,
)
def test_missing_percentage_counts_as_zero(telemetry: Telemetry) -> None:
    telemetry.override_config(omit("ui_rollout_percentage"))
    expect_all_dropped(telemetry)


@case(
    "config/3/3",
    Level.SHOULD,
    "A worker filters out no component if disable_ui_events is missing.",
    expected="all events stored",
    source=f"{MISSING_VALUES}: only the other two values have a default that drops events",
)
def test_missing_filter_filters_nothing(telemetry: Telemetry) -> None:
    telemetry.override_config(omit("disable_ui_events"))
    expect_all_stored(telemetry)


def make_wrong_switch(number: int, name: str, level: Level, value: object) -> Any:
    """Return the parameter of one case: a disable_ui_telemetry that is not a boolean."""
    return pytest.param(
        value,
        id=name,
        marks=case(
            f"config/4/{number}",
            level,
            f"A worker does not read a disable_ui_telemetry of {value!r} as false: it drops every event.",
            expected="no POST in ten intervals",
            source=f"{MISSING_VALUES}: an unreadable value counts as missing",
        ),
    )


@pytest.mark.parametrize(
    "value",
    [
        make_wrong_switch(1, "null", Level.MUST, None),
        make_wrong_switch(2, "string", Level.MUST, "false"),
        make_wrong_switch(3, "list", Level.MUST, []),
        make_wrong_switch(4, "zero", Level.SHOULD, 0),
        make_wrong_switch(5, "empty-string", Level.SHOULD, ""),
    ],
)
def test_unreadable_switch_counts_as_disabled(telemetry: Telemetry, value: object) -> None:
    telemetry.override_config({**SERVED, "disable_ui_telemetry": value})
    expect_all_dropped(telemetry)


def make_wrong_percentage(number: int, name: str, level: Level, value: object) -> Any:
    """Return the parameter of one case: a ui_rollout_percentage that is not a number."""
    return pytest.param(
        value,
        id=name,
        marks=case(
            f"config/5/{number}",
            level,
            f"A worker takes a ui_rollout_percentage of {value!r}, which is not a number, as 0.",
            expected="no POST in ten intervals",
            source=MISSING_VALUES,
        ),
    )


@pytest.mark.parametrize(
    "value",
    [
        make_wrong_percentage(1, "null", Level.MUST, None),
        make_wrong_percentage(2, "object", Level.MUST, {}),
        make_wrong_percentage(3, "string", Level.SHOULD, "100"),
        make_wrong_percentage(4, "list", Level.SHOULD, [100]),
    ],
)
def test_unreadable_percentage_counts_as_zero(telemetry: Telemetry, value: object) -> None:
    telemetry.override_config({**SERVED, "ui_rollout_percentage": value})
    expect_all_dropped(telemetry)


def make_wrong_filter(number: int, name: str, value: object) -> Any:
    """Return the parameter of one case: a disable_ui_events that is not a list of strings."""
    return pytest.param(
        value,
        id=name,
        marks=case(
            f"config/6/{number}",
            Level.SHOULD,
            f"A worker takes a disable_ui_events of {value!r} as missing: it drops no event because of it.",
            expected="all events stored",
            source=f"{MISSING_VALUES}: only the other two values have a default that drops events",
        ),
    )


@pytest.mark.parametrize(
    "value",
    [
        make_wrong_filter(1, "null", None),
        make_wrong_filter(2, "number", 7),
        make_wrong_filter(3, "object", {}),
        make_wrong_filter(4, "string", "mlflow.experiment_list.create_button"),
        make_wrong_filter(5, "list-of-others", [None, 7, {}]),
    ],
)
def test_unreadable_filter_filters_nothing(telemetry: Telemetry, value: object) -> None:
    telemetry.override_config({**SERVED, "disable_ui_events": value})
    expect_all_stored(telemetry)


@case(
    "config/7/1",
    Level.MUST,
    "A worker drops every event if disable_ui_telemetry is true.",
    expected="no POST in ten intervals",
    source=PROTOCOL,
)
def test_disabled_worker_sends_nothing(telemetry: Telemetry) -> None:
    telemetry.configure(disable_ui_telemetry=True)
    expect_all_dropped(telemetry)


@case(
    "config/7/2",
    Level.MUST,
    "A worker drops exactly the events whose componentId is in disable_ui_events; names match in full.",
    expected="only the events of the listed components are dropped",
    source="wire protocol, filter",
)
def test_only_events_of_filtered_components_are_dropped(telemetry: Telemetry) -> None:
    telemetry.configure(disable_ui_events=["page.save", "page.open"])
    tab = telemetry.open_tab()
    tab.log(2, component="page.save", fate=Fate.FORBIDDEN)
    tab.log(2, component="page.save-as")
    tab.log(1, component="page")
    tab.log(1, component="page.open", fate=Fate.FORBIDDEN)
    tab.log(1, component="PAGE.SAVE")
    telemetry.flush(2)
    telemetry.account()


@case(
    "config/8/1",
    Level.MUST,
    "A worker keeps and sends events that are logged while its configuration is 5 s late.",
    expected="all stored, in the order in which they were logged",
    source="wire protocol, GET: the configuration decides about an event, not when it was logged",
)
def test_late_config_loses_nothing(telemetry: Telemetry) -> None:
    telemetry.break_config(Latency(latency=5_000))
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
    "A worker keeps and sends events logged while its configuration is late by more than a flush interval.",
    expected="all stored",
    source="wire protocol, GET: the configuration decides about an event, not when it was logged",
)
def test_config_later_than_a_flush_loses_nothing(telemetry: Telemetry) -> None:
    telemetry.break_config(Latency(latency=int(telemetry.flush_interval * 1.5)))
    tab = telemetry.open_tab()
    tab.log(3)
    telemetry.flush()
    tab.log(3)
    telemetry.flush(2)
    telemetry.account()


@case(
    "config/8/3",
    Level.MUST,
    "A worker drops the events that waited for a late configuration which disables telemetry.",
    expected="no POST in ten intervals",
    source=PROTOCOL,
)
def test_late_config_that_disables_drops_waiting_events(telemetry: Telemetry) -> None:
    telemetry.configure(disable_ui_telemetry=True)
    telemetry.break_config(Latency(latency=5_000))
    telemetry.open_tab().log(3, fate=Fate.FORBIDDEN)
    telemetry.flush(WATCHED_INTERVALS)
    telemetry.expect_batches(0, "after a configuration that disables telemetry")
    telemetry.account()


@case(
    "config/10/1",
    Level.MUST,
    "A worker sends bodies uncompressed unless the configuration says that the server decompresses them.",
    expected="no Content-Encoding",
    source="RFC 9110, 8.4: a receiver cannot read a body in a content coding that it does not know",
)
def test_body_is_uncompressed_unless_the_config_allows_it(telemetry: Telemetry) -> None:
    telemetry.override_config(SERVED)
    telemetry.open_tab().log()
    telemetry.flush()
    for batch in telemetry.batches:
        coding = batch.exchange.request_headers.get("Content-Encoding", "identity")
        if coding != "identity":
            raise FindingError("an uncompressed body", f"Content-Encoding: {coding}")
    telemetry.account()
