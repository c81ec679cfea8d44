"""Measure a scrape of the reference server's metrics with stores of two sizes: `python bench/metrics.py`.

The server runs in this process, on loopback, with an SQLite file on disk. A tab has 20 events.
"""

import asyncio
import sqlite3
import statistics
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

import aiohttp

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from reference_server import ReferenceServer

SIZES = (10_000, 1_000_000)
EVENTS_PER_TAB = 20
SCRAPES = 50

FILL = """
WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < ?)
INSERT INTO records (installation_id, event_name, timestamp_ns, session_id, params, tab_id, seq)
SELECT 'an-installation', 'ui_event', n, 'a-session', '{"componentId": "a.button"}',
    printf('%036d', n / ?), n % ?
FROM numbers
"""


async def measure(size: int, folder: Path) -> None:
    """Fill a store and print the time of a scrape."""
    database = folder / f"{size}.sqlite"
    server = ReferenceServer(database=database, environ={})
    await server.start()
    await server.stop()
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(FILL, (size, EVENTS_PER_TAB, EVENTS_PER_TAB))
    url = await server.start()
    seconds = []
    async with aiohttp.ClientSession() as client:
        for _ in range(SCRAPES):
            began = time.perf_counter()
            async with client.get(url / "metrics") as response:
                await response.read()
            seconds.append(time.perf_counter() - began)
    await server.stop()
    milliseconds = [1000 * each for each in seconds]
    print(
        f"{size:>9,} records: median {statistics.median(milliseconds):.1f} ms, max {max(milliseconds):.1f} ms"
    )


def main() -> None:
    """Measure all sizes."""
    with tempfile.TemporaryDirectory() as folder:
        for size in SIZES:
            asyncio.run(measure(size, Path(folder)))


if __name__ == "__main__":
    main()
