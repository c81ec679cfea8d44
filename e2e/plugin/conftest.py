"""What the harness's own tests work with: no telemetry, only a page and small workers."""

import pytest
from playwright.sync_api import BrowserContext

from e2e.plugin.app import App
from pytest_sharedworker.clock.base import Clock
from pytest_sharedworker.clock.virtual import VirtualClock
from pytest_sharedworker.gateway.gateway import Gateway
from pytest_sharedworker.workers.shared_worker import SharedWorker
from pytest_sharedworker.workers.shared_workers import SharedWorkers


@pytest.fixture
def app(gateway: Gateway, shared_workers: SharedWorkers, context: BrowserContext, worker_clock: Clock) -> App:
    """An empty page on the gateway, and workers of a few lines."""
    return App(gateway, shared_workers, context)


@pytest.fixture
def gateway_upstream() -> None:
    """Nothing stands behind the gateway: what a test mounts is all there is."""


@pytest.fixture
def once_a_run(browser_name: str) -> None:
    """Skip a test that starts a browser by itself where the run has another browser."""
    if browser_name != "chromium":
        pytest.skip("starts a Chromium of its own, whatever the run's browser is")


@pytest.fixture
def worker(app: App) -> SharedWorker:
    """The stage's worker, which keeps what it notes in `log`."""
    return app.start()


@pytest.fixture
def clock(worker: SharedWorker) -> VirtualClock:
    """The virtual clock of `worker`."""
    assert isinstance(worker.clock, VirtualClock)
    return worker.clock
