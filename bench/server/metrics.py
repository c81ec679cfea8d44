"""A scrape of the reference server's metrics, with stores of several sizes.

The server runs in this process, on loopback, with an SQLite file on disk. A tab has 20 events.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import aiohttp

from bench.report import Samples
from reference_server import ReferenceServer

EVENTS_PER_TAB = 20
SCRAPES = 50

FILL = """
WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < ?)
INSERT INTO records (installation_id, event_name, timestamp_ns, session_id, params, tab_id, seq)
SELECT 'an-installation', 'ui_event', n, 'a-session', '{"componentId": "a.button"}',
    printf('%036d', n / ?), n % ?
FROM numbers
"""


def measure_scrapes(size: int, folder: Path) -> Samples:
    """Fill a store and return the milliseconds of its scrapes."""
    return asyncio.run(_measure_scrapes(size, folder / f"{size}.sqlite"))


async def _measure_scrapes(size: int, database: Path) -> Samples:
    server = ReferenceServer(database=database, environ={})
    await server.start()
    await server.stop()
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(FILL, (size, EVENTS_PER_TAB, EVENTS_PER_TAB))
    url = await server.start()
    milliseconds = []
    async with aiohttp.ClientSession() as client:
        for _ in range(SCRAPES):
            began = time.perf_counter()
            async with client.get(url / "metrics") as response:
                await response.read()
            milliseconds.append((time.perf_counter() - began) * 1000)
    await server.stop()
    return Samples(tuple(milliseconds))
