"""The reference client and worker store every click once when tabs, workers and pages end.

Real page, real clicks, real crashes, real time in tabs; only the worker's time is virtual. The cases of the
family `lifecycle` test other shutdown scenarios, for any implementation.
"""

from __future__ import annotations

from collections import Counter

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from e2e.client.app import REPLACE_TIMEOUT_MS, end_lingering_workers, replace_worker
from e2e.client.page import CONNECTED, click, open_page
from pytest_sharedworker import HttpStatus, Latency
from pytest_sharedworker.errors import UnsupportedError
from pytest_sharedworker.gateway.gateway import Gateway
from pytest_sharedworker.integration.event_loop_thread import LoopThread
from pytest_sharedworker.workers.crash import crash
from pytest_sharedworker.workers.shared_workers import SharedWorkers
from reference_server import ReferenceServer

pytestmark = pytest.mark.usefixtures("worker_clock")

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
    """The clicks of a test, compared with the records on the server."""

    def __init__(self, server: ReferenceServer, loop_thread: LoopThread) -> None:
        self.clicked: list[str] = []
        self._server = server
        self._loop_thread = loop_thread

    def click(self, page: Page, name: str, count: int = CLICKS) -> None:
        """Click `count` times in one task of the page, each time with a different component id."""
        page.evaluate(CLICK_MANY, [count, name])
        self.clicked += [f"{name}/{number}" for number in range(count)]

    def expect_stored_once(self) -> None:
        """Assert that the server has stored every click exactly once, and nothing else."""
        records = self._loop_thread.run(self._server.store.read_records())
        stored = Counter(record.as_dict()["params"]["componentId"] for record in records)  # type: ignore[index]
        expected = Counter(self.clicked)
        assert {
            "lost": sorted((expected - stored).elements()),
            "duplicated": sorted((stored - expected).elements()),
        } == {
            "lost": [],
            "duplicated": [],
        }


@pytest.fixture
def delivery(reference_server: ReferenceServer, sharedworker_loop: LoopThread) -> DeliveryModel:
    return DeliveryModel(reference_server, sharedworker_loop)


def open_connected_page(gateway: Gateway, context: BrowserContext) -> Page:
    page = open_page(gateway, context)
    expect(page.locator("#state")).to_have_text(CONNECTED)
    return page


def test_crash_of_host_tab_loses_nothing(
    gateway: Gateway, shared_workers: SharedWorkers, context: BrowserContext, delivery: DeliveryModel
) -> None:
    pages = [open_connected_page(gateway, context) for _ in range(3)]
    for number, page in enumerate(pages):
        delivery.click(page, f"tab-{number}")
    shared_workers.clock.settle()
    with shared_workers.expect_worker():  # The tab that opened first ran the worker.
        try:
            crash(pages[0])
        except UnsupportedError as reason:
            pytest.skip(str(reason))
        for number, page in enumerate(pages[1:], start=1):
            delivery.click(page, f"later-{number}")
    for page in pages[1:]:
        expect(page.locator("#state")).to_have_text(CONNECTED)
    shared_workers.clock.run_for((2 * FLUSH_INTERVAL_SECONDS) * 1000)
    delivery.expect_stored_once()


def test_clicks_around_worker_termination_reach_the_next_worker(
    gateway: Gateway, shared_workers: SharedWorkers, context: BrowserContext, delivery: DeliveryModel
) -> None:
    pages = [open_connected_page(gateway, context) for _ in range(2)]
    for round_number in range(3):
        for number, page in enumerate(pages):
            delivery.click(page, f"round-{round_number}-{number}", count=5)
        with shared_workers.expect_worker(timeout=REPLACE_TIMEOUT_MS):
            shared_workers.wait_for().terminate()
            for number, page in enumerate(pages):
                delivery.click(page, f"after-{round_number}-{number}", count=5)
        for page in pages:
            expect(page.locator("#state")).to_have_text(CONNECTED, timeout=20_000)
        shared_workers.clock.settle()
    shared_workers.clock.run_for((2 * FLUSH_INTERVAL_SECONDS) * 1000)
    delivery.expect_stored_once()


def test_closing_the_last_tab_flushes(
    gateway: Gateway, shared_workers: SharedWorkers, context: BrowserContext, delivery: DeliveryModel
) -> None:
    first, last = open_connected_page(gateway, context), open_connected_page(gateway, context)
    delivery.click(first, "first", count=3)
    delivery.click(last, "last", count=3)
    shared_workers.clock.settle()
    first.close()
    shared_workers.clock.settle()
    worker = shared_workers.wait_for()
    last.close()
    gateway.journal.wait_for("POST **/ui-telemetry", count=1)
    end_lingering_workers(shared_workers)
    worker.wait_for_close()
    delivery.expect_stored_once()


def test_page_restored_from_cache_reconnects(
    gateway: Gateway, shared_workers: SharedWorkers, context: BrowserContext, delivery: DeliveryModel
) -> None:
    page = open_connected_page(gateway, context)
    delivery.click(page, "before", count=3)
    gateway.serve("/elsewhere", "<!doctype html><title>elsewhere</title>", content_type="text/html")
    page.goto(gateway.url + "/elsewhere")
    page.go_back()
    expect(page.locator("#state")).to_have_text(CONNECTED)
    delivery.click(page, "after", count=3)
    shared_workers.clock.run_for((2 * FLUSH_INTERVAL_SECONDS) * 1000)
    delivery.expect_stored_once()


def test_clicks_before_ready_reach_the_worker(
    gateway: Gateway, shared_workers: SharedWorkers, context: BrowserContext, delivery: DeliveryModel
) -> None:
    with gateway.add_toxic(Latency(latency=1_000), on="GET **worker**"):
        page = open_page(gateway, context)
        expect(page.locator("#state")).to_contain_text("waiting for the worker")
        click(page, "Refresh")
        delivery.clicked.append("demo.refresh")
        expect(page.locator("#state")).to_have_text(CONNECTED)
    shared_workers.clock.run_for(FLUSH_INTERVAL_SECONDS * 1000)
    delivery.expect_stored_once()


def test_outage_of_hours_loses_nothing(
    gateway: Gateway, shared_workers: SharedWorkers, context: BrowserContext, delivery: DeliveryModel
) -> None:
    page = open_connected_page(gateway, context)
    with gateway.add_toxic(HttpStatus(503), on="POST **/ui-telemetry"):
        for number in range(4):
            delivery.click(page, f"hour-{number}")
            shared_workers.clock.run_for(HOUR_SECONDS * 1000)
    shared_workers.clock.run_for(HOUR_SECONDS * 1000)
    delivery.expect_stored_once()


def test_late_deletion_of_outbox_keeps_queued_records(
    gateway: Gateway, shared_workers: SharedWorkers, context: BrowserContext, delivery: DeliveryModel
) -> None:
    page = open_connected_page(gateway, context)
    delivery.click(page, "before", count=3)
    shared_workers.clock.settle()
    # As a tab does that receives an opt-out late, after consent was given again.
    page.evaluate(
        """async () => {
            for (const { name } of await indexedDB.databases()) {
                await new Promise((resolve) => { indexedDB.deleteDatabase(name).onsuccess = resolve; });
            }
        }"""
    )
    shared_workers.clock.settle()
    replace_worker(shared_workers)
    expect(page.locator("#state")).to_have_text(CONNECTED, timeout=20_000)
    shared_workers.clock.run_for((2 * FLUSH_INTERVAL_SECONDS) * 1000)
    delivery.expect_stored_once()
