"""The ways in which a worker loses its tabs or its life, each with the tab that goes on afterwards."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from e2e.conformance.accounting import Event
from e2e.worker.driver.system import TAB_PATH, Telemetry
from e2e.worker.driver.tab import Tab
from pytest_sharedworker.errors import UnsupportedError
from pytest_sharedworker.workers.crash import crash
from pytest_sharedworker.workers.persistent_browser import PersistentBrowser

Log = Callable[[Tab], list[Event]]
"""Logs in a tab what the worker still holds when it ends."""

ShutdownScenario = Callable[[Telemetry, Log, pytest.FixtureRequest], Tab]
"""Opens a tab, has it log, brings the ending about, and returns a tab that is connected again."""


def _begin(telemetry: Telemetry, log: Log, tab: Tab | None = None) -> Tab:
    tab = tab or telemetry.open_tab()
    log(tab)
    telemetry.settle()
    return tab


def last_tab_closes(telemetry: Telemetry, log: Log, request: pytest.FixtureRequest) -> Tab:
    """The only tab is closed; later a new one opens."""
    tab = _begin(telemetry, log)
    worker = telemetry.workers.wait_for()
    tab.close()
    worker.wait_until_ended()
    return telemetry.open_tab()


def last_tab_leaves(telemetry: Telemetry, log: Log, request: pytest.FixtureRequest) -> Tab:
    """The only tab goes to another site, and comes back later."""
    tab = _begin(telemetry, log)
    worker = telemetry.workers.wait_for()
    tab.page.goto("about:blank")
    worker.wait_until_ended()
    tab.page.goto(telemetry.gateway.url + TAB_PATH)
    tab.connect()
    return tab


def last_tab_reloads(telemetry: Telemetry, log: Log, request: pytest.FixtureRequest) -> Tab:
    """The only tab is reloaded. Browsers may end the worker at this, or keep it."""
    tab = _begin(telemetry, log)
    tab.page.reload()
    tab.connect()
    return tab


def worker_is_terminated(telemetry: Telemetry, log: Log, request: pytest.FixtureRequest) -> Tab:
    """The worker ends, its tab lives on and starts it again."""
    tab = _begin(telemetry, log)
    telemetry.workers.wait_for().terminate()
    tab.connect()
    return tab


def host_tab_crashes(telemetry: Telemetry, log: Log, request: pytest.FixtureRequest) -> Tab:
    """The tab in whose process the worker runs crashes; another tab starts the worker again."""
    host, other = telemetry.open_tabs(2)
    _begin(telemetry, log, other)
    worker = telemetry.workers.wait_for()
    try:
        crash(host.page)
    except UnsupportedError as reason:
        pytest.skip(str(reason))
    host.close()
    worker.wait_until_ended()
    other.connect()
    return other


def browser_is_killed(telemetry: Telemetry, log: Log, request: pytest.FixtureRequest) -> Tab:
    """All processes of the browser end at once; it is started again on the same profile."""
    browser: PersistentBrowser = request.getfixturevalue("persistent_browser")
    _begin(telemetry, log, telemetry.open_tab(browser.context))
    try:
        browser.kill()
    except UnsupportedError as reason:
        pytest.skip(str(reason))
    return telemetry.open_tab(browser.reopen())


SHUTDOWN_SCENARIOS: dict[str, tuple[str, ShutdownScenario]] = {
    "closed": ("its last tab has closed", last_tab_closes),
    "left": ("its last tab has gone to another site", last_tab_leaves),
    "reloaded": ("its last tab has reloaded", last_tab_reloads),
    "terminated": ("it was terminated under living tabs", worker_is_terminated),
    "crashed": ("the tab that hosts it has crashed", host_tab_crashes),
    "killed": ("the browser was killed", browser_is_killed),
}
"""By a short name: the words that follow "after", and what brings it about. The order numbers the cases."""
