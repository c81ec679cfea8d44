"""Opt-out: SHUTDOWN, when consent is withdrawn, and the new start when it is given again.

What other tabs had queued is nobody's to send either: consent is the person's, not the tab's. An event
that another tab logs on a worker that has ended may be lost: the protocol has no word to tell it.
"""

from __future__ import annotations

from typing import Any

import pytest

from e2e.accounting import Fate
from e2e.case import Level, case
from e2e.report.observed import Observed
from e2e.restart import shut_down, shut_down_and_start, shut_down_before_ready, start_anew
from e2e.telemetry import Telemetry, mark

SHUTDOWN = "wire protocol, tab → worker: SHUTDOWN"
CONSENT = "wire protocol, opt-out: a setting in the browser, which shuts the worker down"
RESTART = f"{CONSENT} and starts it again without a reload"
WATCHED_INTERVALS = 10


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
    shut_down(telemetry, tab)
    tab.log(2, fate=Fate.DROPPED)
    telemetry.flush(WATCHED_INTERVALS)
    telemetry.expect_batches(1, "before SHUTDOWN, and none after it")
    telemetry.account()


@case(
    "optout/1/2",
    Level.SHOULD,
    "What is queued when SHUTDOWN comes does not leave any more: consent has been withdrawn.",
    expected="no POST, at once or in ten intervals",
    source=CONSENT,
)
def test_queue_is_dropped_at_shutdown(telemetry: Telemetry) -> None:
    first, second = telemetry.open_tabs(2)
    for tab in (first, second):
        tab.log(3, fate=Fate.DROPPED)
    telemetry.settle()
    shut_down(telemetry, first)
    telemetry.flush(WATCHED_INTERVALS)
    telemetry.expect_batches(0, "after SHUTDOWN")
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
    expected="one POST, and none in ten intervals after it",
    source=CONSENT,
)
def test_shutdown_while_a_batch_is_in_flight(telemetry: Telemetry) -> None:
    telemetry.break_posts("latency", latency_ms=5_000, stream="upstream", times=1)
    telemetry.break_posts("status", status=503, times=1)
    tab = telemetry.open_tab()
    in_flight = tab.log(2)
    telemetry.flush()
    telemetry.expect_batches(1, "in flight")
    tab.log(2, fate=Fate.DROPPED)
    shut_down(telemetry, tab)
    mark(in_flight, Fate.DROPPED)  # The answer to their POST is 503: they are stored by another or never.
    telemetry.flush(WATCHED_INTERVALS)
    telemetry.expect_batches(1, "before SHUTDOWN, and none after it")
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
    second.log(2, fate=Fate.EITHER)
    for tab in (second, third):
        start_anew(telemetry, tab)
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
    telemetry: Telemetry, observed: Observed, delay_ms: int, shutdowns: int
) -> None:
    tab = telemetry.open_tab()
    tab.log(2)
    telemetry.flush()
    starts = shut_down_and_start(telemetry, tab, delay_ms=delay_ms, messages=shutdowns)
    tab.log(2)
    telemetry.flush(2)
    observed(f"{starts} start{'' if starts == 1 else 's'} until READY")
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
    start_anew(telemetry, tab)
    tab.log(2)
    telemetry.flush(2)
    telemetry.account()
