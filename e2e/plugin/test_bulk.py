"""open_tabs and spawn_workers: many tabs, and many workers with distinct names."""

from __future__ import annotations

import pytest

from e2e.plugin.app import ECHO, PAGE, App
from pytest_sharedworker import UnsupportedError, WaitTimeoutError, open_tabs, spawn_workers
from pytest_sharedworker.browsers.capabilities import get_capabilities

WORKERS = 200
TABS = 10


def test_many_workers_start_and_respond(app: App, browser_name: str) -> None:
    count = get_capabilities(browser_name).max_workers or WORKERS
    app.gateway.serve("/worker.js", ECHO)
    workers = spawn_workers(app.workers, app.open(), "/worker.js", count, prefix="echo")
    assert [worker.name for worker in workers] == [f"echo-{number}" for number in range(count)]
    assert workers[-1].evaluate("self.name") == f"echo-{count - 1}"
    app.workers.clock.run_for(1_000)
    assert {worker.clock.now for worker in workers} == {1_000}


@pytest.mark.only_browser("webkit")
def test_spawning_more_workers_than_the_plugin_reaches_is_an_error(app: App) -> None:
    with pytest.raises(UnsupportedError, match="150 workers at a time in this browser, not 200"):
        spawn_workers(app.workers, app.open(), "/worker.js", WORKERS)


def test_spawning_a_missing_script_is_an_error(app: App) -> None:
    with pytest.raises(WaitTimeoutError, match=r"3 workers of /none\.js; 3 have not started, 'worker-0'"):
        spawn_workers(app.workers, app.open(), "/none.js", 3, timeout=500)


def test_ten_tabs_share_one_worker(app: App) -> None:
    app.gateway.serve("/worker.js", ECHO)
    tabs = open_tabs(app.context, app.gateway.url + PAGE, TABS)
    for tab in tabs:
        app.connect(tab)
        tab.evaluate("worker.port.postMessage('hello')")
    worker = app.workers.wait_for()
    app.workers._manager.settle_messages()
    assert worker.evaluate("log.length") == TABS
    assert len(app.gateway.journal.select(f"GET {PAGE}")) == TABS
