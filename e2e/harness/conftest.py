"""What the harness's own tests work with: no telemetry, only a page and small workers."""

import pytest
from playwright.sync_api import BrowserContext

from e2e.harness.stage import Stage
from pytest_sharedworker.gateway import Gateway
from pytest_sharedworker.shared_worker import SharedWorkers


@pytest.fixture
def stage(gateway: Gateway, shared_workers: SharedWorkers, context: BrowserContext) -> Stage:
    """An empty page on the gateway, and workers of a few lines."""
    return Stage(gateway, shared_workers, context)


@pytest.fixture
def gateway_upstream() -> None:
    """Nothing stands behind the gateway: what a test mounts is all there is."""
