"""Measure how fast the reference server stores records, and its latency under load: `python bench/ingest.py`.

The first load is many small batches: how many records per second does the server store? The second load is
large batches without pauses, from another process, while this process requests the configuration repeatedly:
how long does a worker wait for it, and how much memory does the server take? The server runs in its own
process, on loopback, with an SQLite file on disk and durable commits.
"""

import argparse
import asyncio
import gzip
import json
import multiprocessing
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from reference_server.api.telemetry import ENDPOINT

CHECKOUT = Path(__file__).resolve().parent.parent

SMALL_POSTS = 200
SMALL_RECORDS = 100
LARGE_RECORDS = 8_000
CLIENTS = 8
SATURATION_SECONDS = 6.0
CONFIG_PAUSE_SECONDS = 0.02

CONFIGURATION = {"disable_telemetry": False, "disable_ui_telemetry": False, "ui_rollout_percentage": 100}
JSON = {"Content-Type": "application/json"}


def build_batch(count: int) -> bytes:
    """Return the body of a batch. Its records have no identity, so that the server stores each of them."""
    records = [
        {
            "installation_id": "2c1f6f0e-6a2e-4c76-9f49-000000000000",
            "event_name": "ui_event",
            "timestamp_ns": 1_700_000_000_000_000_000 + number,
            "params": {"componentId": f"page.section.button-{number}", "eventType": "onClick"},
            "session_id": "7b0c1f6f-0000-4000-8000-000000000000",
        }
        for number in range(count)
    ]
    return json.dumps({"records": records}).encode()


@contextmanager
def run_server(folder: Path) -> Iterator[tuple[str, int]]:
    """Run a server in its own process. Yield the URL of the endpoint and the process id."""
    config = folder / "configuration.json"
    config.write_text(json.dumps(CONFIGURATION), encoding="utf-8")
    command = [sys.executable, "-m", "reference_server", "--config", str(config)]
    command += ["--database", str(folder / "records.db")]
    with subprocess.Popen(command, cwd=CHECKOUT, env={}, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        found = re.search(r"listening on (http://\S+)/$", process.stderr.readline())
        try:
            if found is None:
                raise RuntimeError("the server did not start")
            yield found[1] + ENDPOINT, process.pid
        finally:
            process.terminate()


async def post(session: aiohttp.ClientSession, url: str, body: bytes, headers: dict[str, str]) -> int:
    """Post one batch and return the status of the response."""
    async with session.post(url, data=body, headers=headers) as response:
        await response.read()
        return response.status


async def measure_throughput(url: str) -> None:
    """Post small batches, each client one after another, and print the results."""
    body = build_batch(SMALL_RECORDS)
    milliseconds: list[float] = []
    async with aiohttp.ClientSession() as session:
        await post(session, url, body, JSON)  # warm up: connection, first page of the database

        async def client() -> None:
            for _ in range(SMALL_POSTS // CLIENTS):
                start = time.perf_counter()
                if await post(session, url, body, JSON) != 200:
                    raise RuntimeError("the server rejected a batch")
                milliseconds.append((time.perf_counter() - start) * 1000)

        start = time.perf_counter()
        await asyncio.gather(*(client() for _ in range(CLIENTS)))
        seconds = time.perf_counter() - start
    milliseconds.sort()
    print(f"{len(milliseconds)} POSTs of {SMALL_RECORDS} records by {CLIENTS} clients in {seconds:.2f} s")
    print(f"requests/s        {len(milliseconds) / seconds:10,.0f}")
    print(f"records/s         {len(milliseconds) * SMALL_RECORDS / seconds:10,.0f}")
    print_latencies(milliseconds)


async def _post_large_batches(url: str, results: "multiprocessing.Queue[dict[int, int]]") -> None:
    body = build_batch(LARGE_RECORDS)
    compressed = gzip.compress(body)
    statuses: Counter[int] = Counter()
    end = time.monotonic() + SATURATION_SECONDS

    async def client(session: aiohttp.ClientSession, is_compressed: bool) -> None:
        headers = {**JSON, "Content-Encoding": "gzip"} if is_compressed else JSON
        while time.monotonic() < end:
            statuses[await post(session, url, compressed if is_compressed else body, headers)] += 1

    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(client(session, number % 2 == 0) for number in range(CLIENTS)))
    results.put(dict(statuses))


def post_large_batches(url: str, results: "multiprocessing.Queue[dict[int, int]]") -> None:
    """Post large batches, plain and compressed, without pauses. Put the count of each status into `results`.

    Run this in another process.
    """
    asyncio.run(_post_large_batches(url, results))


async def measure_config_latency_under_load(url: str, pid: int) -> None:
    """Request the configuration while the server receives large batches, and print the latencies."""
    results: multiprocessing.Queue[dict[int, int]] = multiprocessing.Queue()
    load = multiprocessing.Process(target=post_large_batches, args=(url, results))
    load.start()
    milliseconds: list[float] = []
    async with aiohttp.ClientSession() as session:
        while load.is_alive() and results.empty():
            start = time.perf_counter()
            async with session.get(url) as response:
                await response.read()
            milliseconds.append((time.perf_counter() - start) * 1000)
            await asyncio.sleep(CONFIG_PAUSE_SECONDS)
    statuses = results.get()
    load.join()
    milliseconds.sort()
    stored = statuses.get(200, 0) * LARGE_RECORDS
    print(f"\n{len(milliseconds)} GETs during batches of {LARGE_RECORDS} records by {CLIENTS} clients")
    print(f"POSTs by status   {statuses}")
    print(f"records/s         {stored / SATURATION_SECONDS:10,.0f}")
    print_latencies(milliseconds)
    print(f"server's peak     {read_peak_mebibytes(pid):10,.0f} MiB")


def print_latencies(ordered: list[float]) -> None:
    """Print percentiles of the latencies, which are in ascending order."""
    for name, percent in (("p50", 50), ("p99", 99), ("longest", 100)):
        print(f"{name:<18}{get_percentile(ordered, percent):10.1f} ms")


def get_percentile(ordered: list[float], percent: int) -> float:
    """Return the smallest value that at least `percent` percent of all values do not exceed."""
    return ordered[-(-len(ordered) * percent // 100) - 1]


def read_peak_mebibytes(pid: int) -> float:
    """Return the peak memory of a process on Linux, NaN on other systems."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except OSError:
        return float("nan")
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) / 1024 if found else float("nan")


def main() -> None:
    """Run both loads and print the results."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    with tempfile.TemporaryDirectory() as name, run_server(Path(name)) as (url, pid):
        asyncio.run(measure_throughput(url))
        asyncio.run(measure_config_latency_under_load(url, pid))


if __name__ == "__main__":
    main()
