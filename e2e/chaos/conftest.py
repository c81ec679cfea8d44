"""Fixtures of the chaos tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from e2e.chaos.environment import Environment
from e2e.chaos.server import ChaosServer
from pytest_sharedworker.control.server import ControlServer
from pytest_sharedworker.integration.event_loop_thread import LoopThread


@pytest.fixture
def environment(
    browser: Browser,
    sharedworker_loop: LoopThread,
    sharedworker_control: ControlServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Environment]:
    """Provide the reference worker in one browser, in front of one reference server."""
    server = ChaosServer(tmp_path_factory.mktemp("chaos"))
    yield Environment(browser, sharedworker_loop, sharedworker_control, server)
    server.stop()
