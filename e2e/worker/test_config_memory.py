"""Config: a configuration that cannot be read is unknown, not disabled. The last good one holds.

`test_config.py` covers a browser that never had a configuration: there a worker drops every event.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from e2e.conformance.accounting import Fate
from e2e.conformance.case import Level, case
from e2e.worker.driver.confirmation import open_identified_tab, require_confirmation
from e2e.worker.driver.retry import drain, require_virtual_time
from e2e.worker.driver.system import ENABLED, Telemetry
from e2e.worker.driver.tab import Tab
from e2e.worker.driver.waiting import DAY_MS, HOUR_MS, MAX_BACKOFF_MS
from pytest_sharedworker import HttpStatus, LimitData, ResetPeer, Timeout, Toxic

LAST_GOOD = "data safety: the last good configuration holds; unknown is not disabled"
NEXT_VISIT = "data safety: an app that is opened while its server is down loses no event"
CONSENT = "privacy: only the operator of the endpoint decides what is collected"
ELSEWHERE = "/elsewhere/config.json"
OUTAGE_HOURS = 8
"""Longer than workers keep a configuration before they read it again."""
FORGOTTEN_DAYS = 30
"""A configuration of this age says nothing any more about what the operator wants today."""

UNREADABLE: dict[str, tuple[str, Toxic]] = {
    "503": ("gets a 503", HttpStatus(503, json.dumps({"error": "config_unavailable"}))),
    "404": ("is not found (404)", HttpStatus(404, "not found")),
    "503-disabled": (
        "gets a 503 that says disabled",
        HttpStatus(503, json.dumps({**ENABLED, "disable_ui_telemetry": True})),
    ),
    "not-json": ("is not JSON", HttpStatus(200, "<html>welcome</html>")),
    "empty-object": ("is an empty object", HttpStatus(200, "{}")),
    "null": ("is null", HttpStatus(200, "null")),
    "switch-null": (
        "has a switch that is null",
        HttpStatus(200, json.dumps({**ENABLED, "disable_ui_telemetry": None})),
    ),
    "half": ("breaks off in the middle", LimitData(bytes=20)),
    "reset": ("is cut off by a reset", ResetPeer()),
    "never": ("is never sent", Timeout()),
}
"""By a short name: what happens to the response to a GET, and how. The order gives the cases' numbers."""


def make_cases(group: int, requirement: str, expected: str, source: str) -> list[Any]:
    """Return a parameter per unreadable response; `requirement` has a placeholder for its words."""
    return [
        pytest.param(
            toxic,
            id=name,
            marks=case(
                f"config/{group}/{number}",
                Level.SHOULD,
                requirement.format(words),
                expected=expected,
                source=source,
            ),
        )
        for number, (name, (words, toxic)) in enumerate(UNREADABLE.items(), start=1)
    ]


def close_tab(telemetry: Telemetry, tab: Tab) -> None:
    """Close the only tab and return when its worker has ended."""
    telemetry.settle()
    worker = telemetry.workers.wait_for()
    tab.close()
    worker.wait_for_close()


def visit(telemetry: Telemetry) -> None:
    """Open the app, let its worker read the configuration, and close it again."""
    tab = telemetry.open_tab()
    tab.log()
    telemetry.flush()
    close_tab(telemetry, tab)


@pytest.mark.parametrize(
    "toxic",
    make_cases(
        11,
        f"A running worker goes on sending if its configuration, read again, {{}} for {OUTAGE_HOURS} hours.",
        "all stored",
        LAST_GOOD,
    ),
)
def test_running_worker_keeps_the_last_good_config(telemetry: Telemetry, toxic: Toxic) -> None:
    require_virtual_time(telemetry)
    tab = telemetry.open_tab()
    tab.log(2)
    telemetry.flush()
    with telemetry.break_config(toxic):
        for hour in range(1, OUTAGE_HOURS + 1):
            telemetry.run_for(HOUR_MS)
            if hour % 4 == 0:
                tab.log(2)
                telemetry.flush(2)
    tab.log()
    drain(telemetry)
    telemetry.account()


@pytest.mark.parametrize(
    "toxic",
    make_cases(
        12,
        "A worker keeps what an earlier one has left if its configuration {}.",
        "all that was confirmed stored once, at most an hour after the configuration can be read again",
        LAST_GOOD,
    ),
)
def test_unreadable_config_keeps_what_is_on_disk(telemetry: Telemetry, toxic: Toxic) -> None:
    require_virtual_time(telemetry)
    with telemetry.break_posts(HttpStatus(503)):
        tab = open_identified_tab(telemetry)
        tab.log(3)
        require_confirmation(telemetry, tab)
        telemetry.flush()
        close_tab(telemetry, tab)
        with telemetry.break_config(toxic):
            tab = telemetry.open_tab()
            telemetry.flush(4)
            close_tab(telemetry, tab)
    telemetry.open_tab().log()
    drain(telemetry)
    telemetry.account()


@case(
    "config/13/1",
    Level.SHOULD,
    "A worker that starts while the server is down keeps what is logged, if an earlier worker had a"
    " configuration: it is stored even if the app closes before the server is back.",
    expected="all stored once, at most an hour after the app was opened again",
    source=NEXT_VISIT,
)
def test_visit_while_the_server_is_down_loses_nothing(telemetry: Telemetry) -> None:
    require_virtual_time(telemetry)
    visit(telemetry)
    with telemetry.break_config(HttpStatus(503)), telemetry.break_posts(HttpStatus(503)):
        tab = telemetry.open_tab()
        tab.log(2)
        telemetry.flush(4)
        tab.log(2)
        close_tab(telemetry, tab)
    telemetry.open_tab().log()
    drain(telemetry)
    telemetry.account()


