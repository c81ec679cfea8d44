"""Tests of an app whose tabs share one SharedWorker. To run them, in this folder:

    pip install path/to/the/checkout/of/pytest-sharedworker
    playwright install chromium
    pytest

`--installed-browser` uses a browser that is already installed, `--browser firefox` another browser, and
`-n 2` (pytest-xdist) two processes. This app consists of static files. If yours has a server, override the
fixture `gateway_upstream` with its address: the gateway sends it all requests that it does not serve itself.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from pytest_sharedworker import Clock, Gateway, ResetPeer, SharedWorkers

APP = Path(__file__).parent / "app"

OpenTab = Callable[[], Page]


@pytest.fixture
def open_tab(context: BrowserContext, gateway: Gateway, shared_workers: SharedWorkers) -> OpenTab:
    """Serve the app, and return a function that opens a tab of it; the first tab starts the worker."""
    gateway.serve_directory("/", APP)
    gateway.serve("/save")

    def open_tab() -> Page:
        page = context.new_page()
        page.goto("/")
        expect(page.get_by_role("status")).not_to_be_empty()
        return page

    return open_tab


def get_saved(gateway: Gateway) -> list[bytes]:
    """Return the bodies of all requests that save the count."""
    return [exchange.request_body for exchange in gateway.journal.select("POST /save")]


def test_tabs_share_one_count(open_tab: OpenTab, shared_workers: SharedWorkers) -> None:
    """Look inside the worker; time is real."""
    first, second = open_tab(), open_tab()
    first.get_by_role("button").click()
    second.get_by_role("button").click()
    expect(first.get_by_role("status")).to_have_text("2")
    expect(second.get_by_role("status")).to_have_text("2")
    worker = shared_workers.wait_for("**/worker.js")
    assert worker.evaluate("(more) => clicks + more", 40) == 42
    assert worker.errors() == []


def test_count_is_saved_every_ten_seconds(
    open_tab: OpenTab, gateway: Gateway, shared_workers: SharedWorkers, worker_clock: Clock
) -> None:
    """Request `worker_clock`: time is virtual, and passes only when the test moves it."""
    open_tab().get_by_role("button").click()
    worker_clock.run_for(9_999)
    assert get_saved(gateway) == []
    worker_clock.run_for(1)
    assert get_saved(gateway) == [b"1"]
    worker_clock.run_for("01:00:00")
    assert get_saved(gateway) == [b"1"]
    worker = shared_workers.wait_for("**/worker.js")
    assert [message.text for message in worker.console_messages()] == ["saved 1"]


def test_count_is_saved_again_after_a_lost_connection(
    open_tab: OpenTab, gateway: Gateway, shared_workers: SharedWorkers, worker_clock: Clock
) -> None:
    """Add a toxic: it resets the connection of one request."""
    gateway.add_toxic(ResetPeer(), on="POST /save", times=1)
    open_tab().get_by_role("button").click()
    worker = shared_workers.wait_for("**/worker.js")
    with worker.expect_console_message() as info:
        worker_clock.run_for(10_000)
    assert info.value.text == "could not save 1"
    worker_clock.run_for(10_000)
    assert get_saved(gateway) == [b"1", b"1"]


def test_init_script_replaces_fetch(
    open_tab: OpenTab, gateway: Gateway, shared_workers: SharedWorkers, worker_clock: Clock
) -> None:
    """Add an init script: it runs in the worker before the worker's first line."""
    shared_workers.add_init_script("self.fetch = async () => { throw new TypeError('no network'); };")
    open_tab().get_by_role("button").click()
    worker_clock.run_for(10_000)
    assert get_saved(gateway) == []
    worker = shared_workers.wait_for("**/worker.js")
    assert [message.type for message in worker.console_messages()] == ["warning"]
