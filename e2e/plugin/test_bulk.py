"""Many tabs and many workers of distinct names, started cheaply."""

from __future__ import annotations

import pytest

from e2e.plugin.environment import ECHO, PAGE, Stage
from pytest_sharedworker.errors import WaitTimeout
from pytest_sharedworker.workers.bulk import open_tabs, spawn_workers

WORKERS = 200
TABS = 10


def test_two_hundred_workers_start_and_each_can_be_reached(stage: Stage) -> None:
    stage.gateway.mount("/worker.js", ECHO)
    workers = spawn_workers(stage.workers, stage.open(), "/worker.js", WORKERS, prefix="echo")
    assert [worker.name for worker in workers] == [f"echo-{number}" for number in range(WORKERS)]
    assert workers[-1].evaluate("self.name") == f"echo-{WORKERS - 1}"
    stage.workers.advance(1)
    assert {worker.clock.now for worker in workers} == {1.0}


def test_spawned_workers_of_a_script_that_is_missing_are_named(stage: Stage) -> None:
    with pytest.raises(WaitTimeout, match=r"3 workers of /none\.js; 3 have not started, 'worker-0'"):
        spawn_workers(stage.workers, stage.open(), "/none.js", 3, timeout_seconds=0.5)


def test_ten_tabs_open_on_one_page_and_share_one_worker(stage: Stage) -> None:
    stage.gateway.mount("/worker.js", ECHO)
    tabs = open_tabs(stage.context, stage.gateway.url + PAGE, TABS)
    for tab in tabs:
        stage.connect(tab)
        tab.evaluate("worker.port.postMessage('hello')")
    worker = stage.workers.wait_for()
    stage.workers.deliver()
    assert worker.evaluate("log.length") == TABS
    assert len(stage.gateway.journal.select(f"GET {PAGE}")) == TABS
