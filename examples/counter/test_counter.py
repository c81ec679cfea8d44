"""A project of its own with one SharedWorker, and how pytest-sharedworker tests it.

Install the plugin and a browser, and run this folder:

    pip install pytest-sharedworker
    playwright install chromium
    pytest

With --installed-browser the tests take a browser that is on the machine already, with --browser firefox
another one, with -n 2 (pytest-xdist) two processes. The pages are static here; a server of your own goes
behind the gateway when you override the fixture `gateway_upstream` with its address.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from pytest_sharedworker import ResetPeer
from pytest_sharedworker.gateway.gateway import Gateway
from pytest_sharedworker.workers.shared_worker import SharedWorker
from pytest_sharedworker.workers.shared_workers import SharedWorkers

HERE = Path(__file__).parent
SAVE_INTERVAL_SECONDS = 10

OpenTab = Callable[[], Page]


@pytest.fixture
def open_tab(context: BrowserContext, gateway: Gateway, shared_workers: SharedWorkers) -> OpenTab:
    """Opens a tab of the app; the worker starts with the first one."""
    for name in ("index.html", "worker.js"):
        gateway.serve_file(f"/{name}", HERE / name)
    gateway.serve("/save", "thank you", content_type="text/plain")

    def open_tab() -> Page:
        page = context.new_page()
        page.goto(gateway.url + "/index.html")
        expect(page.locator("output")).not_to_be_empty()
        return page

    return open_tab


def find(shared_workers: SharedWorkers) -> SharedWorker:
    """The app's one worker."""
    return shared_workers.wait_for("**/worker.js", name="counter")


def saved(gateway: Gateway) -> list[bytes]:
    """What the server was asked to save, request by request."""
    return [exchange.request_body for exchange in gateway.journal.select("POST /save")]


def test_tabs_share_one_count(open_tab: OpenTab, shared_workers: SharedWorkers) -> None:
    """The state is in the worker, and every tab shows it."""
    first, second = open_tab(), open_tab()
    first.get_by_role("button").click()
    second.get_by_role("button").click()
    expect(first.locator("output")).to_have_text("2")
    expect(second.locator("output")).to_have_text("2")
    worker = find(shared_workers)
    assert worker.evaluate("(more) => clicks + more", 40) == 42
    assert not worker.errors()


def test_the_count_is_saved_at_the_interval_and_not_before(
    open_tab: OpenTab, gateway: Gateway, shared_workers: SharedWorkers
) -> None:
    """Virtual time: exact to the millisecond, and an hour takes no time."""
    open_tab().get_by_role("button").click()
    worker = find(shared_workers)
    worker.clock.run_for((SAVE_INTERVAL_SECONDS - 0.001) * 1000)
    assert saved(gateway) == []
    worker.clock.run_for(1)
    assert saved(gateway) == [b"1"]
    worker.clock.run_for(3_600_000)
    assert saved(gateway) == [b"1"]
    assert [str(message) for message in worker.console_messages()] == ["info: saved 1"]


def test_a_count_that_could_not_be_saved_is_saved_later(
    open_tab: OpenTab, gateway: Gateway, shared_workers: SharedWorkers
) -> None:
    """A toxic resets the connection, once."""
    open_tab().get_by_role("button").click()
    worker = find(shared_workers)
    gateway.add_toxic(ResetPeer(), on="POST /save", times=1)
    worker.clock.run_for(SAVE_INTERVAL_SECONDS * 1000)
    assert [str(message) for message in worker.console_messages()] == ["warn: could not save 1"]
    worker.clock.run_for(SAVE_INTERVAL_SECONDS * 1000)
    assert saved(gateway) == [b"1", b"1"]


def test_an_init_script_runs_before_the_workers_first_line(
    open_tab: OpenTab, gateway: Gateway, shared_workers: SharedWorkers
) -> None:
    """Here it takes the worker's network away before the worker looks."""
    shared_workers.add_init_script("self.fetch = async () => { throw new TypeError('no network'); };")
    open_tab().get_by_role("button").click()
    worker = find(shared_workers)
    worker.clock.run_for(SAVE_INTERVAL_SECONDS * 1000)
    assert saved(gateway) == []
    assert [message.level for message in worker.console_messages()] == ["warn"]
