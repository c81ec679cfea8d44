"""Outbox recovery: the events that a worker leaves when it ends, and what the origin's next worker does.

`test_lifecycle.py` covers that no event is lost when a worker ends. A worker that keeps its queue in memory
leaves nothing: it passes the cases that forbid sending, and fails those that require it.
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
from pytest_sharedworker import HttpStatus

SESSION = "wire protocol, record: one session per worker"
STORED = "data safety: events that the server has confirmed as stored are not sent again"
ENDPOINT = "wire protocol, endpoint: relative to the worker's script, so that each app has its own server"
OTHER_PREFIX = "/other"
CONSENT = "privacy: events queued without consent, or before it was withdrawn, are never sent"


def close_last_tab(telemetry: Telemetry, tab: Tab) -> None:
    """Close the only tab and return when its worker has ended."""
    worker = telemetry.workers.wait_for()
    tab.close()
    worker.wait_for_close()


def reopen_app(telemetry: Telemetry) -> None:
    """Log in a new tab, and give its worker time to send recovered events too."""
    telemetry.open_tab().log()
    drain(telemetry)


@case(
    "leftovers/1/1",
    Level.SHOULD,
    "A worker sends the events of an earlier worker under the session in which they were logged.",
    expected="the earlier session's id",
    source=SESSION,
)
def test_recovered_events_keep_their_session(telemetry: Telemetry) -> None:
    require_virtual_time(telemetry)
    tab = telemetry.open_tab()
    (sent,) = tab.log()
    telemetry.flush()
    left = tab.log(2)
    telemetry.settle()
    close_last_tab(telemetry, tab)
    reopen_app(telemetry)
    sessions = get_sessions_by_key(telemetry)
    wrong = {sessions.get(event.key, "not stored") for event in left} - {sessions[sent.key]}
    if wrong:
        raise FindingError(
            f"the session {sessions[sent.key]}, in which they were logged", ", ".join(sorted(wrong))
        )
    telemetry.account()


@case(
    "leftovers/1/2",
    Level.SHOULD,
    "A worker does not send events of an earlier worker again that are already stored.",
    expected="each event in one POST",
    source=STORED,
)
def test_stored_events_are_not_recovered(telemetry: Telemetry) -> None:
    require_virtual_time(telemetry)
    tab = telemetry.open_tab()
    tab.log(2)
    telemetry.flush()
    telemetry.settle()
    close_last_tab(telemetry, tab)
    reopen_app(telemetry)
    times = Counter(key for batch in telemetry.batches for key in batch.keys)
    again = sorted(key for key, count in times.items() if count > 1)
    if again:
        raise FindingError("each event in one POST", f"sent again: {', '.join(again)}")
    telemetry.account()


@case(
    "leftovers/2/1",
    Level.SHOULD,
    "A worker sends no event that an earlier worker had queued at SHUTDOWN.",
    expected="only events logged after the new start stored",
    source=CONSENT,
)
def test_nothing_is_recovered_after_a_shutdown(telemetry: Telemetry) -> None:
    require_virtual_time(telemetry)
    tab = telemetry.open_tab()
    tab.log(3, fate=Fate.FORBIDDEN)
    telemetry.settle()
    if telemetry.batches:
        pytest.skip("the worker sends events at once: nothing is queued at SHUTDOWN")
    shut_down(telemetry, tab)
    tab.close()
    reopen_app(telemetry)
    telemetry.account()


@case(
    "leftovers/2/2",
    Level.SHOULD,
    "A worker sends no event that an earlier worker had queued when the server responded `disabled`.",
    expected="only events of the later worker's tab stored",
    source="wire protocol, response: stop, drop the queue, and never send again",
)
def test_nothing_is_recovered_after_a_disabled_response(telemetry: Telemetry) -> None:
    require_virtual_time(telemetry)
    tab = telemetry.open_tab()
    telemetry.settle()
    telemetry.configure(disable_telemetry=True)
    tab.log(fate=Fate.FORBIDDEN)
    telemetry.flush()
    telemetry.configure()
    close_last_tab(telemetry, tab)
    reopen_app(telemetry)
    telemetry.account()


@case(
    "leftovers/2/3",
    Level.SHOULD,
    "A worker whose configuration disables telemetry neither sends nor keeps the events of an earlier one.",
    expected="no POST while disabled, and only new events afterwards",
    source=CONSENT,
)
def test_nothing_is_recovered_if_the_config_disables(telemetry: Telemetry) -> None:
    require_virtual_time(telemetry)
    tab = telemetry.open_tab()
    telemetry.settle()
    with telemetry.break_posts(HttpStatus(503)):
        tab.log(3, fate=Fate.FORBIDDEN)
        telemetry.flush()
        close_last_tab(telemetry, tab)
    posts = len(telemetry.batches)
    telemetry.configure(disable_ui_telemetry=True)
    tab = telemetry.open_tab()
    telemetry.flush(2)
    telemetry.expect_batches(posts, "before telemetry was disabled, and none while it is")
    close_last_tab(telemetry, tab)
    telemetry.configure()
    reopen_app(telemetry)
    telemetry.account()


@case(
    "leftovers/3/1",
    Level.SHOULD,
    "A worker does not send the events that a worker of another endpoint of the origin has left.",
    expected="to each endpoint only the events of its own tabs",
    source=ENDPOINT,
)
def test_outbox_of_another_endpoint_is_kept_apart(telemetry: Telemetry) -> None:
    require_virtual_time(telemetry)
    tab = telemetry.open_tab()
    with telemetry.break_posts(HttpStatus(503)):
        # Its own worker may come back and send them, or never.
        left = tab.log(3, fate=Fate.OPTIONAL)
        telemetry.flush()
        tab.close()
        for worker in telemetry.workers.alive:
            worker.terminate()
    url = telemetry.serve_below(OTHER_PREFIX)
    telemetry.open_tab(url=url).log(2)
    drain(telemetry)
    strays = {event.key for event in left}.intersection(
        key for batch in telemetry.batches for key in batch.keys
    )
    if strays:
        raise FindingError(
            "to each endpoint only the events of its own tabs",
            f"{', '.join(sorted(strays))} sent to {telemetry.endpoint}",
        )
    telemetry.account()
