"""The command `backup`: a consistent, verified copy beside a running server, and how it is restored."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from unit.support.command import CHECKOUT, StartCommand, build_command_line, limit_files, run, start
from unit.support.load import Load
from unit.support.samples import make_record
from unit.support.stores import VERSION_2, damage, execute, fill, insert_padded, query, wait_until

COUNT = "SELECT count(*) FROM records"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return fill(tmp_path / "records.db", *(make_record(n, tab_id="a-tab", seq=n) for n in range(3)))


def back_up(database: Path, output: object, *options: str) -> "subprocess.CompletedProcess[str]":
    return run("backup", "--database", database, "--output", output, *options)


def test_backup_under_load_is_consistent_and_can_be_served(
    start_command: StartCommand, configuration_file: Path, tmp_path: Path
) -> None:
    database, backup, restored = (tmp_path / name for name in ("records.db", "backup.db", "restored.db"))
    fill(database)
    insert_padded(database, 20_000)
    command = start_command("--config", configuration_file, "--database", database)
    with Load(command) as load:
        wait_until(lambda: load.accepted > 50, "records are accepted")
        before = load.accepted
        result = back_up(database, backup)
        after = load.accepted
    assert (result.returncode, result.stderr) == (0, "")
    assert set(load.statuses) == {200}
    assert [path.name for path in tmp_path.glob("backup*")] == ["backup.db"]
    assert backup.stat().st_mode & 0o777 == 0o600
    [(copied, highest)] = query(backup, "SELECT count(*), max(seq) FROM records WHERE tab_id = 'load'")
    assert isinstance(copied, int)
    assert highest == copied - 1  # no gap: the records of one moment
    assert before <= copied <= after
    assert run("check", "--database", backup).returncode == 0

    # Restore as `backup --help` says, and go on where the backup was taken.
    assert back_up(backup, restored).returncode == 0
    server = start_command("--config", configuration_file, "--database", restored)
    repeated = [make_record(n, tab_id="load", seq=n) for n in range(copied - 5, copied + 5)]
    assert server.post(*repeated) == 200
    assert server.stop(signal.SIGTERM)[0] == 0
    assert query(restored, "SELECT count(*), max(seq) FROM records WHERE tab_id = 'load'") == [
        (copied + 5, copied + 4)
    ]


def test_backup_refuses_an_existing_file_without_force(database: Path, tmp_path: Path) -> None:
    output, link = tmp_path / "backup.db", tmp_path / "link.db"
    output.write_text("old")
    link.symlink_to("missing.db")
    for target in (output, link, tmp_path):
        result = back_up(database, target)
        assert (result.returncode, result.stderr.count("\n")) == (2, 1)
        assert "exists; --force replaces it" in result.stderr
    assert output.read_text() == "old"
    assert back_up(database, output, "--force").returncode == 0
    assert query(output, COUNT) == [(3,)]


@pytest.mark.parametrize("name", ["records.db", "link.db", "hard.db", "records.db-wal", "records.db-shm"])
def test_backup_never_replaces_its_own_store(database: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "link.db").symlink_to(database)
    (tmp_path / "hard.db").hardlink_to(database)
    result = back_up(database, tmp_path / name, "--force")
    assert result.returncode == 2
    assert "is a file of the database" in result.stderr
    assert query(database, COUNT) == [(3,)]


def test_backup_never_replaces_a_store_in_use(
    database: Path, start_command: StartCommand, configuration_file: Path, tmp_path: Path
) -> None:
    command = start_command("--config", configuration_file, "--database", tmp_path / "other.db")
    assert command.post(make_record()) == 200
    result = back_up(database, tmp_path / "other.db", "--force")
    assert result.returncode == 2
    assert "other.db-wal exists: a server uses" in result.stderr
    assert command.post(make_record()) == 200
    command.stop(signal.SIGTERM)
    assert query(tmp_path / "other.db", COUNT) == [(2,)]


def test_damaged_store_gives_no_backup(database: Path, tmp_path: Path) -> None:
    insert_padded(database, 500)
    damage(database)
    output = tmp_path / "backup.db"
    output.write_text("old")
    result = back_up(database, output, "--force")
    assert (result.returncode, result.stderr.count("\n")) == (2, 1)
    assert "damaged" in result.stderr or "malformed" in result.stderr
    assert output.read_text() == "old"
    assert not list(tmp_path.glob(".*"))


def test_store_with_wrong_counters_is_backed_up_as_it_is(database: Path, tmp_path: Path) -> None:
    execute(database, "UPDATE totals SET missing = 5")
    assert back_up(database, tmp_path / "backup.db").returncode == 0
    assert query(tmp_path / "backup.db", "SELECT missing FROM totals") == [(5,)]


@pytest.mark.parametrize("name", ["a?b#c%41 'd\".db", "\udcff.db", "-.db", "\U0001f600\n.db"])
def test_names_of_files_may_hold_any_character(database: Path, tmp_path: Path, name: str) -> None:
    for arguments in (
        ["backup", "--database", database, "--output", tmp_path / name],
        ["check", "--database", tmp_path / name],
        [
            "export",
            "--format",
            "jsonl",
            "--database",
            tmp_path / name,
            "--output",
            tmp_path / f"{name}.jsonl",
        ],
        ["prune", "--older-than", "1d", "--database", tmp_path / name],
    ):
        result = run(*arguments)
        assert (result.returncode, result.stderr) == (0, "")
    assert (tmp_path / f"{name}.jsonl").read_bytes().count(b"\n") == 3


def test_earlier_version_is_backed_up_as_it_is(tmp_path: Path) -> None:
    execute(tmp_path / "old.db", VERSION_2)
    assert back_up(tmp_path / "old.db", tmp_path / "backup.db").returncode == 0
    assert query(tmp_path / "backup.db", "PRAGMA user_version") == [(2,)]
    assert query(tmp_path / "backup.db", COUNT) == [(4,)]


def test_interrupted_backup_leaves_nothing(database: Path, tmp_path: Path) -> None:
    insert_padded(database, 30_000)
    folder = tmp_path / "backups"
    folder.mkdir()
    process = start("backup", "--database", database, "--output", folder / "backup.db")
    wait_until(lambda: os.listdir(folder), "the temporary file exists")
    process.send_signal(signal.SIGINT)
    assert process.communicate() == ("", "python -m reference_server: interrupted\n")
    assert process.returncode == 130
    assert os.listdir(folder) == []


def test_full_disk_gives_no_backup(database: Path, tmp_path: Path) -> None:
    insert_padded(database, 2_000)
    output = tmp_path / "backup.db"
    output.write_text("old")
    arguments = ["backup", "--database", database, "--output", output, "--force"]
    process = subprocess.run(
        build_command_line(*arguments, python=limit_files(1_000_000)),
        cwd=CHECKOUT,
        env={},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (process.returncode, process.stderr.count("\n")) == (2, 1)
    assert f"cannot copy {database} to {output}: " in process.stderr
    assert output.read_text() == "old"
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(
    ("content", "output", "reason"),
    [
        (None, "backup.db", "unable to open database file"),
        (b"x" * 5_000, "backup.db", "not a database"),
        (b"", "backup.db", "it is empty"),
        (..., "no/folder/backup.db", "No such file or directory"),
    ],
)
def test_bad_files_are_one_line_and_status_2(
    database: Path, tmp_path: Path, content: object, output: str, reason: str
) -> None:
    if content is None:
        database.unlink()
    elif isinstance(content, bytes):
        database.write_bytes(content)
    result = back_up(database, tmp_path / output)
    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert reason in result.stderr
    assert not (tmp_path / output).exists()
