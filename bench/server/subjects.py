"""The subjects: the reference server, a handler that only reads, and the floor of what storing costs."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bench.report import CHECKOUT
from reference_server.api.telemetry import ENDPOINT

CONFIGURATION = {"disable_telemetry": False, "disable_ui_telemetry": False, "ui_rollout_percentage": 100}
RECORDS_FILE = "records.db"
"""The name of the reference server's database in its folder."""

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
_LISTENING = re.compile(r"listening on (http://\S+?)/?$")


@dataclass(frozen=True)
class RunningServer:
    """A server in a process of its own, on loopback."""

    url: str
    """Of the endpoint."""
    pid: int

    def read_cpu_seconds(self) -> float:
        """Return the CPU time of the process so far, on Linux; NaN on other systems."""
        try:
            fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        except OSError:
            return float("nan")
        return (int(fields[11]) + int(fields[12])) / _TICKS_PER_SECOND

    def read_peak_mebibytes(self) -> float:
        """Return the peak memory of the process, on Linux; NaN on other systems."""
        try:
            status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        except OSError:
            return float("nan")
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        return int(found[1]) / 1024 if found else float("nan")


@contextmanager
def run_reference(folder: Path) -> Iterator[RunningServer]:
    """Run the reference server with a database on disk, whose commits are durable."""
    config = folder / "configuration.json"
    config.write_text(json.dumps(CONFIGURATION), encoding="utf-8")
    arguments = ["-m", "reference_server", "--config", str(config), "--database", str(folder / RECORDS_FILE)]
    with _run(arguments) as server:
        yield server


@contextmanager
def run_bare(folder: Path) -> Iterator[RunningServer]:
    """Run an aiohttp server that reads a body and answers, without a look at it."""
    with _run(["-m", "bench.server.bare"]) as server:
        yield server


SERVERS = {"reference": run_reference, "bare aiohttp handler, nothing stored": run_bare}


@contextmanager
def _run(arguments: Sequence[str]) -> Iterator[RunningServer]:
    command = [sys.executable, *arguments]
    with subprocess.Popen(command, cwd=CHECKOUT, env={}, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        found = _LISTENING.search(process.stderr.readline().rstrip())
        try:
            if found is None:
                raise RuntimeError(f"{' '.join(arguments)} did not start")
            yield RunningServer(found[1] + ENDPOINT, process.pid)
        finally:
            process.terminate()


_TABLES = """
CREATE TABLE records (
    id INTEGER PRIMARY KEY, installation_id, event_name, timestamp_ns, session_id, params, tab_id, seq
);
CREATE UNIQUE INDEX identities ON records (tab_id, seq);
"""
_INSERT = "INSERT INTO records VALUES (NULL, ?, ?, ?, ?, ?, ?, ?)"


class _Record(msgspec.Struct):
    installation_id: str
    event_name: str
    timestamp_ns: int
    session_id: str
    params: msgspec.Raw
    tab_id: str
    seq: int


class _Batch(msgspec.Struct):
    records: list[_Record]


def measure_floor(bodies: Sequence[bytes], folder: Path) -> tuple[float, float]:
    """Decode and store the same batches in a loop, a durable commit each; return wall and CPU seconds.

    One row a record and a unique index on its identity, as the reference server has them; no HTTP.
    """
    decoder = msgspec.json.Decoder(_Batch)
    with closing(sqlite3.connect(folder / "floor.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.executescript(_TABLES)
        started, started_cpu = time.perf_counter(), time.process_time()
        for body in bodies:
            rows = [
                (
                    record.installation_id, record.event_name, record.timestamp_ns, record.session_id,
                    bytes(record.params), record.tab_id, record.seq,
                )
                for record in decoder.decode(body).records
            ]  # fmt: skip
            connection.execute("BEGIN")
            connection.executemany(_INSERT, rows)
            connection.execute("COMMIT")
        return time.perf_counter() - started, time.process_time() - started_cpu
