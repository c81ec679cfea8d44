"""Flush: when no tab is visible any more, all may close at any moment: a worker sends what is queued at once.

Tabs report their visibility (protocol extension VISIBILITY). A worker that does not read it flushes at its
interval: the cases do not apply to it.
"""

from __future__ import annotations

import pytest

from e2e.conformance.case import FindingError, Level, case
from e2e.conformance.preconditions import require_supported
from e2e.worker.driver.reporting_tab import ReportingTab, open_reporting_tab
from e2e.worker.driver.system import Telemetry
from pytest_sharedworker import crash

HIDDEN = "protocol extension, VISIBILITY: when no tab is visible, the worker flushes now"


def expect_sent_at_once(telemetry: Telemetry, when: str) -> None:
    """Require that all is stored without time passing. Raise FindingError; `when` ends its sentence."""
    telemetry.settle()
    missing = {event.key for event in telemetry.events} - set(telemetry.stored)
    if missing:
        raise FindingError(f"a POST at once {when}", f"none with {', '.join(sorted(missing))}")


def require_flush_when_hidden(telemetry: Telemetry, tab: ReportingTab) -> None:
    """Skip the case unless the worker flushes when its only tab is hidden; the tab is visible afterwards."""
    tab.tab.log()
    telemetry.settle()
    require_supported(not telemetry.batches, "the worker sends events at once")
    tab.report(hidden=True)
    telemetry.settle()
    require_supported(telemetry.stored, "the worker does not flush when its tabs are hidden")
    tab.report(hidden=False)
    # A worker may keep a pause between two requests.
    telemetry.flush()


@case(
    "flush/7/1",
    Level.SHOULD,
    "A worker sends its queue when the last visible tab is hidden, not before.",
    expected="no POST while a tab is visible, one at once when none is",
    source=HIDDEN,
)
def test_queue_is_sent_when_the_last_tab_is_hidden(telemetry: Telemetry) -> None:
    first = open_reporting_tab(telemetry)
    require_flush_when_hidden(telemetry, first)
    second = open_reporting_tab(telemetry)
    posts = len(telemetry.batches)
    second.tab.log(2)
    first.report(hidden=True)
    telemetry.settle()
    telemetry.expect_batches(posts, "while a tab is visible")
    second.report(hidden=True)
    expect_sent_at_once(telemetry, "when the last tab is hidden")
    telemetry.account()


@pytest.mark.usefixtures("needs_crash")
@case(
    "flush/7/2",
    Level.SHOULD,
    "A worker does not take a tab that has crashed for a visible one.",
    expected="a POST at once when the last other tab is hidden",
    source=HIDDEN,
)
def test_crashed_tab_is_not_visible(telemetry: Telemetry) -> None:
    host = open_reporting_tab(telemetry)
    require_flush_when_hidden(telemetry, host)
    crashing = open_reporting_tab(telemetry)
    host.tab.log(2)
    telemetry.settle()
    crash(crashing.tab.page)
    telemetry.settle()
    host.report(hidden=True)
    expect_sent_at_once(telemetry, "when the last tab that lives is hidden")
    telemetry.account()


@case(
    "flush/7/3",
    Level.SHOULD,
    "A worker does not take a tab for a visible one that has closed without a word.",
    expected="a POST at once when the last other tab is hidden",
    source=HIDDEN,
)
def test_closed_tab_is_not_visible(telemetry: Telemetry) -> None:
    first = open_reporting_tab(telemetry)
    require_flush_when_hidden(telemetry, first)
    silent = open_reporting_tab(telemetry)
    first.tab.log(2)
    telemetry.settle()
    silent.tab.close()
    telemetry.settle()
    first.report(hidden=True)
    expect_sent_at_once(telemetry, "when the last tab that lives is hidden")
    telemetry.account()


@case(
    "flush/7/4",
    Level.SHOULD,
    "A worker sends its queue when the last visible tab closes without a word while the others are hidden.",
    expected="a POST at once",
    source=HIDDEN,
)
def test_queue_is_sent_when_the_last_visible_tab_closes(telemetry: Telemetry) -> None:
    first = open_reporting_tab(telemetry)
    require_flush_when_hidden(telemetry, first)
    visible = open_reporting_tab(telemetry)
    first.report(hidden=True)
    visible.tab.log(2)
    telemetry.settle()
    visible.tab.close()
    expect_sent_at_once(telemetry, "when the last visible tab has closed")
    telemetry.account()
