"""The load of the server's benchmark: batches as the worker sends them, over one or several connections."""

from __future__ import annotations

import asyncio
import gzip
import json
import multiprocessing
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import aiohttp

RECORDS = 100
LARGE_RECORDS = 8_000
LARGE_CONNECTIONS = 8
CONFIG_PAUSE_SECONDS = 0.02
JSON = {"Content-Type": "application/json"}
_STARTED_NS = 1_700_000_000_000_000_000


@dataclass(frozen=True)
class ConfigLatency:
    """How long a worker waits for its configuration while the server is saturated."""

    milliseconds: Sequence[float]
    """Of each GET, in ascending order."""
    statuses: dict[int, int]
    """How many POSTs had each status."""
    seconds: float

    @property
    def stored_per_second(self) -> float:
        """Return the records stored a second."""
        return self.statuses.get(200, 0) * LARGE_RECORDS / self.seconds


def build_batch(tab: int, count: int = RECORDS) -> bytes:
    """Return the body of a batch of one tab, with the identities that the server stores once."""
    records = [
        {
            "installation_id": "2c1f6f0e-6a2e-4c76-9f49-000000000000",
            "event_name": "ui_event",
            "timestamp_ns": _STARTED_NS + number,
            "params": {"componentId": f"page.section.button-{number}", "eventType": "onClick"},
            "session_id": "7b0c1f6f-0000-4000-8000-000000000000",
            "tab_id": f"5f1c2d3e-0000-4000-8000-{tab:012x}",
            "seq": number,
        }
        for number in range(count)
    ]
    return json.dumps({"records": records}).encode()


async def post_batches(url: str, bodies: Sequence[bytes], connections: int) -> float:
    """Post every body, one after another on each connection; return the seconds. Raise RuntimeError."""
    waiting = iter(bodies)

    async def post(session: aiohttp.ClientSession) -> None:
        for body in waiting:
            async with session.post(url, data=body, headers=JSON) as response:
                text = await response.text()
                if response.status != 200:
                    raise RuntimeError(f"{url} rejected a batch: {response.status} {text[:200]}")

    async with aiohttp.ClientSession() as session:
        started = time.perf_counter()
        await asyncio.gather(*(post(session) for _ in range(connections)))
        return time.perf_counter() - started


async def measure_config_latency(url: str, seconds: float) -> ConfigLatency:
    """Request the configuration while another process posts large batches without pauses."""
    results: multiprocessing.Queue[dict[int, int]] = multiprocessing.Queue()
    load = multiprocessing.Process(target=_saturate, args=(url, seconds, results))
    load.start()
    milliseconds: list[float] = []
    async with aiohttp.ClientSession() as session:
        while load.is_alive() and results.empty():
            started = time.perf_counter()
            async with session.get(url) as response:
                await response.read()
            milliseconds.append((time.perf_counter() - started) * 1000)
            await asyncio.sleep(CONFIG_PAUSE_SECONDS)
    statuses = results.get()
    load.join()
    return ConfigLatency(sorted(milliseconds), statuses, seconds)


def _saturate(url: str, seconds: float, results: multiprocessing.Queue[dict[int, int]]) -> None:
    results.put(asyncio.run(_post_large_batches(url, seconds)))


async def _post_large_batches(url: str, seconds: float) -> dict[int, int]:
    """Post large batches, plain and compressed, and return the count of each status."""
    statuses: Counter[int] = Counter()
    end = time.monotonic() + seconds

    async def post(session: aiohttp.ClientSession, connection: int) -> None:
        number = connection
        while time.monotonic() < end:
            body, headers = build_batch(number, LARGE_RECORDS), JSON
            if connection % 2 == 0:
                body, headers = gzip.compress(body, 1), {**JSON, "Content-Encoding": "gzip"}
            async with session.post(url, data=body, headers=headers) as response:
                await response.read()
            statuses[response.status] += 1
            number += LARGE_CONNECTIONS

    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(post(session, connection) for connection in range(LARGE_CONNECTIONS)))
    return dict(statuses)


def get_percentile(ordered: Sequence[float], percent: int) -> float:
    """Return the smallest value that at least `percent` percent of all values do not exceed."""
    return ordered[-(-len(ordered) * percent // 100) - 1]
