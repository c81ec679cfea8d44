"""Fixtures of all end-to-end tests: the reference server and its files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_sharedworker.browsers.capabilities import get_capabilities
from pytest_sharedworker.integration.event_loop_thread import LoopThread
from reference_server import ReferenceServer


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
