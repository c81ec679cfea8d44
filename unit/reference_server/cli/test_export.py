"""The commands `export` and `stats`: complete output beside a running server, in bounded memory."""

import csv
import importlib.util
import io
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from reference_server.storage.export import PAGE_ROWS
from unit.support.command import CHECKOUT, TIMEOUT_SECONDS, Command, StartCommand, build_command_line, run
from unit.support.samples import make_record

MANY_RECORDS = 100_000
MEMORY_LIMIT_BYTES = 100 * 1024 * 1024
"""Well above the memory of Python and its modules, well below the size of the large database."""

MEASURED_PYTHON = [
    sys.executable,
    "-c",
    "import re, runpy, sys\n"
    "from pathlib import Path\n"
    "sys.argv = ['reference_server', *sys.argv[3:]]\n"
    "try:\n"
    "    runpy.run_module('reference_server', run_name='__main__', alter_sys=True)\n"
    "finally:\n"
    "    peak = re.search(r'VmHWM:\\s+(\\d+) kB', Path('/proc/self/status').read_text())\n"
    "    print(int(peak[1]) * 1024, file=sys.stderr)",
]
"""A Python process that prints its peak memory in bytes at exit. `getrusage` would report the peak of the
parent process, if that is larger."""

VISIBLE_NUL = "\u2400"
MEMBERS = [
    make_record(0, tab_id="a-tab", seq=0, params={"text": 'a "quoted", \nline', "big": 2**80}),
    make_record(1, tab_id="a-tab", seq=4, params={}),
    {**make_record(2), "params": None},
    make_record(3, event_name="=1+1\r\n", installation_id="\U0001f600\0"),
]


@pytest.fixture
def command(start_command: StartCommand, configuration_file: Path, tmp_path: Path) -> Iterator[Command]:
    """Return a running server that has stored MEMBERS."""
    command = start_command("--config", configuration_file, "--database", tmp_path / "records.db")
    assert command.post(*MEMBERS) == 200
    yield command
    assert command.post(make_record(9)) == 200  # it was not locked up


def export(database: Path, format_name: str) -> bytes:
    """Run an export and return its standard output."""
    arguments = build_command_line("export", "--database", database, "--format", format_name)
    process = subprocess.run(
        arguments, cwd=CHECKOUT, env={}, capture_output=True, timeout=TIMEOUT_SECONDS, check=True
    )
    return process.stdout


def test_jsonl_has_the_records_unchanged(command: Command, tmp_path: Path) -> None:
    text = export(tmp_path / "records.db", "jsonl")
    lines = text.splitlines()
    assert [json.loads(line) for line in lines] == MEMBERS


def test_jsonl_writes_multiline_params_on_one_line(command: Command, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "records.db")) as connection, connection:
        connection.execute("UPDATE records SET params = ?", ('{\n "n": 1.10,\r\n "n": 1e400 }',))
    for line in export(tmp_path / "records.db", "jsonl").splitlines():
        assert b'"params":{"n":1.10,"n":1e400}' in line


def test_csv_has_a_header_line_and_complete_texts(command: Command, tmp_path: Path) -> None:
    text = export(tmp_path / "records.db", "csv").decode()
    visible = text.replace("\0", VISIBLE_NUL)  # Python's reader refuses it before 3.11
    rows = list(csv.DictReader(io.StringIO(visible, newline="")))
    assert len(rows) == len(MEMBERS)
    for row, member in zip(rows, MEMBERS, strict=True):
        assert row["event_name"] == member["event_name"]
        assert row["installation_id"].replace(VISIBLE_NUL, "\0") == member["installation_id"]
        assert row["timestamp_ns"] == str(member["timestamp_ns"])
        assert row["seq"] == str(member.get("seq", ""))
        assert json.loads(row["params"]) == member["params"]


