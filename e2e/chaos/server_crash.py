"""The death of a server in the midst of its work."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from e2e.chaos.server import ChaosServer
from pytest_sharedworker.gateway.gateway import Gateway
from pytest_sharedworker.gateway.route import Route


@contextmanager
def dying_at_next(
    gateway: Gateway, server: ChaosServer, pattern: str, delay_ms: int, deaths: Counter[str]
) -> Iterator[None]:
    """While the block runs: SIGKILL the server so long after it was handed the next request of a pattern."""

    async def die(route: Route) -> None:
        if not server.is_running:
            return
        deaths["server killed at work"] += 1
        asking = asyncio.ensure_future(route.fetch())
        await asyncio.sleep(delay_ms / 1000)
        await asyncio.to_thread(server.kill)
        route.fulfill(answer=await asking)

    with gateway.route(pattern, die, times=1):
        yield
