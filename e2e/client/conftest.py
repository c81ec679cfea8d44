"""Fixtures of the reference client's tests."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, BrowserType

from e2e.client.app import App
from e2e.worker.driver.environments import PLAIN_HOST
from e2e.worker.driver.system import ENABLED
from pytest_sharedworker.browsers.discovery import get_launch_arguments
from pytest_sharedworker.errors import BrowserNotFoundError
from pytest_sharedworker.gateway.gateway import Gateway
from pytest_sharedworker.integration.event_loop_thread import LoopThread
from pytest_sharedworker.webkitgtk.browser import WebKitGtkBrowserType
from pytest_sharedworker.workers.shared_workers import SharedWorkers
from reference_server import ReferenceServer


@pytest.fixture(autouse=True)
def enable_telemetry(config_file: Path) -> None:
    """Let the server enable telemetry for every event."""
    config_file.write_text(json.dumps(ENABLED), encoding="utf-8")


@pytest.fixture
def app(gateway: Gateway, context: BrowserContext, shared_workers: SharedWorkers) -> App:
    """Serve the app."""
    return App(gateway, context)


@pytest.fixture
def caching_app(
    browser_type: BrowserType,
    browser_type_launch_args: dict[str, Any],
    gateway: Gateway,
    shared_workers: SharedWorkers,
) -> Iterator[App]:
    """Serve the app to a browser with a back/forward cache.

    Playwright disables it in Chromium, and the headless shell has none. Firefox caches no page with a Web
    Lock, so the app's origin there is one without them.
    """
    if isinstance(browser_type, WebKitGtkBrowserType):
        pytest.skip("the plugin's WebKitGTK has no back/forward cache")
    options, host = dict(browser_type_launch_args), PLAIN_HOST
    if browser_type.name == "chromium":
        try:
            options = dict(get_launch_arguments("chromium", headless=False))
        except BrowserNotFoundError as reason:
            pytest.skip(str(reason))
        options["args"] = [*options.get("args", ()), "--headless=new"]
        options |= {"headless": False, "ignore_default_args": ["--disable-back-forward-cache"]}
        host = "127.0.0.1"
    browser = browser_type.launch(**options)
    context = browser.new_context()
    shared_workers.watch(context)
    yield App(gateway, context, host)
    browser.close()


@pytest.fixture
def read_stored(reference_server: ReferenceServer, sharedworker_loop: LoopThread) -> Callable[[], list[str]]:
    """Return a function that returns the component ids of all records on the server, sorted."""

    def read() -> list[str]:
        records: list[Any] = sharedworker_loop.run(reference_server.store.read_records())
        return sorted(record.as_dict()["params"]["componentId"] for record in records)

    return read
