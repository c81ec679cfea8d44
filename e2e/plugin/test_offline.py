"""Take one worker offline: its events and requests; tabs and other workers stay online.

Not covered: an unreachable server (test_toxics.py), and requests other than fetch and XMLHttpRequest.
"""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page

from pytest_sharedworker import Gateway, SharedWorker, SharedWorkers

pytestmark = pytest.mark.usefixtures("worker_clock")

WORKER = """
const get = fetch;  // Stored before a test could replace it, as a bundle may do.
self.seen = [];
addEventListener("offline", () => seen.push("offline"));
addEventListener("online", () => seen.push("online"));
onconnect = ({ ports: [port] }) => port.start();
self.by_fetch = (url) => get(url).then((response) => response.text(), (error) => error.name);
self.by_xhr = (url) => new Promise((resolve) => {
  const request = new XMLHttpRequest();
  request.open("POST", url);
  request.setRequestHeader("Content-Type", "text/plain");
  request.onload = () => resolve(request.responseText);
  request.onerror = () => resolve(`error, status ${request.status}`);
  request.send("body");
});
self.by_synchronous_xhr = (url) => {
  const request = new XMLHttpRequest();
  request.open("GET", url, false);
  try {
    request.send();
    return request.responseText;
  } catch (error) {
    return error.name;
  }
};
"""
WITHOUT_STORED_FETCH = WORKER.replace("const get = fetch;", "const get = (url) => fetch(url);")
START = "(name) => { (self.workers ??= []).push(new SharedWorker('/worker.js', name)); }"
PER_CLOCK = pytest.mark.parametrize(
    "script",
    [
        pytest.param(WORKER, marks=pytest.mark.worker_clock("virtual"), id="virtual"),
        pytest.param(WITHOUT_STORED_FETCH, marks=pytest.mark.worker_clock("real"), id="real"),
    ],
)


@pytest.fixture
def page(gateway: Gateway, shared_workers: SharedWorkers, context: BrowserContext) -> Page:
    gateway.serve("/", "<title>a tab</title>", content_type="text/html")
    gateway.serve("/worker.js", WORKER, content_type="text/javascript")
    gateway.serve("/data", "data", content_type="text/plain")
    page = context.new_page()
    page.goto(gateway.url + "/")
    return page


def start(page: Page, shared_workers: SharedWorkers, name: str = "") -> SharedWorker:
    page.evaluate(START, name)
    return shared_workers.wait_for(name=name)


def send_requests(worker: SharedWorker) -> dict[str, Any]:
    return {
        kind: worker.evaluate(f"() => by_{kind}('/data')") for kind in ("fetch", "xhr", "synchronous_xhr")
    }


@PER_CLOCK
def test_requests_of_an_offline_worker_fail_in_the_browser(
    gateway: Gateway, shared_workers: SharedWorkers, page: Page, script: str
) -> None:
    gateway.serve("/worker.js", script, content_type="text/javascript")
    worker = start(page, shared_workers)
    with worker.offline():
        while_offline = send_requests(worker)
        assert gateway.journal.select("/data") == []
    assert while_offline == {
        "fetch": "TypeError",
        "xhr": "error, status 0",
        "synchronous_xhr": "NetworkError",
    }
    assert send_requests(worker) == {"fetch": "data", "xhr": "data", "synchronous_xhr": "data"}
    assert [exchange.method for exchange in gateway.journal.select("/data")] == ["GET", "POST", "GET"]


@PER_CLOCK
def test_worker_receives_one_event_for_each_change(
    gateway: Gateway, shared_workers: SharedWorkers, page: Page, script: str
) -> None:
    gateway.serve("/worker.js", script, content_type="text/javascript")
    worker = start(page, shared_workers)
    assert worker.evaluate("navigator.onLine") is True
    worker.set_offline(True)
    worker.set_offline(True)
    assert worker.evaluate("navigator.onLine") is False
    assert worker.evaluate("seen") == ["offline"]
    worker.set_offline(False)
    assert worker.evaluate("navigator.onLine") is True
    assert worker.evaluate("seen") == ["offline", "online"]


def test_tabs_and_other_workers_stay_online(
    gateway: Gateway, shared_workers: SharedWorkers, page: Page
) -> None:
    first, second = start(page, shared_workers, "first"), start(page, shared_workers, "second")
    with first.offline():
        assert page.evaluate("navigator.onLine") is True
        assert page.evaluate("fetch('/data').then((response) => response.text())") == "data"
        assert second.evaluate("navigator.onLine") is True
        assert second.evaluate("() => by_fetch('/data')") == "data"
        assert second.evaluate("seen") == []


def test_data_urls_work_offline(shared_workers: SharedWorkers, page: Page) -> None:
    worker = start(page, shared_workers)
    with worker.offline():
        assert worker.evaluate("() => by_fetch('data:,inside')") == "inside"


def test_aborted_request_fails_with_abort_error_offline(shared_workers: SharedWorkers, page: Page) -> None:
    worker = start(page, shared_workers)
    with worker.offline():
        aborted = "fetch('/data', { signal: AbortSignal.abort() }).catch((error) => error.name)"
        assert worker.evaluate(aborted) == "AbortError"


def test_failed_offline_requests_do_not_stop_the_clock(
    gateway: Gateway, shared_workers: SharedWorkers, page: Page
) -> None:
    worker = start(page, shared_workers)
    worker.evaluate("() => { setInterval(() => by_fetch('/data').then((text) => seen.push(text)), 1000); }")
    with worker.offline():
        worker.clock.run_for(2_000)
    worker.clock.run_for(1_000)
    assert worker.evaluate("seen") == ["offline", "TypeError", "TypeError", "online", "data"]


def test_offline_worker_can_be_terminated(shared_workers: SharedWorkers, page: Page) -> None:
    worker = start(page, shared_workers)
    with worker.offline():
        worker.terminate()
    assert worker.is_closed()
