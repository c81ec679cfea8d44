"""Fixtures: the plugin's real servers, with a real server behind the gateway; no browser."""

from collections.abc import Iterator

import pytest

from pytest_sharedworker.control.server import ControlServer
from pytest_sharedworker.gateway.gateway import Gateway
from pytest_sharedworker.integration.event_loop_thread import LoopThread
from unit.support.servers import Upstream


@pytest.fixture
def upstream(sharedworker_loop: LoopThread) -> Iterator[Upstream]:
    """Start the server behind the gateway."""
    upstream = Upstream()
    sharedworker_loop.run(upstream.start())
    yield upstream
    sharedworker_loop.run(upstream.stop())


@pytest.fixture
def gateway_upstream(upstream: Upstream) -> str:
    """Return the origin of the server behind the plugin's fixture `gateway`."""
    return upstream.url


@pytest.fixture
def lone_gateway(sharedworker_loop: LoopThread, sharedworker_control: ControlServer) -> Iterator[Gateway]:
    """Return a gateway without a server behind it, not started yet."""
    gateway = Gateway(sharedworker_loop, sharedworker_control)
    yield gateway
    gateway._stop()