@case(
    "config/13/2",
    Level.SHOULD,
    "A worker that starts without a network keeps what is logged, if an earlier worker had a configuration.",
    expected="all stored once, at most an hour after the network is back",
    source=NEXT_VISIT,
)
def test_visit_without_a_network_loses_nothing(telemetry: Telemetry) -> None:
    require_virtual_time(telemetry)
    visit(telemetry)
    with telemetry.break_config(ResetPeer()), telemetry.break_posts(ResetPeer()):
        tab = telemetry.open_tab()
        tab.log(3)
        telemetry.flush(10)
    drain(telemetry)
    telemetry.account()


@case(
    "config/13/3",
    Level.SHOULD,
    "A worker whose configuration cannot be read, but whose endpoint takes batches, sends what is logged, if"
    " an earlier worker had a configuration.",
    expected="all stored within an hour, while the configuration is still unreadable",
    source=LAST_GOOD,
)
def test_remembered_config_enables_sending(telemetry: Telemetry) -> None:
    require_virtual_time(telemetry)
    visit(telemetry)
    telemetry.break_config(HttpStatus(503))
    telemetry.open_tab().log(3)
    telemetry.run_for(MAX_BACKOFF_MS)
    telemetry.account()


@case(
    "config/13/4",
    Level.MUST,
    "A worker whose configuration cannot be read sends no event of a component that the last good one lists.",
    expected="no such event stored, others may be",
    source="wire protocol, filter",
)
def test_remembered_config_filters(telemetry: Telemetry) -> None:
    require_virtual_time(telemetry)
    telemetry.configure(disable_ui_events=["page.save"])
    visit(telemetry)
    with telemetry.break_config(HttpStatus(503)):
        tab = telemetry.open_tab()
        tab.log(2, component="page.save", fate=Fate.FORBIDDEN)
        tab.log(2, fate=Fate.OPTIONAL)
        telemetry.flush(4)
    drain(telemetry)
    telemetry.account()


@case(
    "config/13/5",
    Level.MUST,
    "A worker whose configuration cannot be read sends nothing if the last good one disabled telemetry.",
    expected="no POST",
    source="wire protocol, GET",
)
def test_remembered_config_disables(telemetry: Telemetry) -> None:
    require_virtual_time(telemetry)
    visit(telemetry)
    posts = len(telemetry.batches)
    telemetry.configure(disable_ui_telemetry=True)
    close_tab(telemetry, telemetry.open_tab())
    telemetry.break_config(HttpStatus(503))
    telemetry.open_tab().log(2, fate=Fate.FORBIDDEN)
    telemetry.run_for(MAX_BACKOFF_MS)
    telemetry.expect_batches(posts, "after telemetry was disabled")
    telemetry.account()


@case(
    "config/13/6",
    Level.SHOULD,
    f"A worker does not send by a configuration that nobody has confirmed for {FORGOTTEN_DAYS} days.",
    expected="no POST",
    source=CONSENT,
)
def test_remembered_config_expires(telemetry: Telemetry) -> None:
    require_virtual_time(telemetry)
    visit(telemetry)
    posts = len(telemetry.batches)
    telemetry.run_for(FORGOTTEN_DAYS * DAY_MS)  # No worker runs meanwhile.
    telemetry.break_config(HttpStatus(503))
    telemetry.open_tab().log(2, fate=Fate.FORBIDDEN)
    telemetry.run_for(MAX_BACKOFF_MS)
    telemetry.expect_batches(posts, f"{FORGOTTEN_DAYS} days ago")
    telemetry.account()


def redirect_config(telemetry: Telemetry, **values: object) -> None:
    """Redirect requests for the configuration to another origin, which allows everybody to read its own."""
    other_origin = telemetry.gateway.url.replace("127.0.0.1", "localhost")
    assert other_origin != telemetry.gateway.url
    telemetry.gateway.serve(
        ELSEWHERE,
        json.dumps({**ENABLED, **values}),
        content_type="application/json",
        headers={"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Headers": "*"},
    )
    telemetry.break_config(
        HttpStatus(302, headers={"Location": other_origin + ELSEWHERE, "Access-Control-Allow-Origin": "*"})
    )


@case(
    "config/14/1",
    Level.SHOULD,
    "A worker does not obey a configuration of another origin, to which its request is redirected: it drops"
    " every event.",
    expected="no POST in ten intervals",
    source=CONSENT,
)
def test_config_of_another_origin_does_not_enable(telemetry: Telemetry) -> None:
    redirect_config(telemetry)
    telemetry.open_tab().log(2, fate=Fate.FORBIDDEN)
    telemetry.flush(10)
    telemetry.expect_batches(0, "by the configuration of another origin")
    telemetry.account()


@case(
    "config/14/2",
    Level.SHOULD,
    "A worker keeps and sends its events although its request for the configuration, made again, is"
    " redirected to another origin that disables telemetry.",
    expected="all stored",
    source=LAST_GOOD,
)
def test_config_of_another_origin_does_not_disable(telemetry: Telemetry) -> None:
    require_virtual_time(telemetry)
    tab = telemetry.open_tab()
    tab.log(2)
    telemetry.flush()
    redirect_config(telemetry, disable_ui_telemetry=True)
    telemetry.run_for(OUTAGE_HOURS * HOUR_MS)
    tab.log(2)
    drain(telemetry)
    telemetry.account()
