"""What the reference client and worker keep when tabs, workers and browsers end: every click, once.

Real page, real clicks, real crashes, real time for what tabs do; only the worker's time is virtual. The same
with other ways of ending, for any implementation, is what the cases of `lifecycle` are about.
"""

from __future__ import annotations

from collections import Counter

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from e2e.client.page import CONNECTED, click, open_page
from pytest_sharedworker.errors import UnsupportedError
from pytest_sharedworker.gateway.gateway import Gateway
from pytest_sharedworker.integration.event_loop_thread import LoopThread
from pytest_sharedworker.workers.crash import crash
from pytest_sharedworker.workers.shared_workers import SharedWorkers
from reference_server import ReferenceServer

FLUSH_INTERVAL_SECONDS = 30
HOUR_SECONDS = 3600
CLICKS = 50

CLICK_MANY = """([count, name]) => {
    for (let number = 0; number < count; number++) {
        document.querySelector("[data-component-id='demo.search']").dataset.componentId = `${name}/${number}`;
        document.querySelector(`[data-component-id='${name}/${number}']`).click();
        document.querySelector(`[data-component-id='${name}/${number}']`).dataset.componentId = "demo.search";
    }
}"""


class DeliveryModel:
    """What was clicked, and what the server stored."""

    def __init__(self, server: ReferenceServer, loop_thread: LoopThread) -> None:
        self.clicked: list[str] = []
        self._server = server
        self._loop_thread = loop_thread

    def click(self, page: Page, name: str, count: int = CLICKS) -> None:
        """Click so often in one turn of the page's event loop, each under a name of its own."""
        page.evaluate(CLICK_MANY, [count, name])
        self.clicked += [f"{name}/{number}" for number in range(count)]

    def expect_balance(self) -> None:
        """All that was clicked is stored, once, and nothing else."""
        records = self._loop_thread.run(self._server.store.records())
        stored = Counter(record.as_dict()["params"]["componentId"] for record in records)  # type: ignore[index]
        wanted = Counter(self.clicked)
        assert {
            "lost": sorted((wanted - stored).elements()),
            "duplicated": sorted((stored - wanted).elements()),
        } == {
            "lost": [],
            "duplicated": [],
        }


@pytest.fixture
def books(reference_server: ReferenceServer, sharedworker_loop: LoopThread) -> DeliveryModel:
    return DeliveryModel(reference_server, sharedworker_loop)


def connected(gateway: Gateway, context: BrowserContext) -> Page:
    page = open_page(gateway, context)
    expect(page.locator("#state")).to_have_text(CONNECTED)
    return page


def test_crash_of_the_host_tab_loses_nothing(
    gateway: Gateway, shared_workers: SharedWorkers, context: BrowserContext, books: DeliveryModel
) -> None:
    pages = [connected(gateway, context) for _ in range(3)]
    for number, page in enumerate(pages):
        books.click(page, f"tab-{number}")
    shared_workers.advance(0)
    try:
        crash(pages[0])
    except UnsupportedError as reason:
        pytest.skip(str(reason))
    for number, page in enumerate(pages[1:], start=1):
        books.click(page, f"later-{number}")
        expect(page.locator("#state")).to_have_text(CONNECTED)
    shared_workers.advance(2 * FLUSH_INTERVAL_SECONDS)
    books.expect_balance()


def test_clicks_at_the_moment_of_the_workers_end_are_told_to_the_next(
    gateway: Gateway, shared_workers: SharedWorkers, context: BrowserContext, books: DeliveryModel
) -> None:
    pages = [connected(gateway, context) for _ in range(2)]
    for round_number in range(3):
        for number, page in enumerate(pages):
            books.click(page, f"round-{round_number}-{number}", count=5)
        shared_workers.wait_for().terminate()
        for number, page in enumerate(pages):
            books.click(page, f"after-{round_number}-{number}", count=5)
            # Firefox hands a start that comes too soon to the worker that is just ending: it takes another.
            expect(page.locator("#state")).to_have_text(CONNECTED, timeout=20_000)
        shared_workers.advance(0)
    shared_workers.advance(2 * FLUSH_INTERVAL_SECONDS)
    books.expect_balance()


def test_last_tab_takes_its_clicks_along(
    gateway: Gateway, shared_workers: SharedWorkers, context: BrowserContext, books: DeliveryModel
) -> None:
    first, last = connected(gateway, context), connected(gateway, context)
    books.click(first, "first", count=3)
    books.click(last, "last", count=3)
    shared_workers.advance(0)
    first.close()
    shared_workers.advance(0)
    worker = shared_workers.wait_for()
    last.close()
    worker.wait_until_ended()
    gateway.journal.wait_for("POST */ui-telemetry", count=1)
    books.expect_balance()


def test_page_that_was_frozen_is_a_tab_again(
    gateway: Gateway, shared_workers: SharedWorkers, context: BrowserContext, books: DeliveryModel
) -> None:
    page = connected(gateway, context)
    books.click(page, "before", count=3)
    gateway.mount("/elsewhere", "<!doctype html><title>elsewhere</title>", "text/html")
    page.goto(gateway.url + "/elsewhere")
    page.go_back()
    expect(page.locator("#state")).to_have_text(CONNECTED)
    books.click(page, "after", count=3)
    shared_workers.advance(2 * FLUSH_INTERVAL_SECONDS)
    books.expect_balance()


def test_clicks_before_the_worker_is_there_are_told_to_it(
    gateway: Gateway, shared_workers: SharedWorkers, context: BrowserContext, books: DeliveryModel
) -> None:
    with gateway.toxic("latency", on="GET *worker*", latency_ms=1_000):
        page = open_page(gateway, context)
        expect(page.locator("#state")).to_contain_text("waiting for the worker")
        click(page, "Refresh")
        books.clicked.append("demo.refresh")
        expect(page.locator("#state")).to_have_text(CONNECTED)
    shared_workers.advance(FLUSH_INTERVAL_SECONDS)
    books.expect_balance()


def test_an_outage_of_hours_loses_nothing(
    gateway: Gateway, shared_workers: SharedWorkers, context: BrowserContext, books: DeliveryModel
) -> None:
    page = connected(gateway, context)
    with gateway.toxic("status", on="POST */ui-telemetry", status=503):
        for number in range(4):
            books.click(page, f"hour-{number}")
            shared_workers.advance(HOUR_SECONDS)
    shared_workers.advance(HOUR_SECONDS)
    books.expect_balance()


def test_late_deletion_of_the_disk_does_not_take_later_clicks_along(
    gateway: Gateway, shared_workers: SharedWorkers, context: BrowserContext, books: DeliveryModel
) -> None:
    page = connected(gateway, context)
    books.click(page, "before", count=3)
    shared_workers.advance(0)
    # As by a tab that heard late of an opt-out which is over by now.
    page.evaluate(
        """async () => {
            for (const { name } of await indexedDB.databases()) {
                await new Promise((resolve) => { indexedDB.deleteDatabase(name).onsuccess = resolve; });
            }
        }"""
    )
    shared_workers.advance(0)
    shared_workers.wait_for().terminate()
    expect(page.locator("#state")).to_have_text(CONNECTED, timeout=20_000)
    shared_workers.advance(2 * FLUSH_INTERVAL_SECONDS)
    books.expect_balance()
