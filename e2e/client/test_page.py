"""The reference client as people meet it: the server's own page, its hashed worker, consent, the fallback.

Real page, real clicks, real server; only the worker's time is virtual. How the worker itself behaves is
what the numbered cases are about.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from pytest_sharedworker.gateway import Gateway
from pytest_sharedworker.loop_thread import LoopThread
from pytest_sharedworker.shared_worker import SharedWorkers
from reference_server import ReferenceServer

POST = "POST */ui-telemetry"
FLUSH_INTERVAL_SECONDS = 30
CONNECTED = "connected to the shared worker"
ENABLED = {
    "disable_telemetry": False,
    "disable_ui_telemetry": False,
    "disable_ui_events": [],
    "ui_rollout_percentage": 100,
}


@pytest.fixture(autouse=True)
def enabled(config_file: Path) -> None:
    config_file.write_text(json.dumps(ENABLED), encoding="utf-8")


def open_page(gateway: Gateway, context: BrowserContext) -> Page:
    page = context.new_page()
    page.goto(gateway.url)
    return page


def click(page: Page, name: str = "Search") -> None:
    page.get_by_role("button", name=name).click()


def test_clicks_of_all_tabs_are_stored_by_one_request(
    gateway: Gateway,
    shared_workers: SharedWorkers,
    context: BrowserContext,
    reference_server: ReferenceServer,
    sharedworker_loop: LoopThread,
) -> None:
    pages = [open_page(gateway, context) for _ in range(3)]
    for page in pages:
        expect(page.locator("#state")).to_have_text(CONNECTED)
        click(page)
        click(page, "Create run")
    shared_workers.advance(FLUSH_INTERVAL_SECONDS)
    (post,) = gateway.journal.select(POST)
    assert len(post.json()["records"]) == 6
    records = sharedworker_loop.run(reference_server.store.records())
    stored: list[Any] = [record.as_dict() for record in records]
    assert [record["params"]["componentId"] for record in stored] == ["demo.search", "demo.create-run"] * 3
    assert len({record["session_id"] for record in stored}) == 1
    assert len({record["installation_id"] for record in stored}) == 1, "one browser is one installation"


def test_installation_outlives_the_session(
    gateway: Gateway, shared_workers: SharedWorkers, context: BrowserContext
) -> None:
    page = open_page(gateway, context)
    click(page)
    shared_workers.advance(FLUSH_INTERVAL_SECONDS)
    first = shared_workers.wait_for()
    page.reload()
    first.wait_until_ended()
    expect(page.locator("#state")).to_have_text(CONNECTED)
    click(page)
    shared_workers.advance(FLUSH_INTERVAL_SECONDS)
    before, after = (post.json()["records"][0] for post in gateway.journal.select(POST))
    assert before["installation_id"] == after["installation_id"]
    assert before["session_id"] != after["session_id"]


def test_nothing_leaves_after_consent_is_withdrawn_in_another_tab(
    gateway: Gateway, shared_workers: SharedWorkers, context: BrowserContext
) -> None:
    first, second = open_page(gateway, context), open_page(gateway, context)
    for page in (first, second):
        expect(page.locator("#state")).to_have_text(CONNECTED)
    click(first)
    worker = shared_workers.wait_for()
    second.get_by_role("switch").uncheck()
    worker.wait_until_ended()
    expect(first.locator("#state")).to_contain_text("off")
    click(first)
    expect(first.locator("#refused")).to_have_text("1")
    shared_workers.advance(10 * FLUSH_INTERVAL_SECONDS)
    assert not gateway.journal.select(POST)


def test_consent_given_again_works_without_a_reload(
    gateway: Gateway, shared_workers: SharedWorkers, context: BrowserContext
) -> None:
    page = open_page(gateway, context)
    expect(page.locator("#state")).to_have_text(CONNECTED)
    worker = shared_workers.wait_for()
    page.get_by_role("switch").uncheck()
    worker.wait_until_ended()
    page.get_by_role("switch").check()
    expect(page.locator("#state")).to_have_text(CONNECTED, timeout=15_000)
    click(page)
    shared_workers.advance(FLUSH_INTERVAL_SECONDS)
    (post,) = gateway.journal.select(POST)
    assert [record["params"]["componentId"] for record in post.json()["records"]] == ["demo.search"]


def test_page_batches_by_itself_without_shared_workers(gateway: Gateway, context: BrowserContext) -> None:
    context.add_init_script("delete window.SharedWorker")
    page = context.new_page()
    page.clock.install()
    page.goto(gateway.url)
    expect(page.locator("#state")).to_contain_text("batched in this page")
    for _ in range(3):
        click(page)
    page.clock.run_for(FLUSH_INTERVAL_SECONDS * 1000)
    (post,) = gateway.journal.wait_for(POST)
    assert len(post.json()["records"]) == 3
    assert post.sender == "tab"
