"""Opt-out: SHUTDOWN, when consent is withdrawn, and the new start when it is given again.

What other tabs had queued is nobody's to send either: consent is the person's, not the tab's. Whether the
worker ends at SHUTDOWN, or lives on for the next start, is its own business. An event that another tab logs
after it may be lost: the protocol has no word to tell it.
"""

from __future__ import annotations

from typing import Any

import pytest

from e2e.conformance.accounting import Fate
from e2e.conformance.case import Level, case
from e2e.conformance.preconditions import require_exercised
from e2e.conformance.report.observations import Observations
from e2e.worker.driver.requests import advance_until_posted, get_unsent_events
from e2e.worker.driver.restart import restart, shut_down, shut_down_and_restart, shut_down_before_ready
from e2e.worker.driver.system import Telemetry, set_fate

SHUTDOWN = "wire protocol, tab → worker: SHUTDOWN"
CONSENT = "wire protocol, opt-out: a setting in the browser, which shuts the worker down"
RESTART = f"{CONSENT} and starts it again without a reload"
WATCHED_INTERVALS = 10
BEFORE = "before SHUTDOWN, and none after it"
PRIVACY_CONTROL = """Object.defineProperty(
    WorkerNavigator.prototype, "globalPrivacyControl", { value: true, configurable: true }
);"""


@case(
    "optout/1/1",
    Level.MUST,
    "After SHUTDOWN the worker takes no events any more.",
    expected="no POST in ten intervals after it",
    source=SHUTDOWN,
)
def test_nothing_is_taken_after_shutdown(telemetry: Telemetry) -> None:
    tab = telemetry.open_tab()
    tab.log(2)
    telemetry.flush()
    posts = len(telemetry.batches)
    shut_down(telemetry, tab)
    tab.log(2, fate=Fate.DROPPED)
    telemetry.flush(WATCHED_INTERVALS)
    telemetry.expect_batches(posts, BEFORE)
    telemetry.account()


@case(
    "optout/1/2",
    Level.SHOULD,
    "What is queued when SHUTDOWN comes does not leave any more: consent has been withdrawn.",
    expected="no POST after SHUTDOWN, at once or in ten intervals",
    source=CONSENT,
)
def test_queue_is_dropped_at_shutdown(telemetry: Telemetry) -> None:
    first, second = telemetry.open_tabs(2)
    for tab in (first, second):
        tab.log(3)
    telemetry.settle()
    queued, posts = get_unsent_events(telemetry), len(telemetry.batches)
    require_exercised(queued, "every event had left before SHUTDOWN")
    set_fate(queued, Fate.DROPPED)
    shut_down(telemetry, first)
    telemetry.flush(WATCHED_INTERVALS)
    telemetry.expect_batches(posts, BEFORE)
    telemetry.account()


@case(
    "optout/1/3",
    Level.SHOULD,
    "SHUTDOWN while the configuration is on its way: nothing that waited for it leaves.",
    expected="no POST in ten intervals",
    source=CONSENT,
)
def test_shutdown_while_the_configuration_is_pending(telemetry: Telemetry) -> None:
    telemetry.break_config("latency", latency_ms=5_000)
    tab = telemetry.open_tab()
    tab.log(3, fate=Fate.DROPPED)
    shut_down(telemetry, tab)
    telemetry.flush(WATCHED_INTERVALS)
    telemetry.expect_batches(0, "after SHUTDOWN")
    telemetry.account()


@case(
    "optout/1/4",
    Level.SHOULD,
    "SHUTDOWN while a batch is on its way: nothing follows it, not even what it carried.",
    expected="no POST in ten intervals after SHUTDOWN",
    source=CONSENT,
)
def test_shutdown_while_a_batch_is_in_flight(telemetry: Telemetry) -> None:
    telemetry.break_posts("latency", latency_ms=5_000, stream="upstream", times=1)
    telemetry.break_posts("status", status=503, times=1)
    tab = telemetry.open_tab()
    tab.log(fate=Fate.DROPPED)  # The answer to its POST is 503: it is stored by another or never.
    advance_until_posted(telemetry)
    tab.log(2)
    telemetry.settle()
    set_fate(get_unsent_events(telemetry), Fate.DROPPED)
    posts = len(telemetry.batches)
    shut_down(telemetry, tab)
    telemetry.flush(WATCHED_INTERVALS)
    telemetry.expect_batches(posts, BEFORE)
    telemetry.account()


@case(
    "optout/1/5",
    Level.SHOULD,
    "What another tab logs after SHUTDOWN does not leave: consent is the person's, not the tab's.",
    expected="no POST in ten intervals after SHUTDOWN",
    source=CONSENT,
)
def test_another_tab_logs_after_shutdown(telemetry: Telemetry) -> None:
    first, second = telemetry.open_tabs(2)
    for tab in (first, second):
        tab.log(2)
    telemetry.flush()
    posts = len(telemetry.batches)
    shut_down(telemetry, first)
    second.log(2, fate=Fate.DROPPED)
    telemetry.flush(WATCHED_INTERVALS)
    telemetry.expect_batches(posts, BEFORE)
    telemetry.account()


@case(
    "optout/2/1",
    Level.MUST,
    "SHUTDOWN of one tab leaves the others able to start anew: what they log then is stored.",
    expected="what is logged after the new start stored",
    source=RESTART,
)
def test_shutdown_leaves_other_tabs_able_to_start(telemetry: Telemetry) -> None:
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


def spaced(number: int, delay_ms: int, shutdowns: int = 1) -> Any:
    """SHUTDOWN and a new start, so far apart."""
    what = "SHUTDOWN" if shutdowns == 1 else f"SHUTDOWN, sent {shutdowns} times,"
    return pytest.param(
        delay_ms,
        shutdowns,
        id=f"{shutdowns}-shutdown-{delay_ms}-ms",
        marks=case(
            f"optout/3/{number}",
            Level.MUST,
            f"{what} and a new start {delay_ms} ms later: the new worker says READY and stores.",
            expected="READY, and what is logged after it stored",
            source=RESTART,
        ),
    )


@pytest.mark.parametrize(
    ("delay_ms", "shutdowns"), [spaced(1, 0), spaced(2, 1), spaced(3, 5), spaced(4, 50), spaced(5, 0, 2)]
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
    "SHUTDOWN before READY counts: no event of that worker is sent, and a new start works.",
    expected="nothing of the first worker stored, all of the second",
    source=RESTART,
)
def test_shutdown_before_ready(telemetry: Telemetry) -> None:
    tab = telemetry.open_tab(connect=False)
    shut_down_before_ready(telemetry, tab)
    tab.log(2, fate=Fate.DROPPED)
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
    "Where the browser says that the person objects (navigator.globalPrivacyControl), no event leaves.",
    expected="no POST in ten intervals",
    source="privacy: W3C, Global Privacy Control",
)
def test_privacy_control_counts_as_an_opt_out(telemetry: Telemetry) -> None:
    telemetry.workers.add_init_script(PRIVACY_CONTROL)
    for tab in telemetry.open_tabs(2):
        tab.log(2, fate=Fate.DROPPED)
    telemetry.flush(WATCHED_INTERVALS)
    telemetry.expect_batches(0, "where the person objects")
    telemetry.account()
