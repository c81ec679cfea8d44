"""Lifecycle: tabs and workers come, go, reload, crash, and stand beside each other.

What one tab of several does when it closes or reloads stands in `test_batch.py`.
"""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from playwright.sync_api import BrowserContext

from e2e.conformance.accounting import Event, Fate
from e2e.conformance.case import FindingError, Level, case
from e2e.conformance.report.observations import Observations
from e2e.worker.driver.assertions import expect_one_session, expect_separate_sessions, get_sessions_by_key
from e2e.worker.driver.shutdown_scenarios import SHUTDOWN_SCENARIOS, ShutdownScenario
from e2e.worker.driver.system import Telemetry
from e2e.worker.driver.tab import Tab
from e2e.worker.driver.waiting import DAY_MS, HOUR_MS

ONE_SESSION = "wire protocol, record: one session a worker, shared by all tabs"
CONNECTING = "wire protocol, worker → tab: READY on connect"
NEW_BUILD = "wire protocol, script: a new build is a new worker beside the old one"

RANDOM_STEPS = 16
MOST_TABS = 4
BRIEF_VISITS = 6


def endings(group: int, level: Level, requirement: str, expected: str, source: str) -> list[Any]:
    """A parameter for each ending; `requirement` has a place for the ending's words."""
    return [
        pytest.param(
            ending,
            id=name,
            marks=case(
                f"lifecycle/{group}/{number}",
                level,
                requirement.format(words),
                expected=expected,
                source=source,
            ),
        )
        for number, (name, (words, ending)) in enumerate(SHUTDOWN_SCENARIOS.items(), start=1)
    ]


@pytest.mark.parametrize(
    "ending",
    endings(
        1,
        Level.MUST,
        "After {} a worker that is started anew takes and sends events, in a session of its own.",
        "READY, the new events stored, under another session than before",
        ONE_SESSION,
    ),
)
def test_a_new_worker_works(
    telemetry: Telemetry, ending: ShutdownScenario, request: pytest.FixtureRequest
) -> None:
    def log(tab: Tab) -> list[Event]:
        tab.log(2)
        telemetry.flush()
        return tab.log(3, fate=Fate.OPTIONAL)

    tab = ending(telemetry, log, request)
    fresh = {event.key for event in tab.log(3)}
    telemetry.flush(2)
    before = telemetry.batches[0].session_ids
    after = {session for key, session in get_sessions_by_key(telemetry).items() if key in fresh}
    if telemetry.workers.starts[0].ended and before & after:
        raise FindingError("another session for the new worker", f"{sorted(after)}, as before")
    telemetry.account()


@pytest.mark.parametrize(
    "ending",
    endings(
        2,
        Level.SHOULD,
        "Events that a worker held when it ended, after {}, are stored once the app is open again.",
        "all stored once, at most an hour after the app was opened again",
        "data safety: a click is not lost because the flush had yet to come",
    ),
)
def test_queued_events_are_recovered(
    telemetry: Telemetry, ending: ShutdownScenario, request: pytest.FixtureRequest
) -> None:
    tab = ending(telemetry, lambda tab: tab.log(3), request)
    tab.log(2)
    telemetry.run_for(HOUR_MS)
    telemetry.account()


@case(
    "lifecycle/3/1",
    Level.MUST,
    "Closing a whole browser context leaves the worker of another alone.",
    expected="all events of the other context stored, under a session of its own",
    source=ONE_SESSION,
)
def test_a_closed_context_leaves_another_alone(telemetry: Telemetry, second_context: BrowserContext) -> None:
    tab = telemetry.open_tab()
    tab.log(2)
    other = telemetry.open_tab(second_context)
    other.log(2)
    telemetry.flush()
    other.log(2, fate=Fate.OPTIONAL)
    tab.log(2)
    telemetry.settle()
    second_context.close()
    telemetry.flush(2)
    expect_separate_sessions(telemetry, tab, other)
    telemetry.account()


