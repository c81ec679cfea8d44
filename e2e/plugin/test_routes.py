"""Routes for the requests of a worker and of its tab, in a real browser, on virtual time.

unit/pytest_sharedworker tests all that needs no browser.
"""

from __future__ import annotations

import pytest
from playwright.sync_api import BrowserContext, Page

from pytest_sharedworker import AsyncRoute, Gateway, Route, SharedWorker, SharedWorkers

pytestmark = pytest.mark.usefixtures("worker_clock")

WORKER = """
self.seen = [];
const request = async (path, options) => {
    try {
        const response = await fetch(path, options);
        seen.push(`${response.status} ${await response.text()}`);
    } catch (error) {
        seen.push(error.name);
    }
};
self.onconnect = ({ ports: [port] }) => port.start();
"""
PAGE = """<!doctype html><title>tab</title><link rel=icon href=data:,>
<script>new SharedWorker("/worker.js", "router");</script>"""


@pytest.fixture
def page(context: BrowserContext, gateway: Gateway) -> Page:
    gateway.serve("/worker.js", WORKER)
    gateway.serve("/page.html", PAGE)
    gateway.serve("/data.json", '{"a": 1}')
    page = context.new_page()
    page.goto(f"{gateway.url}/page.html")
    return page


@pytest.fixture
def worker(shared_workers: SharedWorkers, page: Page) -> SharedWorker:
    return shared_workers.wait_for(name="router")


def test_worker_receives_the_fulfilled_response(worker: SharedWorker, gateway: Gateway) -> None:
    gateway.route(
        "POST /api/*", lambda route: route.fulfill(status=201, json=[*route.request.post_data_json, 2])
    )
    worker.evaluate("() => request('/api/items', { method: 'POST', body: '[1]' })")
    assert worker.evaluate("seen") == ["201 [1, 2]"]
    (exchange,) = gateway.journal.select("POST /api/*")
    assert (exchange.sender, exchange.route) == ("worker", "fulfilled")


def test_worker_receives_the_changed_response(worker: SharedWorker, gateway: Gateway) -> None:
    async def add_b(route: AsyncRoute) -> None:
        response = await route.fetch()
        route.fulfill(response=response, json={**response.json(), "b": 2})

    gateway.route("/data.json", add_b)
    worker.evaluate("() => request('/data.json')")
    assert worker.evaluate("seen") == ['200 {"a": 1, "b": 2}']


def test_aborted_request_fails_in_the_worker(worker: SharedWorker, gateway: Gateway) -> None:
    # Firefox repeats a GET whose connection is reset, so `times=1` is not sufficient.
    with gateway.route("/data.json", lambda route: route.abort()):
        worker.evaluate("() => request('/data.json')")
    worker.evaluate("() => request('/data.json')")
    assert worker.evaluate("seen") == ["TypeError", '200 {"a": 1}']


def test_request_of_a_tab_is_routed(page: Page, gateway: Gateway) -> None:
    gateway.route("/data.json", lambda route: route.fulfill(json={"sender": route.exchange.sender}))
    assert page.evaluate("fetch('/data.json').then(response => response.json())") == {"sender": "tab"}


def test_clock_does_not_wait_for_a_suspended_request(worker: SharedWorker, gateway: Gateway) -> None:
    rule = gateway.route("/data.json", lambda route: None)
    worker.evaluate("() => { setTimeout(() => request('/data.json'), 1000); }")
    worker.clock.run_for(5_000)
    (route,) = rule.routes
    assert (route.exchange.virtual_time, worker.clock.now, worker.evaluate("seen")) == (1_000, 5_000, [])
    route.continue_()
    worker.clock.settle()
    assert worker.evaluate("seen") == ['200 {"a": 1}']
    assert worker.clock.now == 5_000


def test_suspended_request_ends_when_the_worker_aborts_it(worker: SharedWorker, gateway: Gateway) -> None:
    rule = gateway.route("/data.json", lambda route: None)
    worker.evaluate(
        """() => {
            self.controller = new AbortController();
            request('/data.json', { signal: controller.signal });
        }"""
    )
    rule.wait_for()
    worker.clock.settle()
    worker.evaluate("() => controller.abort()")
    worker.clock.settle()
    assert worker.evaluate("seen") == ["AbortError"]
    (exchange,) = gateway.journal.wait_for("/data.json")
    assert exchange.status is None


def test_suspended_request_ends_with_its_worker(worker: SharedWorker, gateway: Gateway) -> None:
    rule = gateway.route("/data.json", lambda route: None)
    worker.evaluate("() => { request('/data.json'); }")
    rule.wait_for()
    worker.terminate()
    (exchange,) = gateway.journal.wait_for("/data.json")
    assert exchange.status is None


def test_route_replaces_the_workers_script(
    shared_workers: SharedWorkers, context: BrowserContext, gateway: Gateway
) -> None:
    gateway.serve("/worker.js", WORKER)
    gateway.serve("/page.html", PAGE)
    script = "self.onconnect = ({ ports: [port] }) => port.start(); self.patched = true;"
    headers = {"Content-Type": "text/javascript"}
    with gateway.route("/worker.js", lambda route: route.fulfill(headers=headers, body=script)):
        context.new_page().goto(f"{gateway.url}/page.html")
        worker = shared_workers.wait_for(name="router")
    assert worker.evaluate("patched") is True
    worker.clock.run_for(1_000)
    assert worker.clock.now == 1_000


def test_failing_handler_sends_500_to_the_worker(worker: SharedWorker, gateway: Gateway) -> None:
    def fail(route: Route) -> None:
        raise LookupError("no such thing")

    gateway.route("/data.json", fail)
    worker.evaluate("() => request('/data.json')")
    assert worker.evaluate("seen.map((line) => line.split(' ')[0])") == ["500"]
    with pytest.raises(LookupError, match="no such thing"):
        gateway._raise_handler_error()
