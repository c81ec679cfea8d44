"""The option --worker-inspector, and the inspector of one test. Imported only where a test uses it."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

from pytest_sharedworker.errors import SharedWorkerError
from pytest_sharedworker.gateway.gateway import Gateway
from pytest_sharedworker.inspector.inspector import Inspector
from pytest_sharedworker.integration.event_loop_thread import LoopThread
from pytest_sharedworker.workers.manager import WorkerManager


def start_inspector(
    request: pytest.FixtureRequest,
    browser: Browser,
    manager: WorkerManager,
    gateway: Gateway,
    loop_thread: LoopThread,
) -> Inspector:
    """Serve the inspector of a test until its fixtures end; open its page where browsers have windows.

    Print the page's URL. Raise SharedWorkerError in a process of pytest-xdist, where nobody could read it.
    """
    config = request.config
    if hasattr(config, "workerinput"):
        raise SharedWorkerError("the inspector needs a run in one process: leave out -n, or give -n 0")
    inspector = Inspector(request.node.nodeid, browser, manager, gateway, loop_thread)
    inspector.start()
    request.addfinalizer(inspector.close)
    _cancel_timeout(request.node)
    capture = config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        print(f"\nworker inspector: {inspector.url}", flush=True)
    if config.getoption("--headed", default=False):
        inspector.open_page()
    return inspector


def _cancel_timeout(item: pytest.Item) -> None:
    """End the time limit of pytest-timeout for this test: it waits for a person."""
    hook = getattr(item.ihook, "pytest_timeout_cancel_timer", None)
    if hook is not None:
        hook(item=item)
