"""Kill the server while it handles a request."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from e2e.chaos.server import ChaosServer
from pytest_sharedworker import AsyncRoute, Gateway

FAULT = "server killed at work"


@contextmanager
def kill_at_next_request(
    gateway: Gateway, server: ChaosServer, pattern: str, delay_ms: int, faults: Counter[str]
) -> Iterator[None]:
    """While the block runs: SIGKILL the server `delay_ms` after it got the next request of a pattern."""

    async def kill(route: AsyncRoute) -> None:
        if not server.is_running:
            route.fallback()
            return
        faults[FAULT] += 1
        fetching = asyncio.ensure_future(route.fetch())
        await asyncio.sleep(delay_ms / 1000)
        await asyncio.to_thread(server.kill)
        route.fulfill(response=await fetching)

    with gateway.route(pattern, kill, times=1, optional=True):
        yield
