"""Opt-out: SHUTDOWN, when the user withdraws consent, and the new start when the user gives it again.

Consent belongs to the user, not to a tab: queued events of other tabs must not be sent either. The worker
may end at SHUTDOWN, or keep running for the next start. An event that another tab logs after SHUTDOWN may
be lost: the protocol requires no message to the other tabs.
"""

from __future__ import annotations

from typing import Any

import pytest

from e2e.conformance.accounting import Fate
from e2e.conformance.case import Level, case
from e2e.conformance.preconditions import require_supported
from e2e.conformance.report.observations import Observations
from e2e.worker.driver.requests import advance_until_posted, get_unsent_events
from e2e.worker.driver.restart import restart, shut_down, shut_down_and_restart, shut_down_before_ready
from e2e.worker.driver.system import Telemetry, set_fate
from pytest_sharedworker import HttpStatus, Latency

SHUTDOWN = "wire protocol, tab → worker: SHUTDOWN"
CONSENT = "wire protocol, opt-out: a setting in the browser that shuts the worker down"
RESTART = f"{CONSENT} and starts it again without a reload"
WATCHED_INTERVALS = 10
BEFORE = "before SHUTDOWN, and none after it"
PRIVACY_CONTROL = """Object.defineProperty(
    WorkerNavigator.prototype, "globalPrivacyControl", { value: true, configurable: true }
);"""


@case(
    "optout/1/1",
    Level.MUST,
    "A worker accepts no events after SHUTDOWN.",
    expected="no POST in the ten intervals after it",
    source=SHUTDOWN,
)
def test_no_event_is_accepted_after_shutdown(telemetry: Telemetry) -> None:
    tab = telemetry.open_tab()
    tab.log(2)
    telemetry.flush()
    posts = len(telemetry.batches)
    shut_down(telemetry, tab)
    tab.log(2, fate=Fate.FORBIDDEN)
    telemetry.flush(WATCHED_INTERVALS)
    telemetry.expect_batches(posts, BEFORE)
    telemetry.account()


@case(
    "optout/1/2",
    Level.SHOULD,
    "A worker does not send the events that are queued at SHUTDOWN: consent is withdrawn.",
    expected="no POST after SHUTDOWN, neither at once nor in ten intervals",
    source=CONSENT,
)
def test_queue_is_dropped_at_shutdown(telemetry: Telemetry) -> None:
    first, second = telemetry.open_tabs(2)
    for tab in (first, second):
        tab.log(3)
    telemetry.settle()
    queued, posts = get_unsent_events(telemetry), len(telemetry.batches)
    require_supported(queued, "every event was sent before SHUTDOWN")
    set_fate(queued, Fate.FORBIDDEN)
    shut_down(telemetry, first)
    telemetry.flush(WATCHED_INTERVALS)
    telemetry.expect_batches(posts, BEFORE)
    telemetry.account()


@case(
    "optout/1/3",
    Level.SHOULD,
    "A worker that gets SHUTDOWN before its configuration arrives sends none of the waiting events.",
    expected="no POST in ten intervals",
    source=CONSENT,
)
def test_shutdown_while_the_config_is_pending(telemetry: Telemetry) -> None:
    telemetry.break_config(Latency(latency=5_000))
    tab = telemetry.open_tab()
    tab.log(3, fate=Fate.FORBIDDEN)
    shut_down(telemetry, tab)
    telemetry.flush(WATCHED_INTERVALS)
    telemetry.expect_batches(0, "after SHUTDOWN")
    telemetry.account()


@case(
    "optout/1/4",
    Level.SHOULD,
    "A worker that gets SHUTDOWN while a batch is in flight sends nothing more, not even that batch again.",
    expected="no POST in the ten intervals after SHUTDOWN",
    source=CONSENT,
)
def test_shutdown_while_a_batch_is_in_flight(telemetry: Telemetry) -> None:
    telemetry.break_posts(Latency(latency=5_000), stream="upstream", times=1)
    telemetry.break_posts(HttpStatus(503), times=1)
    tab = telemetry.open_tab()
    tab.log(fate=Fate.FORBIDDEN)  # Its POST gets a 503: only another POST could store it.
    advance_until_posted(telemetry)
    tab.log(2)
    telemetry.settle()
    set_fate(get_unsent_events(telemetry), Fate.FORBIDDEN)
    posts = len(telemetry.batches)
    shut_down(telemetry, tab)
    telemetry.flush(WATCHED_INTERVALS)
    telemetry.expect_batches(posts, BEFORE)
    telemetry.account()


