"""The command `python -m reference_server` as a process: address, exit, errors, durability.

The tests need POSIX signals and file size limits.
"""

import re
import signal
import socket
import sqlite3
import urllib.error
import urllib.request
from contextlib import closing
from pathlib import Path

import pytest

from reference_server.cli.metrics_token import VARIABLE
from unit.support.command import PYTHON, TIMEOUT_SECONDS, StartCommand, run
from unit.support.samples import make_record

FILE_LIMIT_BYTES = 300_000
LIMITED_PYTHON = [
    *PYTHON,
    "-c",
    "import os, resource, sys\n"
    f"resource.setrlimit(resource.RLIMIT_FSIZE, ({FILE_LIMIT_BYTES}, {FILE_LIMIT_BYTES}))\n"
    "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])",
]
"""A Python process with a file size limit: writing beyond it fails as on a full disk."""

OPTIONS = [
    "--host",
    "--port",
    "--prefix",
    "--config",
    "--database",
    "--lock-wait",
    "--max-body",
    "--body-timeout",
    "--max-waiting-records",
    "--max-waiting-bytes",
    "--allowed-host",
    "--max-age",
    "--max-size",
    "--metrics-token",
    "--metrics-token-file",
]


def count_stored(database: Path) -> int:
    with closing(sqlite3.connect(database)) as connection:
        [(count,)] = connection.execute("SELECT count(*) FROM records")
        return int(count)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_stops_the_server_with_status_0(
    start_command: StartCommand, configuration_file: Path, tmp_path: Path, number: int
) -> None:
    database = tmp_path / "records.db"
    command = start_command("--config", configuration_file, "--database", database, "--prefix", "/app")
    assert command.url.endswith("/app/")
    assert command.post(make_record()) == 200
    status, log = command.stop(number)
    assert status == 0
    assert "Traceback" not in log
    assert log.endswith("stopped\n")
    assert count_stored(database) == 1
    assert not database.with_name("records.db-wal").exists()


def test_sigkill_loses_no_acknowledged_record(
    start_command: StartCommand, configuration_file: Path, tmp_path: Path
) -> None:
    database = tmp_path / "records.db"
    command = start_command("--config", configuration_file, "--database", database)
    for number in range(20):
        assert command.post(make_record(number)) == 200
    status, _ = command.stop(signal.SIGKILL)
    assert status == -signal.SIGKILL
    assert count_stored(database) == 20


def test_full_disk_is_503_and_stores_only_whole_batches(
    start_command: StartCommand, configuration_file: Path, tmp_path: Path
) -> None:
    database = tmp_path / "records.db"
    command = start_command("--config", configuration_file, "--database", database, python=LIMITED_PYTHON)
    batch = [make_record(number, params={"padding": "x" * 1000}) for number in range(20)]
    statuses = [command.post(*batch) for _ in range(2 * FILE_LIMIT_BYTES // 20_000)]
    assert set(statuses) == {200, 503}
    assert command.get("health")["status"] == "ok"
    status, log = command.stop(signal.SIGTERM)
    assert status == 0
    assert "Traceback" not in log
    assert count_stored(database) == statuses.count(200) * len(batch)


def test_server_without_configuration_defers_every_batch(start_command: StartCommand) -> None:
    command = start_command()
    assert command.url.startswith("http://127.0.0.1:")
    assert command.post(make_record()) == 503


def test_missing_configuration_file_is_logged_at_the_start(
    start_command: StartCommand, tmp_path: Path
) -> None:
    _, log = start_command("--config", tmp_path / "missing.json").stop(signal.SIGTERM)
    assert re.search(r"missing\.json: no such file, and no configuration has been read yet", log)


def test_max_body_sets_the_limit(start_command: StartCommand, configuration_file: Path) -> None:
    command = start_command("--config", configuration_file, "--max-body", 100)
    assert command.post(make_record()) == 413


def test_help_lists_every_option() -> None:
    result = run("--help")
    assert result.returncode == 0
    for option in OPTIONS:
        assert re.search(rf"^  {option}\b", result.stdout, re.MULTILINE)
    for variable in ("MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK"):
        assert variable in result.stdout


def test_port_in_use_is_one_line_and_status_2() -> None:
    with socket.create_server(("127.0.0.1", 0)) as occupied:
        port = occupied.getsockname()[1]
        result = run("--port", port)
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert f"error: cannot listen on 127.0.0.1:{port}" in result.stderr


def test_unusable_database_is_one_line_and_status_2(tmp_path: Path) -> None:
    result = run("--database", tmp_path / "no" / "folder.db")
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert "folder.db: unable to open database file" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["--port", "http"],
        ["--port", "65536"],
        ["--port", "-1"],
        ["--prefix", "/{name}"],
        ["--max-body", "0"],
        ["--body-timeout", "nan"],
        ["--lock-wait", "inf"],
        ["--database", ""],
        ["--max-age", "90"],
        ["--max-age", "0d"],
        ["--max-age", "-1d"],
        ["--max-size", "big"],
        ["--max-size", "-1GB"],
        ["--max-size", "1KB"],
        ["--metrics-token", ""],
        ["--metrics-token", "two words"],
        ["--metrics-token-file", "missing-token"],
        ["--metrics-token", "a", "--metrics-token-file", "b"],
        ["--max-waiting-records", "0"],
        ["--allowed-host", "http://app.test"],
        ["serve", "extra"],
        ["--max", "5"],
        ["extra"],
        ["--host", "256.256.256.256"],
    ],
)
def test_invalid_arguments_print_an_error_without_traceback(arguments: list[str]) -> None:
    result = run(*arguments)
    assert result.returncode == 2
    assert "error: " in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("source", ["option", "file", "variable"])
def test_token_comes_from_an_option_a_file_or_a_variable(
    start_command: StartCommand, tmp_path: Path, source: str
) -> None:
    (tmp_path / "token").write_text("secret\n")
    python = ["env", f"{VARIABLE}={'secret' if source == 'variable' else 'other'}", *PYTHON]
    options: dict[str, list[object]] = {
        "option": ["--metrics-token", "secret"],
        "file": ["--metrics-token-file", tmp_path / "token"],
    }
    command = start_command(*options.get(source, []), python=python)
    for token, status in (("secret", 200), ("other", 401)):
        assert command.get_status("metrics", {"Authorization": f"Bearer {token}"}) == status
    assert "secret" not in command.stop(signal.SIGTERM)[1]


def test_serve_subcommand_runs_the_server(start_command: StartCommand) -> None:
    assert start_command("serve", "--port", 0).get("health")["status"] == "ok"


def test_other_hosts_are_refused_by_default(start_command: StartCommand) -> None:
    command = start_command()
    request = urllib.request.Request(command.url + "health", headers={"Host": "evil.test"})
    with pytest.raises(urllib.error.HTTPError, match="403") as refused:
        urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS)
    refused.value.close()
