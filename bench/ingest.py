"""How fast the reference server takes records, and what it costs the others: `python bench/ingest.py`.

First many small batches: how many records it stores a second. Then large ones without a pause, from a process
of their own, while this one asks for the configuration again and again: how long a worker waits for it, and
how much memory the server takes. The server has a process to itself, on loopback, with an SQLite file on disk
whose every commit is durable.
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


def body_of(count: int) -> bytes:
    """Give the body of a batch like those of a worker, without identities: every record is new."""
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
def running_server(folder: Path) -> Iterator[tuple[str, int]]:
    """Run a server in a process of its own; give the endpoint's URL and the process's number."""
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
    """Post one batch; give the status of its answer."""
    async with session.post(url, data=body, headers=headers) as answer:
        await answer.read()
        return answer.status


async def throughput(url: str) -> None:
    """Post small batches as fast as they are answered, and print the figures."""
    body = body_of(SMALL_RECORDS)
    milliseconds: list[float] = []
    async with aiohttp.ClientSession() as session:
        await post(session, url, body, JSON)  # connection, first page of the database

        async def client() -> None:
            for _ in range(SMALL_POSTS // CLIENTS):
                began = time.perf_counter()
                if await post(session, url, body, JSON) != 200:
                    raise RuntimeError("the server refused a batch")
                milliseconds.append((time.perf_counter() - began) * 1000)

        began = time.perf_counter()
        await asyncio.gather(*(client() for _ in range(CLIENTS)))
        seconds = time.perf_counter() - began
    milliseconds.sort()
    print(f"{len(milliseconds)} POSTs of {SMALL_RECORDS} records by {CLIENTS} clients in {seconds:.2f} s")
    print(f"requests/s        {len(milliseconds) / seconds:10,.0f}")
    print(f"records/s         {len(milliseconds) * SMALL_RECORDS / seconds:10,.0f}")
    print_latencies(milliseconds)


async def _saturate(url: str, answers: "multiprocessing.Queue[dict[int, int]]") -> None:
    body = body_of(LARGE_RECORDS)
    packed = gzip.compress(body)
    statuses: Counter[int] = Counter()
    end = time.monotonic() + SATURATION_SECONDS

    async def client(session: aiohttp.ClientSession, is_packed: bool) -> None:
        headers = {**JSON, "Content-Encoding": "gzip"} if is_packed else JSON
        while time.monotonic() < end:
            statuses[await post(session, url, packed if is_packed else body, headers)] += 1

    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(client(session, number % 2 == 0) for number in range(CLIENTS)))
    answers.put(dict(statuses))


def saturate(url: str, answers: "multiprocessing.Queue[dict[int, int]]") -> None:
    """Post large batches, plain and packed, without a pause; put the answers' statuses. For a process."""
    asyncio.run(_saturate(url, answers))


async def config_while_saturated(url: str, pid: int) -> None:
    """Ask for the configuration while large batches come in, and print how long it took."""
    answers: multiprocessing.Queue[dict[int, int]] = multiprocessing.Queue()
    load = multiprocessing.Process(target=saturate, args=(url, answers))
    load.start()
    milliseconds: list[float] = []
    async with aiohttp.ClientSession() as session:
        while load.is_alive() and answers.empty():
            began = time.perf_counter()
            async with session.get(url) as answer:
                await answer.read()
            milliseconds.append((time.perf_counter() - began) * 1000)
            await asyncio.sleep(CONFIG_PAUSE_SECONDS)
    statuses = answers.get()
    load.join()
    milliseconds.sort()
    stored = statuses.get(200, 0) * LARGE_RECORDS
    print(f"\n{len(milliseconds)} GETs beside batches of {LARGE_RECORDS} records by {CLIENTS} clients")
    print(f"POSTs by status   {statuses}")
    print(f"records/s         {stored / SATURATION_SECONDS:10,.0f}")
    print_latencies(milliseconds)
    print(f"server's peak     {peak_mebibytes(pid):10,.0f} MiB")


def print_latencies(ordered: list[float]) -> None:
    """Print how long requests took."""
    for name, percent in (("p50", 50), ("p99", 99), ("longest", 100)):
        print(f"{name:<18}{percentile(ordered, percent):10.1f} ms")


def percentile(ordered: list[float], percent: int) -> float:
    """Give the smallest value that `percent` of all values do not exceed."""
    return ordered[-(-len(ordered) * percent // 100) - 1]


def peak_mebibytes(pid: int) -> float:
    """Give the most memory that a process has taken (Linux), else not a number."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except OSError:
        return float("nan")
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) / 1024 if found else float("nan")


def main() -> None:
    """Run both loads."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    with tempfile.TemporaryDirectory() as name, running_server(Path(name)) as (url, pid):
        asyncio.run(throughput(url))
        asyncio.run(config_while_saturated(url, pid))


if __name__ == "__main__":
    main()
