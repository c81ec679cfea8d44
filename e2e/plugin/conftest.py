"""Fixtures of the plugin's browser tests: an app with a page and small workers, without telemetry."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext

from e2e.plugin.app import App
from e2e.plugin.inspected_run import Run
from pytest_sharedworker import Clock, Gateway, SharedWorker, SharedWorkers


@pytest.fixture
def app(gateway: Gateway, shared_workers: SharedWorkers, context: BrowserContext, worker_clock: Clock) -> App:
    """Return an app with an empty page and small workers, on the virtual clock."""
    return App(gateway, shared_workers, context)


@pytest.fixture
def gateway_upstream() -> None:
    """Return no upstream: the gateway serves only what a test registers."""


@pytest.fixture
def once_a_run(browser_name: str) -> None:
    """Skip a test that starts its own Chromium where the run uses another browser."""
    if browser_name != "chromium":
        pytest.skip("the test starts its own Chromium; it runs once, with --browser chromium")


@pytest.fixture
def worker(app: App) -> SharedWorker:
    """Start a worker of ECHO."""
    return app.start()


@pytest.fixture
def clock(worker: SharedWorker) -> Clock:
    """Return the virtual clock of `worker`."""
    assert worker.clock.kind == "virtual"
    return worker.clock


@pytest.fixture
def runs() -> Iterator[list[Run]]:
    """Return an empty list: the runs that a test puts there end with it."""
    runs: list[Run] = []
    yield runs
    for run in runs:
        run.end()
