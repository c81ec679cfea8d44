"""The reference client on the server's demo page: hashed worker, consent, fallback without SharedWorker.

Real page, real clicks, real server; only the worker's time is virtual. `test_endings.py` covers tabs and
workers that end; the numbered cases cover the worker's own behavior.
"""

from __future__ import annotations

import time
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, expect

from e2e.client.app import end_lingering_workers
from e2e.client.page import CONNECTED, POST, click, get_components, open_page
from pytest_sharedworker.gateway.gateway import Gateway
from pytest_sharedworker.integration.event_loop_thread import LoopThread
from pytest_sharedworker.workers.shared_workers import SharedWorkers
from reference_server import ReferenceServer

pytestmark = pytest.mark.usefixtures("worker_clock")

CONNECT_SECONDS = 20
"""A tab whose session has just ended waits for up to 5 s, of real time, before it connects again."""
FLUSH_INTERVAL_SECONDS = 30


def test_clicks_of_all_tabs_are_stored_by_one_post(
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
    shared_workers.clock.run_for(FLUSH_INTERVAL_SECONDS * 1000)
    (post,) = gateway.journal.select(POST)
    assert len(post.json()["records"]) == 6
    records = sharedworker_loop.run(reference_server.store.read_records())
    stored: list[Any] = [record.as_dict() for record in records]
    assert [record["params"]["componentId"] for record in stored] == ["demo.search", "demo.create-run"] * 3
    assert len({record["session_id"] for record in stored}) == 1
    assert len({record["installation_id"] for record in stored}) == 1, "one browser is one installation"


@pytest.mark.usefixtures("needs_locators")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_is_accessible(
    gateway: Gateway, context: BrowserContext, scheme: Literal["light", "dark"]
) -> None:
    page = open_page(gateway, context)
    page.emulate_media(color_scheme=scheme)
    expect(page.locator("#state")).to_have_text(CONNECTED)
    click(page)
    for width in (390, 1440):
        page.set_viewport_size({"width": width, "height": 844})
        results = Axe().run(page)
        assert results.violations_count == 0, results.generate_report()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page is cut off"


def test_installation_id_outlives_the_session(
    gateway: Gateway, shared_workers: SharedWorkers, context: BrowserContext
) -> None:
    page = open_page(gateway, context)
    expect(page.locator("#state")).to_have_text(CONNECTED)
    click(page)
    shared_workers.clock.run_for(FLUSH_INTERVAL_SECONDS * 1000)
    first = shared_workers.wait_for()
    page.goto("about:blank")
    end_lingering_workers(shared_workers)
    first.wait_for_close()
    page.goto(gateway.url)
    expect(page.locator("#state")).to_have_text(CONNECTED)
    click(page)
    shared_workers.clock.run_for(FLUSH_INTERVAL_SECONDS * 1000)
    before, after = (post.json()["records"][0] for post in gateway.journal.select(POST))
    assert before["installation_id"] == after["installation_id"]
    assert before["session_id"] != after["session_id"]


def test_opt_out_in_another_tab_stops_all_posts(
    gateway: Gateway, shared_workers: SharedWorkers, context: BrowserContext
) -> None:
    first, second = open_page(gateway, context), open_page(gateway, context)
    for page in (first, second):
        expect(page.locator("#state")).to_have_text(CONNECTED)
    click(first)
    second.get_by_role("switch").uncheck()
    expect(first.locator("#state")).to_contain_text("off")
    click(first)
    expect(first.locator("#refused")).to_have_text("1")
    shared_workers.clock.run_for((10 * FLUSH_INTERVAL_SECONDS) * 1000)
    assert not gateway.journal.select(POST)


@pytest.mark.parametrize("spacing_ms", [0, 1, 5, 50])
def test_consent_given_again_takes_effect_without_reload(
    gateway: Gateway, shared_workers: SharedWorkers, context: BrowserContext, spacing_ms: int
) -> None:
    page, other = open_page(gateway, context), open_page(gateway, context)
    for tab in (page, other):
        expect(tab.locator("#state")).to_have_text(CONNECTED)
    click(page, "Delete")
    other.evaluate(
        "addEventListener('storage', ({ key }) => { if (key === 'last-toggle') window.hasHeardAll = true; })"
    )
    page.evaluate(
        """async (ms) => {
            const toggle = document.getElementById("enabled");
            for (let turn = 0; turn < 6; turn++) {
                toggle.click();
                if (ms) await new Promise((resolve) => setTimeout(resolve, ms));
            }
            localStorage.setItem("last-toggle", "");
            document.querySelector("[data-component-id='demo.search']").click();
        }""",
        spacing_ms,
    )
    other.wait_for_function("window.hasHeardAll")
    for tab in (page, other):
        expect(tab.locator("#state")).to_have_text(CONNECTED, timeout=CONNECT_SECONDS * 1000)
    # The other tab may hear of an opt-out from the worker as well, and later: its session ends once more.
    click(other, "Refresh")
    deadline = time.monotonic() + CONNECT_SECONDS
    while len(get_components(gateway)) < 2 and time.monotonic() < deadline:
        shared_workers.clock.run_for(FLUSH_INTERVAL_SECONDS * 1000)
    assert get_components(gateway) == ["demo.refresh", "demo.search"], (
        "no click before the last consent, and every click after it"
    )


def test_opt_out_deletes_the_outbox_of_an_earlier_worker(
    gateway: Gateway, shared_workers: SharedWorkers, context: BrowserContext
) -> None:
    page = open_page(gateway, context)
    expect(page.locator("#state")).to_have_text(CONNECTED)
    click(page, "Delete")
    shared_workers.clock.settle()
    page.evaluate("localStorage.setItem('mlflow.settings.telemetry.enabled_v1', 'false')")
    page.reload()
    expect(page.locator("#state")).to_contain_text("off")
    # Telemetry is off already, so no worker runs to empty the outbox. Toggle the switch off and on, twice.
    for _ in range(2):
        page.get_by_role("switch").uncheck()
        page.get_by_role("switch").check()
    expect(page.locator("#state")).to_have_text(CONNECTED)
    click(page)
    shared_workers.clock.run_for((2 * FLUSH_INTERVAL_SECONDS) * 1000)
    assert get_components(gateway) == ["demo.search"]


def test_global_privacy_control_turns_telemetry_off(
    gateway: Gateway, shared_workers: SharedWorkers, context: BrowserContext
) -> None:
    context.add_init_script("Object.defineProperty(navigator, 'globalPrivacyControl', { value: true })")
    page = open_page(gateway, context)
    expect(page.locator("#state")).to_contain_text("off")
    click(page)
    expect(page.locator("#refused")).to_have_text("1")
    assert not shared_workers.history


def test_page_batches_without_shared_worker(gateway: Gateway, context: BrowserContext) -> None:
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
