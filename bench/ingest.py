"""How fast the reference server takes records: `python bench/ingest.py`.

Server and clients share one process and one event loop, over loopback, with an SQLite file on disk whose
every commit is durable. The figures are thus a lower bound for a server that has its process to itself.
"""

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path

import aiohttp
from yarl import URL

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from reference_server import ReferenceServer, SqliteStore
from reference_server.ingest import ENDPOINT

POSTS = 200
RECORDS_PER_POST = 100
CLIENTS = 8

CONFIGURATION = {"disable_telemetry": False, "disable_ui_telemetry": False, "ui_rollout_percentage": 100}
BODY = json.dumps(
    {
        "records": [
            {
                "installation_id": "2c1f6f0e-6a2e-4c76-9f49-000000000000",
                "event_name": "ui_event",
                "timestamp_ns": 1_700_000_000_000_000_000 + number,
                "params": {"componentId": f"page.section.button-{number}", "eventType": "onClick"},
                "session_id": "7b0c1f6f-0000-4000-8000-000000000000",
            }
            for number in range(RECORDS_PER_POST)
        ]
    }
).encode()


async def post(session: aiohttp.ClientSession, url: URL) -> float:
    """Post one batch; give how many milliseconds its answer took."""
    began = time.perf_counter()
    async with session.post(url, data=BODY, headers={"Content-Type": "application/json"}) as answer:
        if await answer.json() != {"status": "success", "accepted": RECORDS_PER_POST}:
            raise RuntimeError(f"the server answered {answer.status}: {await answer.text()}")
    return (time.perf_counter() - began) * 1000


async def measure(folder: Path) -> None:
    """Run the load once and print the figures."""
    (folder / "configuration.json").write_text(json.dumps(CONFIGURATION), encoding="utf-8")
    store = SqliteStore(folder / "records.db")
    server = ReferenceServer(config=folder / "configuration.json", store=store, environ={})
    async with server, aiohttp.ClientSession() as session:
        url = server.url.join(URL(ENDPOINT.lstrip("/")))
        await post(session, url)  # connection, first page of the database
        warm_up_transactions = store.transactions

        async def client() -> list[float]:
            return [await post(session, url) for _ in range(POSTS // CLIENTS)]

        began = time.perf_counter()
        per_client = await asyncio.gather(*(client() for _ in range(CLIENTS)))
        seconds = time.perf_counter() - began
        transactions = store.transactions - warm_up_transactions
        stored = await store.count() - RECORDS_PER_POST

    milliseconds = sorted(one for each in per_client for one in each)
    if stored != len(milliseconds) * RECORDS_PER_POST:
        raise RuntimeError(
            f"{len(milliseconds) * RECORDS_PER_POST} records were answered, {stored} are stored"
        )
    print(f"{len(milliseconds)} POSTs of {RECORDS_PER_POST} records by {CLIENTS} clients in {seconds:.2f} s")
    print(f"requests/s   {len(milliseconds) / seconds:10,.0f}")
    print(f"records/s    {stored / seconds:10,.0f}")
    print(f"p50          {percentile(milliseconds, 50):10.1f} ms")
    print(f"p99          {percentile(milliseconds, 99):10.1f} ms")
    print(f"transactions {transactions:10,}")


def percentile(ordered: list[float], percent: int) -> float:
    """Give the smallest value that `percent` of all values do not exceed."""
    return ordered[-(-len(ordered) * percent // 100) - 1]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        asyncio.run(measure(Path(name)))
