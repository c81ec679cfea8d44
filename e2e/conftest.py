"""Fixtures that all end-to-end tests share: the reference server and its files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_sharedworker.integration.event_loop_thread import LoopThread
from reference_server import ReferenceServer


@pytest.fixture
def needs_devtools(browser_name: str) -> None:
    """Skip the test where no DevTools reach a worker."""
    if browser_name != "chromium":
        pytest.skip("only Chromium has DevTools that reach a SharedWorker")


@pytest.fixture
def needs_crash(browser_name: str) -> None:
    """Skip the test where a tab's renderer cannot be crashed."""
    if browser_name != "chromium":
        pytest.skip("only Chromium crashes a tab's renderer on demand")


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    """The file from which this case's server reads its configuration."""
    return tmp_path / "config.json"


@pytest.fixture
def database_file(tmp_path: Path) -> Path:
    """The database in which this case's server stores."""
    return tmp_path / "telemetry.sqlite"


@pytest.fixture
def reference_server(
    config_file: Path, database_file: Path, sharedworker_loop: LoopThread
) -> Iterator[ReferenceServer]:
    """A server of this case's own. Its environment is empty: a CI machine's must not silence it."""
    server = ReferenceServer(config=config_file, database=database_file, environ={})
    sharedworker_loop.run(server.start())
    yield server
    sharedworker_loop.run(server.stop())


@pytest.fixture
def gateway_upstream(reference_server: ReferenceServer) -> str:
    """The server behind the gateway."""
    return str(reference_server.url)
