"""Lifecycle: tabs and workers start, end, reload, crash, and run at the same time.

`test_batch.py` covers the closing and reloading of one tab of several.
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
from e2e.worker.driver.waiting import DAY_MS, MAX_BACKOFF_MS
from pytest_sharedworker import Latency

ONE_SESSION = "wire protocol, record: one session per worker, shared by all tabs"
CONNECTING = "wire protocol, worker → tab: READY on connect"
NEW_BUILD = "wire protocol, script: a new build is a new worker beside the old one"

RANDOM_STEPS = 16
MAX_TABS = 4
BRIEF_VISITS = 6


def make_scenarios(group: int, level: Level, requirement: str, expected: str, source: str) -> list[Any]:
    """Return a parameter per shutdown scenario; `requirement` has a placeholder for its words."""
    return [
        pytest.param(
            scenario,
            id=name,
            marks=case(
                f"lifecycle/{group}/{number}",
                level,
                requirement.format(words),
                expected=expected,
                source=source,
            ),
        )
        for number, (name, (words, scenario)) in enumerate(SHUTDOWN_SCENARIOS.items(), start=1)
    ]


@pytest.mark.parametrize(
    "scenario",
    make_scenarios(
        1,
        Level.MUST,
        "After {}, a new worker accepts and sends events in its own session.",
        "READY, the new events stored under another session than before",
        ONE_SESSION,
    ),
)
def test_new_worker_works_after_a_shutdown(
    telemetry: Telemetry, scenario: ShutdownScenario, request: pytest.FixtureRequest
) -> None:
    def log(tab: Tab) -> list[Event]:
        tab.log(2)
        telemetry.flush()
        return tab.log(3, fate=Fate.OPTIONAL)

    tab = scenario(telemetry, log, request)
    new_keys = {event.key for event in tab.log(3)}
    telemetry.flush(2)
    before = telemetry.batches[0].session_ids
    after = {session for key, session in get_sessions_by_key(telemetry).items() if key in new_keys}
    if telemetry.workers.history[0].is_closed() and before & after:
        raise FindingError("another session for the new worker", f"{sorted(after)}, as before")
    telemetry.account()


@pytest.mark.parametrize(
    "scenario",
    make_scenarios(
        2,
        Level.SHOULD,
        "After {}, events that were still queued are stored once the app is open again.",
        "all stored once, at most an hour after the app was opened again",
        "data safety: an event is not lost because its worker ends before the flush",
    ),
)
def test_queued_events_are_recovered(
    telemetry: Telemetry, scenario: ShutdownScenario, request: pytest.FixtureRequest
) -> None:
    tab = scenario(telemetry, lambda tab: tab.log(3), request)
    tab.log(2)
    telemetry.run_for(MAX_BACKOFF_MS)
    telemetry.account()


@case(
    "lifecycle/3/1",
    Level.MUST,
    "Closing a browser context does not affect the worker of another context.",
    expected="all events of the other context stored under its own session",
    source=ONE_SESSION,
)
def test_closing_a_context_does_not_affect_another(
    telemetry: Telemetry, second_context: BrowserContext
) -> None:
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
    "A tab that repeatedly goes to another page and back loses nothing while another tab is open.",
    expected="all stored, in order",
    source=CONNECTING,
)
def test_navigating_back_and_forth_loses_nothing(telemetry: Telemetry) -> None:
    other, navigating = telemetry.open_tabs(2)
    telemetry.gateway.serve("/other.html", "<!doctype html><title>other</title>", content_type="text/html")
    for _ in range(3):
        for tab in (other, navigating):
            tab.log(2)
        telemetry.settle()
        navigating.page.goto(telemetry.gateway.url + "/other.html")
        other.log()
        navigating.page.go_back()
        # A page from the back/forward cache still has its port; any other page must connect again.
        if not navigating.page.evaluate("() => 'port' in window"):
            navigating.connect()
    navigating.log(2)
    telemetry.flush(2)
    telemetry.account()


@case(
    "lifecycle/5/1",
    Level.MUST,
    "A new build of the script with the same worker name runs as a second worker beside the old one.",
    expected="all events of both stored, in two sessions",
    source=NEW_BUILD,
)
def test_new_build_runs_beside_the_old_one(telemetry: Telemetry) -> None:
    old = telemetry.open_tab()
    old.log(3)
    new = telemetry.open_tab(connect=False)
    folder, _, _ = telemetry.script_path.rpartition("/")
    new.script_url = f"{folder}/new-build-of.worker.js"
    script = telemetry.implementation.worker.script.read_bytes()
    telemetry.gateway.serve(new.script_url, script, content_type="text/javascript")
    new.connect()
    for tab in (new, old):
        tab.log(3)
    telemetry.flush(2)
    expect_separate_sessions(telemetry, old, new)
    telemetry.account()


@pytest.mark.usefixtures("needs_kept_workers")
@case(
    "lifecycle/6/1",
    Level.MUST,
    "Tabs that open and close in any order lose no event that the worker has read.",
    expected="all stored, in one session",
    source=CONNECTING,
)
def test_opening_and_closing_tabs_loses_nothing(telemetry: Telemetry, observations: Observations) -> None:
    random = Random(19292)
    tabs = telemetry.open_tabs(2)
    for _ in range(RANDOM_STEPS):
        if len(tabs) < 2 or (len(tabs) < MAX_TABS and random.random() < 0.5):
            tabs.append(telemetry.open_tab())
        else:
            telemetry.settle()
            tabs.pop(random.randrange(len(tabs))).close()
        random.choice(tabs).log(random.randint(1, 3))
        if random.random() < 0.2:
            telemetry.run_for(telemetry.flush_interval // 2)
    telemetry.flush(2)
    expect_one_session(telemetry)
    observations(f"{len(telemetry.tabs)} tabs")
    telemetry.account()


@case(
    "lifecycle/6/2",
    Level.MUST,
    "Tabs that connect and close at once do not disturb other tabs.",
    expected="all events of the other tab stored, in one session",
    source=CONNECTING,
)
def test_brief_visits_do_not_disturb_other_tabs(telemetry: Telemetry) -> None:
    other = telemetry.open_tab()
    other.log(2)
    telemetry.settle()
    for _ in range(BRIEF_VISITS):
        visitor = telemetry.open_tab(connect=False)
        visitor.start_worker()
        visitor.log(fate=Fate.OPTIONAL)
        visitor.close()
    other.log(2)
    telemetry.flush(2)
    expect_one_session(telemetry)
    telemetry.account()


@case(
    "lifecycle/6/3",
    Level.MUST,
    "A tab that opens while a POST is in flight works like any other tab.",
    expected="READY at once, its events stored",
    source=CONNECTING,
)
def test_tab_works_that_opens_while_a_post_is_in_flight(telemetry: Telemetry) -> None:
    telemetry.break_posts(Latency(latency=int(telemetry.flush_interval * 0.5)), times=1)
    telemetry.open_tab().log(2)
    telemetry.flush()
    telemetry.open_tab().log(2)
    telemetry.settle()
    telemetry.flush(3)
    telemetry.account()


@case(
    "lifecycle/7/1",
    Level.MUST,
    "A worker that has been idle for a day sends the next events.",
    expected="stored within two intervals",
    source="wire protocol, flush",
)
def test_worker_sends_after_an_idle_day(telemetry: Telemetry) -> None:
    tab = telemetry.open_tab()
    tab.log()
    telemetry.flush()
    telemetry.run_for(DAY_MS)
    tab.log(2)
    telemetry.flush(2)
    telemetry.account()
