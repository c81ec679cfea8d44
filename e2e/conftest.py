"""Fixtures of all end-to-end tests: the reference server and its files."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import BrowserType

from pytest_sharedworker.browsers.capabilities import get_capabilities
from pytest_sharedworker.errors import UnsupportedError
from pytest_sharedworker.integration.event_loop_thread import LoopThread
from pytest_sharedworker.webkitgtk.browser import WebKitGtkBrowserType
from reference_server import ReferenceServer


@contextmanager
def _skip_unsupported(item: pytest.Item) -> Iterator[None]:
    """Skip a test, in WebKit, with what it cannot do: WebKitGTK has a part of Playwright's API only."""
    try:
        yield
    except UnsupportedError as reason:
        callspec = getattr(item, "callspec", None)
        if callspec is None or callspec.params.get("browser_name") != "webkit":
            raise
        raise pytest.skip.Exception(str(reason)) from None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, None, None]:
    """Skip a test whose fixtures need what WebKit cannot do."""
    with _skip_unsupported(item):
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Skip a test that needs what WebKit cannot do."""
    with _skip_unsupported(item):
        yield


@pytest.fixture
def needs_kept_workers(browser_name: str) -> None:
    """Skip the test in browsers that end a worker with the tab that hosts it."""
    if not get_capabilities(browser_name).keeps_workers:
        pytest.skip("WebKit ends a worker with the tab that hosts it, and starts it again for the others")


@pytest.fixture
def needs_page_route(browser_type: BrowserType) -> None:
    """Skip a test whose own project calls page.route in WebKitGTK."""
    if isinstance(browser_type, WebKitGtkBrowserType):
        pytest.skip("WebKitGTK, driven by WebDriver, has no page.route")


@pytest.fixture
def needs_blank_documents(browser_type: BrowserType) -> None:
    """Skip a test that uses documents which come from no server in WebKitGTK."""
    if isinstance(browser_type, WebKitGtkBrowserType):
        pytest.skip("WebKitGTK, driven by WebDriver, has no init scripts in documents without a server")


@pytest.fixture
def needs_locators(browser_type: BrowserType) -> None:
    """Skip a test that uses a page as a person does, by roles and labels."""
    if isinstance(browser_type, WebKitGtkBrowserType):
        pytest.skip("WebKitGTK, driven by WebDriver, has no locators")


@pytest.fixture
def needs_devtools(browser_name: str) -> None:
    """Skip the test in browsers whose DevTools do not reach a SharedWorker."""
    if not get_capabilities(browser_name).has_devtools:
        pytest.skip("only Chromium has DevTools that reach a SharedWorker")


@pytest.fixture
def needs_crash(browser_name: str) -> None:
    """Skip the test in browsers that cannot crash a tab's renderer."""
    if not get_capabilities(browser_name).can_crash_pages:
        pytest.skip("only Chromium crashes a tab's renderer on demand")


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    """Return the path from which the test's server reads its configuration."""
    return tmp_path / "config.json"


@pytest.fixture
def database_file(tmp_path: Path) -> Path:
    """Return the path of the database of the test's server."""
    return tmp_path / "telemetry.sqlite"


@pytest.fixture
def reference_server(
    config_file: Path, database_file: Path, sharedworker_loop: LoopThread
) -> Iterator[ReferenceServer]:
    """Start a reference server for one test.

    Its environment is empty: a variable that a CI machine sets must not disable telemetry.
    """
    server = ReferenceServer(config=config_file, database=database_file, environ={})
    sharedworker_loop.run(server.start())
    yield server
    sharedworker_loop.run(server.stop())


@pytest.fixture
def gateway_upstream(reference_server: ReferenceServer) -> str:
    """Return the URL of the server behind the gateway."""
    return str(reference_server.url)
