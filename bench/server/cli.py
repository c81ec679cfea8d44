"""`scripts/bench server`: throughput, latency under load, and the cost of the metrics."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from pathlib import Path

from bench import ingest, metrics


def run(options: argparse.Namespace) -> None:
    """Run the benchmarks and print the results; with `--quick` only the throughput."""
    with tempfile.TemporaryDirectory() as name, ingest.run_server(Path(name)) as (url, pid):
        asyncio.run(ingest.measure_throughput(url))
        if options.quick:
            return
        asyncio.run(ingest.measure_config_latency_under_load(url, pid))
    with tempfile.TemporaryDirectory() as name:
        for size in metrics.SIZES:
            asyncio.run(metrics.measure(size, Path(name)))
