"""The benchmarks count what arrives and compare what is pinned. No test asserts a time."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import sqlite3
import subprocess
import sys
import urllib.request
from contextlib import closing
from pathlib import Path

import pytest

from bench.client.peers import ENTRIES, PACKAGES, PEERS, Client, get_all_names
from bench.client.sink import Sink
from bench.report import Samples
from bench.server.load import build_batch, get_percentile, post_batches
from bench.server.subjects import measure_floor, run_reference
from pytest_sharedworker.integration.event_loop_thread import LoopThread


def post(url: str, body: bytes) -> None:
    with urllib.request.urlopen(urllib.request.Request(url, body, method="POST"), timeout=30):
        pass


def test_sink_counts_requests_bytes_and_each_event_once_a_request() -> None:
    loop_thread = LoopThread()
    sink = Sink(loop_thread, [Client("one", {}), Client("other", {})])
    sink.start()
    try:
        plain = b'{"id": "bench-mark-1-1", "again": "bench-mark-1-1", "next": "bench-mark-1-2"}'
        packed = gzip.compress(b"bench-mark-1-2")
        post(f"{sink.url}/one/events", plain)
        post(f"{sink.url}/one/events", packed)
        post(f"{sink.url}/other/events", b"bench-mark-1-3")
    finally:
        sink.stop()
        loop_thread.close()
    received = sink.received["one"]
    assert (received.requests, received.body_bytes) == (2, len(plain) + len(packed))
    assert received.events == {"bench-mark-1-1": 1, "bench-mark-1-2": 2}


def test_peers_have_an_entry_and_an_exact_version() -> None:
    assert PACKAGES.keys() < set(get_all_names())
    dependencies = json.loads((PEERS / "package.json").read_bytes())["dependencies"]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in dependencies.values())
    lock = json.loads((PEERS / "package-lock.json").read_bytes())
    assert lock["packages"][""]["dependencies"] == dependencies
    # The lock names no registry: npm takes the one that is configured.
    assert not [path for path, package in lock["packages"].items() if "resolved" in package]
    for name, package in PACKAGES.items():
        assert package in (ENTRIES / f"{name}.js").read_text(encoding="utf-8")
        assert package in dependencies


def test_unknown_client_is_refused_with_the_names() -> None:
    command = [sys.executable, "-m", "bench", "client", "--only", "ours,our"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 2
    assert f"no client is named 'our'; there are {', '.join(get_all_names())}" in result.stderr


def test_samples_show_median_and_spread() -> None:
    assert Samples((7.0, 9.04, 6.5)).format() == "7.0 (6.5-9.0)"


def test_floor_stores_each_record_once(tmp_path: Path) -> None:
    measure_floor([build_batch(1, 3), build_batch(2, 3)], tmp_path)
    with closing(sqlite3.connect(tmp_path / "floor.db")) as connection:
        assert connection.execute("SELECT count(*), count(DISTINCT tab_id) FROM records").fetchone() == (6, 2)


def test_batches_are_those_that_the_server_stores(tmp_path: Path) -> None:
    with run_reference(tmp_path) as server:
        asyncio.run(post_batches(server.url, [build_batch(number, 3) for number in range(4)], 2))
        assert server.read_peak_mebibytes() > 1 or sys.platform != "linux"
    with closing(sqlite3.connect(tmp_path / "records.db")) as connection:
        assert connection.execute("SELECT count(*) FROM records").fetchone() == (12,)


@pytest.mark.parametrize(("percent", "expected"), [(50, 2), (75, 3), (99, 4), (100, 4)])
def test_percentile_is_one_of_the_values(percent: int, expected: int) -> None:
    assert get_percentile([1, 2, 3, 4], percent) == expected
