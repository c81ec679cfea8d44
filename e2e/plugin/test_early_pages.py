"""Pages that open before the test's own arguments do, such as those of a fixture that logs in."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from e2e.plugin.app import ECHO, PAGE
from pytest_sharedworker import Clock, Gateway, SharedWorkers


@pytest.fixture
def logged_in(page: Page, gateway: Gateway) -> Page:
    """Open a page that starts a worker."""
    gateway.serve("/worker.js", ECHO)
    gateway.serve(PAGE, "<script>const worker = new SharedWorker('/worker.js');</script>")
    page.goto(gateway.url + PAGE)
    page.evaluate("() => worker.port.postMessage('early')")
    return page


def test_worker_of_an_earlier_fixture_is_found(logged_in: Page, shared_workers: SharedWorkers) -> None:
    worker = shared_workers.wait_for("/worker.js")
    assert worker.wait_for_function("log.length") == 1


def test_worker_of_an_earlier_fixture_has_virtual_time(
    logged_in: Page, shared_workers: SharedWorkers, worker_clock: Clock
) -> None:
    worker_clock.run_for(60_000)
    assert shared_workers.wait_for("/worker.js").evaluate("[log[0][0], performance.now()]") == [
        "early",
        60_000,
    ]


def test_shared_workers_after_the_first_page_is_too_late(
    logged_in: Page, request: pytest.FixtureRequest
) -> None:
    with pytest.raises(Exception, match="shared_workers comes too late"):
        request.getfixturevalue("shared_workers")
