"""The heap of a worker after garbage collection. Not here: memory outside of the JavaScript heap."""

from __future__ import annotations

import pytest
from playwright.sync_api import BrowserContext

from pytest_sharedworker.errors import UnsupportedError
from pytest_sharedworker.gateway.gateway import Gateway
from pytest_sharedworker.workers.shared_worker import SharedWorker
from pytest_sharedworker.workers.shared_workers import SharedWorkers

pytestmark = pytest.mark.usefixtures("worker_clock")

OBJECTS = 100_000
LEAST_BYTES_AN_OBJECT = 16


@pytest.fixture
def worker(gateway: Gateway, shared_workers: SharedWorkers, context: BrowserContext) -> SharedWorker:
    gateway.mount("/", "<title>a tab</title>", "text/html")
    gateway.mount("/worker.js", "onconnect = () => {}; self.queue = [];", "text/javascript")
    page = context.new_page()
    page.goto(gateway.url + "/")
    page.evaluate("self.worker = new SharedWorker('/worker.js'); 0")
    return shared_workers.wait_for()


@pytest.mark.usefixtures("needs_devtools")
def test_heap_counts_live_objects_only(worker: SharedWorker) -> None:
    fill = f"() => {{ for (let i = 0; i < {OBJECTS}; i += 1) queue.push({{ i }}); return queue.length; }}"
    at_first = worker.heap_used()
    assert worker.evaluate(fill) == OBJECTS
    assert worker.heap_used() - at_first > OBJECTS * LEAST_BYTES_AN_OBJECT
    worker.evaluate("() => { queue = []; }")
    assert worker.heap_used() - at_first < OBJECTS * LEAST_BYTES_AN_OBJECT / 10


@pytest.mark.only_browser("firefox")
def test_heap_in_firefox_is_unsupported(worker: SharedWorker) -> None:
    with pytest.raises(UnsupportedError, match=r"^only Chromium tells .*$"):
        worker.heap_used()
