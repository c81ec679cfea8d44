"""Leftovers: what a worker leaves behind when it ends, and what the next worker of the origin makes of it.

That nothing is lost with a worker stands in `test_lifecycle.py`. A worker that keeps its queue in memory
leaves nothing: it passes where nothing may leave, and fails where something has to.
"""

from __future__ import annotations

from collections import Counter

import pytest

from e2e.conformance.accounting import Fate
from e2e.conformance.case import FindingError, Level, case
from e2e.worker.driver.assertions import get_sessions_by_key
from e2e.worker.driver.restart import shut_down
from e2e.worker.driver.retry import drain, require_virtual_time
from e2e.worker.driver.system import Telemetry
from e2e.worker.driver.tab import Tab

SESSION = "wire protocol, record: one session a worker"
STORED = "data safety: what the server has said that it stored need not be sent again"
CONSENT = "privacy: what was queued without consent, or before it was withdrawn, is nobody's to send"


def close_last_tab(telemetry: Telemetry, tab: Tab) -> None:
    """Close the only tab; returns when its worker has ended."""
    worker = telemetry.workers.wait_for()
    tab.close()
    worker.wait_until_ended()


def open_the_app_again(telemetry: Telemetry) -> None:
    """Log in a new tab, and give its worker the time to send also what is left."""
    telemetry.open_tab().log()
    drain(telemetry)


@case(
    "leftovers/1/1",
    Level.SHOULD,
    "What the next worker sends of what one before it left is stored under the session it was logged in.",
    expected="the earlier session's id",
    source=SESSION,
)
def test_leftovers_keep_their_session(telemetry: Telemetry) -> None:
    require_virtual_time(telemetry)
    tab = telemetry.open_tab()
    (sent,) = tab.log()
    telemetry.flush()
    left = tab.log(2)
    telemetry.settle()
    close_last_tab(telemetry, tab)
    open_the_app_again(telemetry)
    sessions = get_sessions_by_key(telemetry)
    others = {sessions.get(event.key, "not stored") for event in left} - {sessions[sent.key]}
    if others:
        raise FindingError(
            f"the session {sessions[sent.key]}, in which they were logged", ", ".join(sorted(others))
        )
    telemetry.account()


@case(
    "leftovers/1/2",
    Level.SHOULD,
    "What has been stored is not sent again by the next worker.",
    expected="each event in one POST",
    source=STORED,
)
def test_what_is_stored_is_not_left(telemetry: Telemetry) -> None:
    require_virtual_time(telemetry)
    tab = telemetry.open_tab()
    tab.log(2)
    telemetry.flush()
    telemetry.settle()
    close_last_tab(telemetry, tab)
    open_the_app_again(telemetry)
    times = Counter(key for batch in telemetry.batches for key in batch.keys)
    again = sorted(key for key, count in times.items() if count > 1)
    if again:
        raise FindingError("each event in one POST", f"sent again: {', '.join(again)}")
    telemetry.account()


@case(
    "leftovers/2/1",
    Level.SHOULD,
    "Nothing that was queued when SHUTDOWN came is sent by a later worker.",
    expected="only what was logged after the new start stored",
    source=CONSENT,
)
def test_nothing_is_left_by_a_shutdown(telemetry: Telemetry) -> None:
    require_virtual_time(telemetry)
    tab = telemetry.open_tab()
    tab.log(3, fate=Fate.DROPPED)
    telemetry.settle()
    if telemetry.batches:
        pytest.skip("what is logged leaves at once: nothing is queued when SHUTDOWN comes")
    shut_down(telemetry, tab)
    tab.close()
    open_the_app_again(telemetry)
    telemetry.account()


@case(
    "leftovers/2/2",
    Level.SHOULD,
    "Nothing that was queued when the server answered `disabled` is sent by a later worker.",
    expected="only what the later worker's tab logged stored",
    source="wire protocol, answer: stop, drop, send nothing ever after",
)
def test_nothing_is_left_by_a_disabled_answer(telemetry: Telemetry) -> None:
    require_virtual_time(telemetry)
    tab = telemetry.open_tab()
    telemetry.settle()
    telemetry.configure(disable_telemetry=True)
    tab.log(fate=Fate.DROPPED)
    telemetry.flush()
    telemetry.configure()
    close_last_tab(telemetry, tab)
    open_the_app_again(telemetry)
    telemetry.account()


@case(
    "leftovers/2/3",
    Level.SHOULD,
    "A worker whose configuration disables telemetry sends nothing that one before it left, nor leaves it.",
    expected="no POST while disabled, and only new events after it",
    source=CONSENT,
)
def test_nothing_is_left_by_a_configuration_that_disables(telemetry: Telemetry) -> None:
    require_virtual_time(telemetry)
    tab = telemetry.open_tab()
    telemetry.settle()
    with telemetry.break_posts("status", status=503):
        tab.log(3, fate=Fate.DROPPED)
        telemetry.flush()
        close_last_tab(telemetry, tab)
    posts = len(telemetry.batches)
    telemetry.configure(disable_ui_telemetry=True)
    tab = telemetry.open_tab()
    telemetry.flush(2)
    telemetry.expect_batches(posts, "before telemetry was disabled, and none while it is")
    close_last_tab(telemetry, tab)
    telemetry.configure()
    open_the_app_again(telemetry)
    telemetry.account()
