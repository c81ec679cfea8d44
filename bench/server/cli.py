"""`scripts/bench server`: what a batch costs the server, beside a bare handler and the floor of storing."""

from __future__ import annotations

import argparse
import asyncio
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import aiohttp
import msgspec

from bench.report import Report, Samples
from bench.server import mlflow
from bench.server.load import (
    LARGE_CONNECTIONS,
    LARGE_RECORDS,
    RECORDS,
    build_batch,
    get_percentile,
    measure_config_latency,
    post_batches,
)
from bench.server.metrics import fill_store, measure_scrapes, measure_stats
from bench.server.subjects import RECORDS_FILE, SERVERS, RunningServer, measure_floor, run_reference
from e2e.interop.mlflow_server import PYTHON_VARIABLE, read_version

CONNECTIONS = (1, 8)
SIZES = (10_000, 100_000, 1_000_000, 10_000_000)
FLOOR = "floor: msgspec and SQLite in a loop"
SATURATION_SECONDS = 6.0
SIZE_ROUNDS, SIZE_POSTS = 3, 100


def run(options: argparse.Namespace) -> None:
    """Run the benchmarks, print tables and write the results."""
    report = Report("server", options.quick)
    report.versions |= {
        "aiohttp": aiohttp.__version__,
        "msgspec": msgspec.__version__,
        "SQLite": sqlite3.sqlite_version,
    }
    rounds, posts = (1, 100) if options.quick else (5, 400)
    with tempfile.TemporaryDirectory() as name:
        _measure_ingest(report, Path(name), rounds, posts)
    if not options.quick:
        with tempfile.TemporaryDirectory() as name, run_reference(Path(name)) as server:
            _measure_config(report, server)
        with tempfile.TemporaryDirectory() as name:
            _measure_sizes(report, Path(name))
    report.write()


def _measure_ingest(report: Report, folder: Path, rounds: int, posts: int) -> None:
    """Measure all subjects in turn, each round with new batches."""
    tabs = count(1)
    milliseconds: dict[tuple[str, int], list[float]] = {}
    cpu: dict[tuple[str, int], list[float]] = {}

    def note(name: str, connections: int, seconds: float, cpu_seconds: float) -> None:
        milliseconds.setdefault((name, connections), []).append(seconds / posts * 1000)
        cpu.setdefault((name, connections), []).append(cpu_seconds / posts * 1000)

    subjects = dict(SERVERS)
    if PYTHON_VARIABLE in os.environ:
        subjects["MLflow's handler, nothing stored"] = mlflow.run_mlflow
        report.versions["MLflow"] = read_version()
    else:
        print(f"without MLflow's handler: {PYTHON_VARIABLE} names no Python that has MLflow")
    with ExitStack() as ends:
        servers = {name: ends.enter_context(start(folder)) for name, start in subjects.items()}
        for server in servers.values():
            asyncio.run(post_batches(server.url, [build_batch(next(tabs))], 1))
        for _ in range(rounds):
            for connections in CONNECTIONS:
                for name, server in servers.items():
                    bodies = _build_batches(tabs, posts)
                    before = server.read_cpu_seconds()
                    seconds = asyncio.run(post_batches(server.url, bodies, connections))
                    note(name, connections, seconds, server.read_cpu_seconds() - before)
            with tempfile.TemporaryDirectory(dir=folder) as own:
                note(FLOOR, 0, *measure_floor(_build_batches(tabs, posts), Path(own)))
    floor = Samples(tuple(cpu[FLOOR, 0])).median
    rows = []
    for (name, connections), values in sorted(cpu.items(), key=lambda item: (item[0][1], item[1])):
        wall, used = Samples(tuple(milliseconds[name, connections])), Samples(tuple(values))
        rows.append(
            [
                name,
                connections or "-",
                f"{used.median / floor:.2f}",
                used.format(2),
                f"{used.median / RECORDS * 1000:.1f}",
                f"{1000 / wall.median:,.0f}",
                f"{1000 / wall.median * RECORDS:,.0f}",
            ]
        )
        report.data[f"{name}, {connections}"] = {"cpu_ms": used.as_dict(), "wall_ms": wall.as_dict()}
    report.print_table(
        f"{posts} POSTs of {RECORDS} records, durable before the response (the floor without HTTP);"
        f" {rounds} rounds in turn",
        [
            "server",
            "connections",
            "times the floor",
            "CPU ms a POST",
            "CPU µs a record",
            "POST/s",
            "records/s",
        ],
        rows,
    )


def _build_batches(tabs: Iterator[int], posts: int) -> list[bytes]:
    return [build_batch(next(tabs)) for _ in range(posts)]


def _measure_config(report: Report, server: RunningServer) -> None:
    latency = asyncio.run(measure_config_latency(server.url, SATURATION_SECONDS))
    percentiles = {name: get_percentile(latency.milliseconds, each) for name, each in _PERCENTILES.items()}
    report.print_table(
        f"{len(latency.milliseconds)} GETs of the configuration during POSTs of {LARGE_RECORDS:,} records"
        f" over {LARGE_CONNECTIONS} connections",
        ["measure", "value"],
        [
            *([f"{name}, ms", f"{value:.1f}"] for name, value in percentiles.items()),
            ["records stored a second", f"{latency.stored_per_second:,.0f}"],
            ["POSTs by status", ", ".join(f"{key}: {value}" for key, value in latency.statuses.items())],
            ["peak memory of the server, MiB", f"{server.read_peak_mebibytes():,.0f}"],
        ],
    )
    report.data["configuration"] = {**percentiles, "statuses": latency.statuses}


_PERCENTILES = {"p50": 50, "p99": 99, "longest": 100}


def _measure_sizes(report: Report, folder: Path) -> None:
    """Measure a POST and a scrape of the metrics with stores of several sizes."""
    rows = []
    for size in SIZES:
        own = folder / str(size)
        own.mkdir()
        fill_store(own / RECORDS_FILE, size)
        scrapes = measure_scrapes(own / RECORDS_FILE)
        stats = measure_stats(own / RECORDS_FILE)
        with run_reference(own) as server:
            cpu = Samples(tuple(_measure_posts(server)))
        (own / RECORDS_FILE).unlink()
        rows.append([f"{size:,}", cpu.format(2), scrapes.format(), stats.format(0)])
        report.data[f"{size} records"] = {
            "cpu_ms": cpu.as_dict(), "scrape_ms": scrapes.as_dict(), "stats_cpu_ms": stats.as_dict()
        }  # fmt: skip
    report.print_table(
        f"By the number of stored records: POSTs over {CONNECTIONS[-1]} connections, scrapes of /metrics",
        ["records", "CPU ms a POST", "ms a scrape", "CPU ms of stats"],
        rows,
    )


def _measure_posts(server: RunningServer) -> Iterator[float]:
    """Yield the milliseconds of CPU time a POST, a few times."""
    tabs = count(1)
    asyncio.run(post_batches(server.url, [build_batch(next(tabs))], 1))
    for _ in range(SIZE_ROUNDS):
        bodies = _build_batches(tabs, SIZE_POSTS)
        before = server.read_cpu_seconds()
        asyncio.run(post_batches(server.url, bodies, CONNECTIONS[-1]))
        yield (server.read_cpu_seconds() - before) / SIZE_POSTS * 1000
