"""Workers that are hard to see: on another host name of the origin, redirected, behind a service worker."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from e2e.plugin.app import ECHO, PAGE, App
from pytest_sharedworker import SharedWorker, WorkerNotFoundError


def check_time_and_messages(page: Page, worker: SharedWorker) -> None:
    page.evaluate("() => worker.port.postMessage('hello')")
    worker.clock.run_for(1_000)
    assert worker.evaluate("log") == [["hello", 0]]


def open_at_localhost(app: App) -> Page:
    page = app.context.new_page()
    page.goto(app.gateway.url.replace("127.0.0.1", "localhost") + PAGE)
    return page


def test_worker_at_localhost_is_found(app: App) -> None:
    app.gateway.serve("/worker.js", ECHO)
    page = open_at_localhost(app)
    app.connect(page)
    worker = app.workers.wait_for("/worker.js")
    assert worker.url.startswith("http://localhost:")
    check_time_and_messages(page, worker)
    page.evaluate("() => worker.port.postMessage('again')")
    worker.evaluate("() => fetch('/data.json')")
    exchange = app.gateway.journal.wait_for("/data.json")[0]
    assert exchange.worker_id == worker.id


@pytest.mark.worker_clock("real")
def test_worker_at_localhost_is_found_on_the_real_clock(app: App) -> None:
    app.gateway.serve("/worker.js", ECHO)
    app.connect(open_at_localhost(app))
    assert app.workers.wait_for("/worker.js").evaluate("1 + 1") == 2


@pytest.mark.worker_clock("devtools")
def test_worker_at_localhost_is_found_on_the_devtools_clock(app: App) -> None:
    app.gateway.serve("/worker.js", ECHO)
    page = open_at_localhost(app)
    app.connect(page)
    worker = app.workers.wait_for("/worker.js")
    worker.evaluate("() => { setTimeout(note, 1000, 'due'); }")
    worker.clock.run_for(1_000)
    assert worker.evaluate("log.map(([value]) => value)") == ["due"]


@pytest.mark.only_browser("chromium")  # The routes of Firefox do not meet the scripts of workers.
def test_worker_whose_script_a_playwright_route_fulfills_is_named(app: App) -> None:
    app.context.route("**/worker.js", lambda route: route.fulfill(body=ECHO, content_type="text/javascript"))
    app.connect(app.open())
    with pytest.raises(WorkerNotFoundError, match=r"worker\.js: .*context\.route.*gateway\.serve"):
        app.workers.wait_for("/worker.js", timeout=500)


@pytest.mark.only_browser("chromium")  # The reason is found without the browser.
def test_page_that_does_not_come_through_the_gateway_is_named(app: App) -> None:
    app.context.route("http://app.example/**", lambda route: route.fulfill(body="<!doctype html>"))
    page = app.open()
    assert app.workers._manager.explain() == "No worker has started."
    page.goto("http://app.example/notes")
    text = app.workers._manager.explain()
    assert "http://app.example/notes does not come through the gateway" in text
    assert "`gateway_upstream`" in text


def test_redirected_script_is_the_worker_of_both_urls(app: App) -> None:
    app.gateway.serve("/w.js", ECHO)
    app.gateway.serve("/latest.js", status=302, headers={"Location": "/w.js"})
    page = app.open()
    app.connect(page, "/latest.js")
    worker = app.workers.wait_for("/w.js")
    assert app.workers.wait_for("/latest.js") is worker
    check_time_and_messages(page, worker)


SERVICE_WORKER = """
self.addEventListener("install", () => skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(clients.claim()));
self.addEventListener("fetch", (event) => event.respondWith(fetch(event.request)));
"""


def open_behind_service_worker(app: App) -> Page:
    app.gateway.serve("/sw.js", SERVICE_WORKER)
    page = app.open()
    page.evaluate("""async () => {
        const controlled = new Promise((resolve) => {
            navigator.serviceWorker.addEventListener("controllerchange", resolve);
        });
        await navigator.serviceWorker.register("/sw.js");
        await controlled;
    }""")
    return page


def test_worker_behind_a_service_worker_is_found_by_its_pattern(app: App) -> None:
    app.gateway.add_worker_script("/worker.js")
    app.gateway.serve("/worker.js", ECHO)
    page = open_behind_service_worker(app)
    app.connect(page)
    check_time_and_messages(page, app.workers.wait_for("/worker.js"))


def test_worker_behind_a_service_worker_is_named(app: App) -> None:
    app.gateway.serve("/worker.js", ECHO)
    app.connect(open_behind_service_worker(app))
    with pytest.raises(WorkerNotFoundError, match=r"service worker.*add_worker_script\('/worker.js'\)"):
        app.workers.wait_for("/worker.js", timeout=500)
