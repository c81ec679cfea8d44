"""Playwright serves a page from the exported HAR.

unit/pytest_sharedworker tests its fields against the specification, without a browser.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext

from pytest_sharedworker import Gateway, SharedWorkers

pytestmark = pytest.mark.usefixtures("worker_clock")

ONE_PIXEL = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
PAGE = """<!doctype html><meta charset=utf-8><title>recorded</title><link rel=icon href=data:,>
<p>Grüße</p><img src="/pixel.gif">
<script>
    new SharedWorker("/worker.js", "recorder");
    fetch("/api/items?page=2", { method: "POST", body: "[1]" })
        .then((response) => response.text())
        .then((text) => { document.querySelector("p").textContent += ` ${text}`; });
</script>"""


def test_playwright_serves_a_page_from_the_exported_har(
    gateway: Gateway,
    shared_workers: SharedWorkers,
    context: BrowserContext,
    new_context: Callable[[], BrowserContext],
    tmp_path: Path,
) -> None:
    gateway.serve("/page.html", PAGE)
    gateway.serve("/pixel.gif", ONE_PIXEL)
    gateway.serve("/worker.js", "self.onconnect = () => {}; fetch('/data.json');")
    gateway.serve("/data.json", "{}")
    gateway.route(
        "POST /api/items?*", lambda route: route.fulfill(json={"got": route.request.post_data_json})
    )
    page = context.new_page()
    page.goto(f"{gateway.url}/page.html")
    page.get_by_text('Grüße {"got": [1]}').wait_for()
    worker = shared_workers.wait_for(name="recorder")
    gateway.journal.wait_for("/data.json")
    gateway.journal.wait_for("/pixel.gif")
    assert [exchange.worker_id for exchange in gateway.journal.select("/data.json")] == [worker.id]
    archive = gateway.save_har(tmp_path / "journal.har")
    recorded = len(gateway.journal)

    replay = new_context()
    replay.route_from_har(archive, not_found="abort")
    again = replay.new_page()
    again.goto(f"{gateway.url}/page.html")
    again.get_by_text('Grüße {"got": [1]}').wait_for()
    assert again.title() == "recorded"
    assert again.evaluate("document.querySelector('img').naturalWidth") == 1
    by_tabs = [exchange for exchange in gateway.journal.exchanges[recorded:] if exchange.sender == "tab"]
    assert [exchange.path for exchange in by_tabs if exchange.path != "/worker.js"] == []