@case(
    "lifecycle/4/1",
    Level.MUST,
    "A tab that goes to another page, back, and forth again loses nothing while another tab is open.",
    expected="all stored, in order",
    source=CONNECTING,
)
def test_back_and_forth(telemetry: Telemetry) -> None:
    stays, moves = telemetry.open_tabs(2)
    telemetry.gateway.mount("/other.html", "<!doctype html><title>other</title>", "text/html")
    for _ in range(3):
        for tab in (stays, moves):
            tab.log(2)
        telemetry.settle()
        moves.page.goto(telemetry.gateway.url + "/other.html")
        stays.log()
        moves.page.go_back()
        # A page out of the back/forward cache comes with its port, any other has to connect again.
        if not moves.page.evaluate("() => 'port' in window"):
            moves.connect()
    moves.log(2)
    telemetry.flush(2)
    telemetry.account()


@case(
    "lifecycle/5/1",
    Level.MUST,
    "A new build of the script, under the same name, is a second worker beside the old one.",
    expected="all events of both stored, in two sessions",
    source=NEW_BUILD,
)
def test_a_new_build_stands_beside_the_old(telemetry: Telemetry) -> None:
    old = telemetry.open_tab()
    old.log(3)
    new = telemetry.open_tab(connect=False)
    folder, _, _ = telemetry.script_path.rpartition("/")
    new.script_url = f"{folder}/new-build-of.worker.js"
    script = telemetry.implementation.worker.script.read_bytes()
    telemetry.gateway.mount(new.script_url, script, "text/javascript")
    new.connect()
    for tab in (new, old):
        tab.log(3)
    telemetry.flush(2)
    expect_separate_sessions(telemetry, old, new)
    telemetry.account()


@case(
    "lifecycle/6/1",
    Level.MUST,
    "Tabs that open and close in any order lose nothing of what the worker has read.",
    expected="all stored, in one session",
    source=CONNECTING,
)
def test_tabs_open_and_close_in_any_order(telemetry: Telemetry, observations: Observations) -> None:
    random = Random(19292)
    tabs = telemetry.open_tabs(2)
    for _ in range(RANDOM_STEPS):
        if len(tabs) < 2 or (len(tabs) < MOST_TABS and random.random() < 0.5):
            tabs.append(telemetry.open_tab())
        else:
            telemetry.settle()
            tabs.pop(random.randrange(len(tabs))).close()
        random.choice(tabs).log(random.randint(1, 3))
        if random.random() < 0.2:
            telemetry.run_for(telemetry.flush_interval / 2)
    telemetry.flush(2)
    expect_one_session(telemetry)
    observations(f"{len(telemetry.tabs)} tabs")
    telemetry.account()


@case(
    "lifecycle/6/2",
    Level.MUST,
    "Tabs that connect and close at once disturb no other tab.",
    expected="all events of the other tab stored, in one session",
    source=CONNECTING,
)
def test_brief_visits_disturb_nobody(telemetry: Telemetry) -> None:
    stays = telemetry.open_tab()
    stays.log(2)
    telemetry.settle()
    for _ in range(BRIEF_VISITS):
        visitor = telemetry.open_tab(connect=False)
        visitor.start_worker()
        visitor.log(fate=Fate.OPTIONAL)
        visitor.close()
    stays.log(2)
    telemetry.flush(2)
    expect_one_session(telemetry)
    telemetry.account()


@case(
    "lifecycle/6/3",
    Level.MUST,
    "A tab that opens while a POST is in flight is served like any other.",
    expected="READY at once, its events stored",
    source=CONNECTING,
)
def test_a_tab_opens_while_a_post_is_in_flight(telemetry: Telemetry) -> None:
    telemetry.break_posts("latency", latency_ms=int(telemetry.flush_interval * 0.5), times=1)
    telemetry.open_tab().log(2)
    telemetry.flush()
    telemetry.open_tab().log(2)
    telemetry.settle()
    telemetry.flush(3)
    telemetry.account()


@case(
    "lifecycle/7/1",
    Level.MUST,
    "A worker that had nothing to do for a day sends what comes then.",
    expected="stored within two intervals",
    source="wire protocol, flush",
)
def test_after_an_idle_day(telemetry: Telemetry) -> None:
    tab = telemetry.open_tab()
    tab.log()
    telemetry.flush()
    telemetry.run_for(DAY_MS)
    tab.log(2)
    telemetry.flush(2)
    telemetry.account()
