"""The heap of a worker after garbage collection. Not covered: memory outside the JavaScript heap."""

from __future__ import annotations

import pytest
from playwright.sync_api import BrowserContext

from pytest_sharedworker import Gateway, SharedWorker, SharedWorkers, UnsupportedError

pytestmark = pytest.mark.usefixtures("worker_clock")

OBJECTS = 100_000
MIN_BYTES_PER_OBJECT = 16


@pytest.fixture
def worker(gateway: Gateway, shared_workers: SharedWorkers, context: BrowserContext) -> SharedWorker:
    gateway.serve("/", "<title>a tab</title>", content_type="text/html")
    gateway.serve("/worker.js", "onconnect = () => {}; self.queue = [];", content_type="text/javascript")
    page = context.new_page()
    page.goto(gateway.url + "/")
    page.evaluate("self.worker = new SharedWorker('/worker.js'); 0")
    return shared_workers.wait_for()


@pytest.mark.usefixtures("needs_devtools")
def test_heap_counts_live_objects_only(worker: SharedWorker) -> None:
    fill = f"() => {{ for (let i = 0; i < {OBJECTS}; i += 1) queue.push({{ i }}); return queue.length; }}"
    initial = worker.heap_used()
    assert worker.evaluate(fill) == OBJECTS
    assert worker.heap_used() - initial > OBJECTS * MIN_BYTES_PER_OBJECT
    worker.evaluate("() => { queue = []; }")
    assert worker.heap_used() - initial < OBJECTS * MIN_BYTES_PER_OBJECT / 10


@pytest.mark.only_browser("firefox")
def test_heap_in_firefox_is_unsupported(worker: SharedWorker) -> None:
    with pytest.raises(UnsupportedError, match=r"^only Chromium reports .*$"):
        worker.heap_used()
