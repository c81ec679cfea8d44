"""Extended lifetime: a worker that goes on after its last tab (HTML, SharedWorker: `extendedLifetime`).

The cases apply to workers whose TOML file has the key `extended_name`, in browsers that know the option. All
other cases start the same worker without the option, so that it ends with its last tab.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

import pytest

from e2e.conformance.accounting import Fate
from e2e.conformance.case import FindingError, Level, case
from e2e.conformance.report.observations import Observations
from e2e.worker.driver.assertions import expect_one_session, expect_separate_sessions
from e2e.worker.driver.reporting_tab import ReportingTab, open_reporting_tab
from e2e.worker.driver.restart import shut_down
from e2e.worker.driver.retry import drain, require_virtual_time
from e2e.worker.driver.system import Telemetry
from e2e.worker.driver.waiting import DAY_MS, HOUR_MS
from pytest_sharedworker import HttpStatus, Latency, SharedWorker, WorkerClosedError, crash

AFTER_TABS = "data safety: an event is not lost because the last tab closes before the flush"
JOINING = "HTML, SharedWorker: a tab joins the worker of its script and name as long as it runs"
CONSENT = "privacy: consent that is withdrawn reaches every worker"
ENDING = "data safety: a worker without tabs and without events costs energy and does nothing"
BACKLOG = 2_000
LARGE = "component-" * 30
"""With it the backlog is about 1 MB, far more than the 64 KiB of a `keepalive` request."""
MAX_LINGER_MS = 10 * 60_000
ENDED = f"ended {MAX_LINGER_MS // 60_000} minutes after the last tab"
LOCK_CHECKS = 5
LOCK_POLL_SECONDS = 0.02
LOCK_SECONDS = 0.5
"""How long a busy browser may take to release the locks of a closed tab; virtual time does not tell."""
OUTAGE_MS = 30 * 60_000
MAX_IDLE_REQUESTS = 3
OPEN_DELAYS_MS = (1, 2_500, 4_999, 5_000, 9_999, 10_000, 10_001, 20_000)

READS_OPTION = """() => {
    let isRead = false;
    try {
        new SharedWorker("//:", { get extendedLifetime() { return (isRead = true); } });
    } catch { /* Not a URL: no worker starts. */ }
    return isRead;
}"""


@pytest.fixture
def extended(telemetry: Telemetry) -> Telemetry:
    """Return the system under test; skip without extended lifetime."""
    if telemetry.implementation.worker.extended_name is None:
        pytest.skip("the worker does not ask for an extended lifetime")
    require_virtual_time(telemetry)
    page = telemetry.context.new_page()
    page.goto(telemetry.gateway.url)
    knows_option = page.evaluate(READS_OPTION)
    page.close()
    if not knows_option:
        pytest.skip("the browser ends every worker with its last tab")
    return telemetry


def open_tab(telemetry: Telemetry) -> ReportingTab:
    """Open a tab that starts the worker with an extended lifetime, or joins it."""
    return open_reporting_tab(telemetry, is_extended=True)


def close_all_tabs(telemetry: Telemetry) -> None:
    """Close every tab, after the worker has read what they have logged."""
    telemetry.settle()
    for tab in telemetry.tabs:
        if not tab.page.is_closed():
            tab.close()
    # A worker that ends with its tabs does so now, and not after it has sent what is queued.
    deadline = time.monotonic() + LOCK_SECONDS
    while any(map(waits_for_lock, telemetry.workers.alive)) and time.monotonic() < deadline:
        time.sleep(LOCK_POLL_SECONDS)


def waits_for_lock(worker: SharedWorker) -> bool:
    """Return whether a worker waits for a lock that somebody holds, such as that of a tab."""
    with suppress(WorkerClosedError):
        pending: Any = worker.clock.state()["pending"]
        return any(item["held"] for item in pending)
    return False


def expect_end(telemetry: Telemetry) -> None:
    """Let time pass until the worker has ended. Raise FindingError if it goes on."""
    for _ in range(LOCK_CHECKS):
        telemetry.run_for(MAX_LINGER_MS)
        if not telemetry.workers.alive:
            return
        time.sleep(LOCK_SECONDS)
    raise FindingError(ENDED, "still alive")


def expect_all_stored(telemetry: Telemetry, when: str) -> None:
    """Require that every event is stored now. Raise FindingError; `when` ends its sentence."""
    missing = {event.key for event in telemetry.events if event.fate is Fate.STORED} - set(telemetry.stored)
    if missing:
        raise FindingError(f"all events stored {when}", f"{len(missing):,} are not")


@case(
    "extended/1/1",
    Level.SHOULD,
    "What is queued when the last tab closes is sent without another visit.",
    expected="all stored a flush interval later",
    source=AFTER_TABS,
)
def test_queue_leaves_after_the_last_tab(extended: Telemetry) -> None:
    for tab in (open_tab(extended), open_tab(extended)):
        tab.tab.log(3)
    close_all_tabs(extended)
    extended.flush()
    expect_all_stored(extended, "without another visit")
    extended.account()


@case(
    "extended/1/2",
    Level.SHOULD,
    f"A backlog of {BACKLOG:,} events, more than a `keepalive` request carries, is sent after the last tab.",
    expected=f"all stored within {MAX_LINGER_MS // 60_000} minutes",
    source=AFTER_TABS,
)
def test_backlog_leaves_after_the_last_tab(extended: Telemetry, observations: Observations) -> None:
    tab = open_tab(extended)
    tab.tab.log(BACKLOG, component=LARGE)
    close_all_tabs(extended)
    extended.run_for(MAX_LINGER_MS)
    observations(f"{len(extended.batches)} POST after the last tab")
    expect_all_stored(extended, "without another visit")
    extended.account()


@case(
    "extended/1/3",
    Level.SHOULD,
    f"A worker without tabs retries: its queue is sent after an outage of {OUTAGE_MS // 60_000} minutes.",
    expected="all stored an hour after the outage, without another visit",
    source=AFTER_TABS,
)
def test_queue_is_retried_after_the_last_tab(extended: Telemetry) -> None:
    with extended.break_posts(HttpStatus(503)):
        tab = open_tab(extended)
        tab.tab.log(3)
        close_all_tabs(extended)
        extended.run_for(OUTAGE_MS)
    extended.run_for(HOUR_MS)
    expect_all_stored(extended, "without another visit")
    extended.account()


@case(
    "extended/1/4",
    Level.SHOULD,
    "Events that wait for the configuration when the last tab closes are sent.",
    expected="all stored without another visit",
    source=AFTER_TABS,
)
def test_events_without_a_config_leave_after_the_last_tab(extended: Telemetry) -> None:
    extended.break_config(Latency(latency=20_000))
    tab = open_tab(extended)
    tab.tab.log(3)
    close_all_tabs(extended)
    extended.run_for(MAX_LINGER_MS)
    expect_all_stored(extended, "without another visit")
    extended.account()


@case(
    "extended/2/1",
    Level.SHOULD,
    "A tab that opens while the worker goes on without tabs joins its session.",
    expected="one worker, one session, all stored once",
    source=JOINING,
)
def test_tab_that_comes_back_joins_the_session(extended: Telemetry) -> None:
    with extended.break_posts(HttpStatus(503)):
        open_tab(extended).tab.log(2)
        close_all_tabs(extended)
        extended.run_for(OUTAGE_MS)
        tab = open_tab(extended)
        tab.tab.log(2)
        extended.flush()
    drain(extended)
    workers = len(extended.workers.history)
    if workers != 1:
        raise FindingError("one worker", f"{workers} workers")
    expect_one_session(extended)
    extended.account()


@case(
    "extended/2/2",
    Level.MUST,
    "Consent that a new tab withdraws reaches a worker that went on without tabs: nothing is sent any more.",
    expected="no POST after SHUTDOWN",
    source=CONSENT,
)
def test_shutdown_reaches_a_worker_without_tabs(extended: Telemetry) -> None:
    with extended.break_posts(HttpStatus(503)):
        open_tab(extended).tab.log(3, fate=Fate.FORBIDDEN)
        close_all_tabs(extended)
        extended.run_for(OUTAGE_MS)
        tab = open_tab(extended)
        shut_down(extended, tab.tab)
    posts = len(extended.batches)
    extended.run_for(2 * HOUR_MS)
    close_all_tabs(extended)
    extended.run_for(2 * HOUR_MS)
    extended.expect_batches(posts, "before SHUTDOWN, and none after it")
    extended.account()


@case(
    "extended/2/3",
    Level.MUST,
    "A worker that went on without tabs after SHUTDOWN serves the tab that opens next, in a new session.",
    expected="nothing from before SHUTDOWN stored, all later events stored once",
    source=CONSENT,
)
def test_tab_after_a_shutdown_without_tabs(extended: Telemetry) -> None:
    tab = open_tab(extended)
    tab.tab.log(3, fate=Fate.FORBIDDEN)
    extended.settle()
    shut_down(extended, tab.tab)
    close_all_tabs(extended)
    extended.run_for(1_000)
    open_tab(extended).tab.log(2)
    close_all_tabs(extended)
    extended.run_for(MAX_LINGER_MS)
    expect_all_stored(extended, "without another visit")
    extended.account()


@case(
    "extended/3/1",
    Level.SHOULD,
    "A worker without tabs ends by itself when nothing is left to send.",
    expected=f"{ENDED}, after at most {MAX_IDLE_REQUESTS} requests",
    source=ENDING,
)
def test_worker_ends_when_nothing_is_left(extended: Telemetry, observations: Observations) -> None:
    for tab in (open_tab(extended), open_tab(extended)):
        tab.tab.log(2)
    extended.flush()
    extended.settle()
    requests = len(extended.batches) + len(extended.config_requests)
    close_all_tabs(extended)
    expect_end(extended)
    requests = len(extended.batches) + len(extended.config_requests) - requests
    observations(f"{requests} requests without a tab")
    if requests > MAX_IDLE_REQUESTS:
        raise FindingError(f"at most {MAX_IDLE_REQUESTS} requests without a tab", f"{requests} requests")
    extended.account()


@case(
    "extended/3/2",
    Level.MUST,
    "A worker does not end while a tab is open, be it hidden and idle for a day.",
    expected="events of the idle tab stored",
    source=JOINING,
)
def test_worker_does_not_end_with_an_idle_tab(extended: Telemetry) -> None:
    hidden = open_tab(extended)
    hidden.tab.log()
    open_tab(extended).tab.log()
    hidden.report(hidden=True)
    extended.flush()
    extended.tabs[-1].close()
    extended.run_for(DAY_MS)
    hidden.tab.log(2)
    extended.flush(2)
    extended.account()


@case(
    "extended/3/3",
    Level.MUST,
    "A worker does not end while a tab is open that neither reports its visibility nor holds a lock.",
    expected="events of the idle tab stored",
    source=JOINING,
)
def test_worker_does_not_end_with_a_silent_tab(extended: Telemetry) -> None:
    silent = extended.open_tab(connect=False)
    silent.is_extended = True
    silent.connect()
    open_tab(extended).tab.log()
    extended.flush()
    extended.tabs[-1].close()
    extended.run_for(DAY_MS)
    silent.log(2)
    extended.flush(2)
    extended.account()


@case(
    "extended/3/4",
    Level.MUST,
    "A tab that opens at any moment after the last one has closed gets READY, and its events are stored.",
    expected="all stored once",
    source=JOINING,
)
def test_tab_opens_at_any_moment_after_the_last(extended: Telemetry) -> None:
    for delay_ms in OPEN_DELAYS_MS:
        open_tab(extended).tab.log()
        extended.flush()
        close_all_tabs(extended)
        extended.run_for(delay_ms)
    open_tab(extended).tab.log()
    close_all_tabs(extended)
    extended.run_for(MAX_LINGER_MS)
    extended.account()


@pytest.mark.usefixtures("needs_crash")
@case(
    "extended/3/5",
    Level.SHOULD,
    "A tab that has crashed does not keep a worker: its queue is sent, and it ends.",
    expected=f"all stored, and {ENDED}",
    source=ENDING,
)
def test_crashed_tab_does_not_keep_the_worker(extended: Telemetry) -> None:
    host, crashing = open_tab(extended), open_tab(extended)
    crashing.tab.log(2)
    extended.settle()
    crash(crashing.tab.page)
    host.tab.log(2)
    extended.settle()
    host.tab.close()
    expect_end(extended)
    expect_all_stored(extended, "without another visit")
    extended.account()


@case(
    "extended/4/1",
    Level.MUST,
    "Tabs of a build with and of one without extended lifetime work side by side.",
    expected="READY in all tabs, all stored once, in a session of each build",
    source="HTML, SharedWorker: a worker is not shared between tabs that ask for different lifetimes",
)
def test_builds_with_and_without_work_side_by_side(extended: Telemetry) -> None:
    old = extended.open_tab()
    new = open_tab(extended).tab
    for _ in range(2):
        for tab in (old, new):
            tab.log(2)
        extended.flush()
    for tab in (extended.open_tab(), open_tab(extended).tab):
        tab.log()
    extended.flush(2)
    close_all_tabs(extended)
    extended.run_for(MAX_LINGER_MS)
    expect_separate_sessions(extended, old, new)
    extended.account()


@case(
    "extended/4/2",
    Level.SHOULD,
    "What a worker without extended lifetime has left is sent by one with it, which starts later.",
    expected="all stored once, at most an hour after the next tab has opened",
    source=AFTER_TABS,
)
def test_extended_worker_sends_what_another_build_left(extended: Telemetry) -> None:
    old = extended.open_tab()
    old.log(3)
    extended.settle()
    worker = extended.workers.wait_for()
    old.close()
    worker.wait_for_close()
    open_tab(extended).tab.log()
    drain(extended)
    close_all_tabs(extended)
    extended.run_for(MAX_LINGER_MS)
    extended.account()