@case(
    "optout/1/5",
    Level.SHOULD,
    "A worker sends no event that another tab logs after SHUTDOWN: consent belongs to the user, not the tab.",
    expected="no POST in the ten intervals after SHUTDOWN",
    source=CONSENT,
)
def test_events_of_other_tabs_after_shutdown_are_dropped(telemetry: Telemetry) -> None:
    first, second = telemetry.open_tabs(2)
    for tab in (first, second):
        tab.log(2)
    telemetry.flush()
    posts = len(telemetry.batches)
    shut_down(telemetry, first)
    second.log(2, fate=Fate.FORBIDDEN)
    telemetry.flush(WATCHED_INTERVALS)
    telemetry.expect_batches(posts, BEFORE)
    telemetry.account()


@case(
    "optout/2/1",
    Level.MUST,
    "After SHUTDOWN from one tab, other tabs can start a worker again, and their events are stored.",
    expected="events logged after the new start stored",
    source=RESTART,
)
def test_other_tabs_can_restart_after_shutdown(telemetry: Telemetry) -> None:
    first, second, third = telemetry.open_tabs(3)
    for tab in (second, third):
        tab.log(2)
    telemetry.flush()
    shut_down(telemetry, first)
    second.log(2, fate=Fate.OPTIONAL)
    for tab in (second, third):
        restart(telemetry, tab)
        tab.log(2)
    telemetry.flush(2)
    telemetry.account()


def make_restart(number: int, delay_ms: int, shutdowns: int = 1) -> Any:
    """Return the parameter of one case: SHUTDOWN, and a new start `delay_ms` later."""
    messages = "SHUTDOWN" if shutdowns == 1 else f"{shutdowns} SHUTDOWN messages"
    return pytest.param(
        delay_ms,
        shutdowns,
        id=f"{shutdowns}-shutdown-{delay_ms}-ms",
        marks=case(
            f"optout/3/{number}",
            Level.MUST,
            f"A worker started {delay_ms} ms after {messages} posts READY, and its events are stored.",
            expected="READY, and events logged after it stored",
            source=RESTART,
        ),
    )


@pytest.mark.parametrize(
    ("delay_ms", "shutdowns"),
    [make_restart(1, 0), make_restart(2, 1), make_restart(3, 5), make_restart(4, 50), make_restart(5, 0, 2)],
)
def test_new_start_after_shutdown(
    telemetry: Telemetry, observations: Observations, delay_ms: int, shutdowns: int
) -> None:
    tab = telemetry.open_tab()
    tab.log(2)
    telemetry.flush()
    starts = shut_down_and_restart(telemetry, tab, delay_ms=delay_ms, messages=shutdowns)
    tab.log(2)
    telemetry.flush(2)
    observations(f"{starts} start{'' if starts == 1 else 's'} until READY")
    telemetry.account()


@case(
    "optout/4/1",
    Level.MUST,
    "A worker that gets SHUTDOWN before READY sends no event, and a new worker can be started.",
    expected="no event of the first worker stored, all events of the second stored",
    source=RESTART,
)
def test_shutdown_before_ready(telemetry: Telemetry) -> None:
    tab = telemetry.open_tab(connect=False)
    shut_down_before_ready(telemetry, tab)
    tab.log(2, fate=Fate.FORBIDDEN)
    telemetry.settle()
    telemetry.flush(2)
    telemetry.expect_batches(0, "after SHUTDOWN before READY")
    restart(telemetry, tab)
    tab.log(2)
    telemetry.flush(2)
    telemetry.account()


@case(
    "optout/5/1",
    Level.SHOULD,
    "A worker sends no event if the browser signals an objection (navigator.globalPrivacyControl).",
    expected="no POST in ten intervals",
    source="privacy: W3C, Global Privacy Control",
)
def test_privacy_control_counts_as_an_opt_out(telemetry: Telemetry) -> None:
    telemetry.workers.add_init_script(PRIVACY_CONTROL)
    for tab in telemetry.open_tabs(2):
        tab.log(2, fate=Fate.FORBIDDEN)
    telemetry.flush(WATCHED_INTERVALS)
    telemetry.expect_batches(0, "although the user objects")
    telemetry.account()