@pytest.mark.skipif(importlib.util.find_spec("pyarrow") is not None, reason="pyarrow is installed")
def test_parquet_without_pyarrow_names_the_package(command: Command, tmp_path: Path) -> None:
    result = run("export", "--database", tmp_path / "records.db", "--format", "parquet")
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert "pip install pyarrow" in result.stderr


@pytest.mark.skipif(importlib.util.find_spec("pyarrow") is None, reason="pyarrow is not installed")
def test_parquet_has_one_column_per_field(command: Command, tmp_path: Path) -> None:
    parquet = importlib.import_module("pyarrow.parquet")
    table = parquet.read_table(io.BytesIO(export(tmp_path / "records.db", "parquet"))).to_pylist()
    for row, member in zip(table, MEMBERS, strict=True):
        assert {**row, "params": json.loads(row["params"])} == {"tab_id": None, "seq": None, **member}


def test_export_replaces_an_existing_file(command: Command, tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    output.write_text("old\n" * 1_000)
    result = run("export", "--database", tmp_path / "records.db", "--format", "jsonl", "--output", output)
    assert (result.returncode, result.stdout) == (0, "")
    assert output.read_text(encoding="utf-8").count("\n") == len(MEMBERS)


def test_stats_print_stored_and_missing_events(command: Command, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "records.db")) as connection, connection:
        connection.execute("INSERT INTO sessions (session_id, dropped, filtered) VALUES ('another', 1, 1)")
    result = run("stats", "--database", tmp_path / "records.db")
    read_metrics = {
        line.strip().rsplit(maxsplit=1)[0]: line.split()[-1] for line in result.stdout.splitlines()[:9]
    }
    assert read_metrics == {
        "sessions": "2",
        "events stored": "4",
        "of them without an identity": "2",
        "tabs": "1",
        "dropped, as sessions reported": "1",
        "filtered, as sessions reported": "1",
        "missing by gap": "3",
        "of them unexplained": "1",
        "tabs with gaps": "1",
    }
    assert "tab 'a-tab' misses 3" in result.stdout


@pytest.fixture(scope="module")
def large_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a database that is larger than the memory limit of an export."""
    database = tmp_path_factory.mktemp("large") / "records.db"
    assert run("stats", "--database", database).returncode == 2  # the database is missing, and is not created
    assert not database.exists()
    Command("--database", database).stop(signal.SIGTERM)
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.executemany(
            "INSERT INTO records "
            "(installation_id, event_name, timestamp_ns, session_id, params, tab_id, seq) "
            "VALUES ('installation', 'event', ?, 'session', ?, 'a-tab', ?)",
            ((n, json.dumps({"padding": "x" * 1_000}), n) for n in range(MANY_RECORDS)),
        )
    return database


@pytest.mark.skipif(sys.platform != "linux", reason="the peak memory is read from /proc")
@pytest.mark.parametrize("format_name", ["jsonl", "csv"])
def test_export_memory_is_bounded(large_database: Path, format_name: str) -> None:
    options = ["--database", large_database, "--format", format_name, "--output", os.devnull]
    process = subprocess.run(
        build_command_line("export", *options, python=MEASURED_PYTHON),
        cwd=CHECKOUT,
        env={},
        stderr=subprocess.PIPE,
        timeout=TIMEOUT_SECONDS,
        check=True,
    )
    assert int(process.stderr) < MEMORY_LIMIT_BYTES


def test_closed_pipe_prints_no_error(large_database: Path) -> None:
    with subprocess.Popen(
        build_command_line("export", "--database", large_database, "--format", "jsonl"),
        cwd=CHECKOUT,
        env={},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout
        assert process.stderr
        assert process.stdout.readline().startswith(b"{")
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


def test_export_pages_are_complete_and_in_order(large_database: Path) -> None:
    assert MANY_RECORDS > 2 * PAGE_ROWS
    stamps = [json.loads(line)["timestamp_ns"] for line in export(large_database, "jsonl").splitlines()]
    assert stamps == list(range(MANY_RECORDS))
