"""Scenarios in which a worker ends or loses its last tab, each with the tab that connects afterwards.

No scenario posts the message SHUTDOWN; test_optout.py covers that.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from e2e.conformance.accounting import Event
from e2e.worker.driver.app import TAB_PATH
from e2e.worker.driver.system import Telemetry
from e2e.worker.driver.tab import Tab
from pytest_sharedworker import PersistentBrowser, UnsupportedError, crash

Log = Callable[[Tab], list[Event]]
"""Logs events in a tab; the worker still has some of them in its queue when it ends."""

ShutdownScenario = Callable[[Telemetry, Log, pytest.FixtureRequest], Tab]
"""Opens a tab, logs in it, ends the worker or its tabs, and returns a tab that is connected again."""


def _log_in_tab(telemetry: Telemetry, log: Log, tab: Tab | None = None) -> Tab:
    tab = tab or telemetry.open_tab()
    log(tab)
    telemetry.settle()
    return tab


def close_last_tab(telemetry: Telemetry, log: Log, request: pytest.FixtureRequest) -> Tab:
    """Close the only tab, and open a new one later."""
    tab = _log_in_tab(telemetry, log)
    worker = telemetry.workers.wait_for()
    tab.close()
    worker.wait_for_close()
    return telemetry.open_tab()


def navigate_last_tab_away(telemetry: Telemetry, log: Log, request: pytest.FixtureRequest) -> Tab:
    """Navigate the only tab to another site, and back later."""
    tab = _log_in_tab(telemetry, log)
    worker = telemetry.workers.wait_for()
    tab.page.goto("about:blank")
    worker.wait_for_close()
    tab.page.goto(telemetry.gateway.url + TAB_PATH)
    tab.connect()
    return tab


def reload_last_tab(telemetry: Telemetry, log: Log, request: pytest.FixtureRequest) -> Tab:
    """Reload the only tab; browsers may end the worker then, or keep it."""
    tab = _log_in_tab(telemetry, log)
    tab.page.reload()
    tab.connect()
    return tab


def terminate_worker(telemetry: Telemetry, log: Log, request: pytest.FixtureRequest) -> Tab:
    """Terminate the worker, and start it again from its tab."""
    tab = _log_in_tab(telemetry, log)
    telemetry.workers.wait_for().terminate()
    tab.connect()
    return tab


def crash_host_tab(telemetry: Telemetry, log: Log, request: pytest.FixtureRequest) -> Tab:
    """Crash the tab in whose process the worker runs, and start the worker again from another tab."""
    host, other = telemetry.open_tabs(2)
    _log_in_tab(telemetry, log, other)
    worker = telemetry.workers.wait_for()
    try:
        crash(host.page)
    except UnsupportedError as reason:
        pytest.skip(str(reason))
    host.close()
    worker.wait_for_close()
    other.connect()
    return other


def kill_browser(telemetry: Telemetry, log: Log, request: pytest.FixtureRequest) -> Tab:
    """Kill all processes of the browser, and start it again with the same profile."""
    browser: PersistentBrowser = request.getfixturevalue("persistent_browser")
    _log_in_tab(telemetry, log, telemetry.open_tab(browser.context))
    try:
        browser.kill()
    except UnsupportedError as reason:
        pytest.skip(str(reason))
    return telemetry.open_tab(browser.reopen())


SHUTDOWN_SCENARIOS: dict[str, tuple[str, ShutdownScenario]] = {
    "closed": ("the last tab has been closed", close_last_tab),
    "left": ("the last tab has navigated to another site", navigate_last_tab_away),
    "reloaded": ("the last tab has been reloaded", reload_last_tab),
    "terminated": ("a worker was terminated while tabs were open", terminate_worker),
    "crashed": ("the tab that hosts the worker has crashed", crash_host_tab),
    "killed": ("the browser was killed", kill_browser),
}
"""By a short name: the words that follow "after", and the scenario. The order gives the cases' numbers."""
