"""A scrape of the reference server's metrics, and its statistics, with stores of several sizes.

The server runs in this process, on loopback, with an SQLite file on disk. A tab has 20 events, a session
100.
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
from reference_server.cli.stats import GAPS_SHOWN
from reference_server.storage import accounting, sessions
from reference_server.storage.readonly import open_readonly
from reference_server.storage.stats import read_largest_gaps, read_totals

EVENTS_PER_TAB = 20
EVENTS_PER_SESSION = 100
SCRAPES = 50
STATS_ROUNDS = 3

FILL = """
WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < ?)
INSERT INTO records (installation_id, event_name, timestamp_ns, session_id, params, tab_id, seq, counted)
SELECT 'an-installation', 'ui_event', n, printf('a-session-%d', n / ?), '{"componentId": "a.button"}',
    printf('%036d', n / ?), n % ?, ?
FROM numbers
"""


def fill_store(database: Path, size: int) -> None:
    """Create a store with so many records, a multiple of the records of a session."""
    asyncio.run(_create_store(database))
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -256000"):
            connection.execute(f"PRAGMA {pragma}").fetchall()
        connection.execute("BEGIN")
        connection.execute(
            FILL, (size, EVENTS_PER_SESSION, EVENTS_PER_TAB, EVENTS_PER_TAB, accounting.COUNTED)
        )
        tabs = (f"{tab:036d}" for tab in range(size // EVENTS_PER_TAB))
        accounting.add_new_records(connection, size, dict.fromkeys(tabs, range(EVENTS_PER_TAB)))
        sessions.count_new_records(connection, 0)
        connection.execute("COMMIT")


def measure_scrapes(database: Path) -> Samples:
    """Return the milliseconds of the scrapes of a store."""
    return asyncio.run(_measure_scrapes(database))


def measure_stats(database: Path) -> Samples:
    """Return the milliseconds of CPU time that the figures of the command `stats` take."""
    milliseconds = []
    for _ in range(STATS_ROUNDS):
        began = time.thread_time()
        with open_readonly(database) as connection:
            read_totals(connection)
            read_largest_gaps(connection, GAPS_SHOWN)
        milliseconds.append((time.thread_time() - began) * 1000)
    return Samples(tuple(milliseconds))


async def _create_store(database: Path) -> None:
    async with ReferenceServer(database=database, environ={}):
        pass


async def _measure_scrapes(database: Path) -> Samples:
    milliseconds = []
    async with ReferenceServer(database=database, environ={}) as server, aiohttp.ClientSession() as client:
        for _ in range(SCRAPES):
            began = time.perf_counter()
            async with client.get(server.url / "metrics") as response:
                await response.read()
            milliseconds.append((time.perf_counter() - began) * 1000)
    return Samples(tuple(milliseconds))
