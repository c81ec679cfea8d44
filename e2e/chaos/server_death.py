"""The death of a server in the midst of its work."""

from __future__ import annotations

import asyncio
from collections import Counter

from e2e.chaos.server import ChaosServer
from pytest_sharedworker.gateway import Gateway
from pytest_sharedworker.route import Route


def die_while_it_answers(
    gateway: Gateway, server: ChaosServer, pattern: str, delay_ms: int, faults: Counter[str]
) -> None:
    """SIGKILL the server so long after the next request of a pattern was handed to it."""

    async def die(route: Route) -> None:
        if not server.is_running:
            return
        faults["server killed at work"] += 1
        asking = asyncio.ensure_future(route.fetch())
        await asyncio.sleep(delay_ms / 1000)
        await asyncio.to_thread(server.kill)
        route.fulfill(answer=await asking)

    gateway.route(pattern, die, times=1)
