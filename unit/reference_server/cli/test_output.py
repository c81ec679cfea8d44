"""The file that `export` and `dead-letters` write: never a store, complete or unchanged, and clear errors."""

import os
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from reference_server.storage.store_files import StoreFileError, require_no_store_file
from unit.support.command import (
    CHECKOUT,
    TIMEOUT_SECONDS,
    Command,
    StartCommand,
    build_command_line,
    limit_files,
    run,
    start,
)
from unit.support.samples import make_record
from unit.support.stores import damage, fill, insert_padded, query, wait_until

SUFFIXES = ("", "-wal", "-shm", "-journal")
COMMANDS = (["export", "--format", "jsonl"], ["dead-letters"])
ALIASES = ["itself", "relative", "dots", "symbolic link", "chain", "hard link", "folder link"]
LARGE_ROWS = 30_000


@pytest.fixture
def command(start_command: StartCommand, configuration_file: Path, tmp_path: Path) -> Iterator[Command]:
    """Return a running server, whose last record is only in the write-ahead log."""
    command = start_command("--config", configuration_file, "--database", tmp_path / "records.db")
    assert command.post(make_record(1), {"event_name": "rejected"}) == 200
    yield command
    assert command.post(make_record(2)) == 200
    status, log = command.stop(signal.SIGTERM)
    assert (status, "Traceback" in log) == (0, False)
    assert query(tmp_path / "records.db", "SELECT count(*) FROM records") == [(2,)]
    assert query(tmp_path / "records.db", "PRAGMA integrity_check") == [("ok",)]


@pytest.fixture(scope="module")
def large_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    database = fill(tmp_path_factory.mktemp("large") / "records.db")
    insert_padded(database, LARGE_ROWS)
    return database


@pytest.mark.parametrize("alias", ALIASES)
def test_export_never_writes_onto_its_store(command: Command, tmp_path: Path, alias: str) -> None:
    output = make_alias(alias, tmp_path / "records.db", tmp_path)
    before = read_files(tmp_path)
    result = run("export", "--database", tmp_path / "records.db", "--format", "jsonl", "--output", output)
    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert "is a file of the database" in result.stderr
    assert read_files(tmp_path) == before


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("alias", ALIASES)
def test_every_file_of_a_store_is_protected_by_every_name(tmp_path: Path, alias: str, suffix: str) -> None:
    database = fill(tmp_path / "records.db")
    file = tmp_path / f"records.db{suffix}"
    if alias == "hard link":
        file.touch()
    output = make_alias(alias, file, tmp_path)
    with pytest.raises(StoreFileError, match="is a file of the database"):
        require_no_store_file(output, database)


def make_alias(name: str, file: Path, folder: Path) -> str:
    alias = folder / f"alias{len(name)}"
    if name == "relative":
        return os.path.relpath(file, CHECKOUT)
    if name == "dots":
        return f"{folder}/../{folder.name}/./{file.name}"
    if name == "symbolic link":
        alias.symlink_to(file)
    elif name == "chain":
        (folder / "first").symlink_to(file.name)
        alias.symlink_to(folder / "first")
    elif name == "hard link":
        alias.hardlink_to(file)
    elif name == "folder link":
        alias.symlink_to(folder)
        return str(alias / file.name)
    else:
        return str(file)
    return str(alias)


def read_files(folder: Path) -> dict[str, bytes]:
    """Return the content of a store's files, but not of its index, which every reader changes."""
    return {
        path.name: path.read_bytes() for path in folder.iterdir() if path.is_file() and "shm" not in path.name
    }


@pytest.mark.parametrize("arguments", COMMANDS)
def test_database_opened_through_a_link_is_protected_too(
    command: Command, tmp_path: Path, arguments: list[str]
) -> None:
    (tmp_path / "link.db").symlink_to(tmp_path / "records.db")
    for output in ("records.db", "records.db-wal", "link.db"):
        result = run(*arguments, "--database", tmp_path / "link.db", "--output", tmp_path / output)
        assert result.returncode == 2
        assert "is a file of the database" in result.stderr


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_file_of_another_store_is_protected(tmp_path: Path, suffix: str) -> None:
    other = fill(tmp_path / "other.db", make_record(7))
    with pytest.raises(StoreFileError, match="is a file of an SQLite database"):
        require_no_store_file(f"{other}{suffix}", tmp_path / "records.db")


def test_export_never_writes_onto_another_servers_store(
    command: Command, start_command: StartCommand, configuration_file: Path, tmp_path: Path
) -> None:
    other = start_command("--config", configuration_file, "--database", tmp_path / "other.db")
    assert other.post(make_record(7)) == 200
    for suffix in ("", "-wal", "-shm"):
        output = f"{tmp_path}/other.db{suffix}"
        result = run("export", "--database", tmp_path / "records.db", "--format", "csv", "--output", output)
        assert result.returncode == 2
        assert "is a file of an SQLite database" in result.stderr
    other.stop(signal.SIGTERM)
    assert query(tmp_path / "other.db", "SELECT count(*) FROM records") == [(1,)]


def test_export_never_appends_to_its_store(command: Command, tmp_path: Path) -> None:
    database = tmp_path / "records.db"
    size = database.stat().st_size
    with database.open("ab") as opened:
        process = subprocess.run(
            build_command_line("export", "--database", database, "--format", "jsonl"),
            cwd=CHECKOUT,
            env={},
            stdout=opened,
            stderr=subprocess.PIPE,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    assert process.returncode == 2
    assert b"is a file of the database" in process.stderr
    assert database.stat().st_size == size


def test_new_file_is_private_and_an_old_one_keeps_its_mode(command: Command, tmp_path: Path) -> None:
    old, new, link = tmp_path / "old.jsonl", tmp_path / "new.jsonl", tmp_path / "link.jsonl"
    old.write_text("old\n" * 1_000)
    old.chmod(0o644)
    link.symlink_to(old.name)
    for output in (new, link):
        result = run("export", "--database", tmp_path / "records.db", "--format", "jsonl", "--output", output)
        assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert new.stat().st_mode & 0o777 == 0o600
    assert old.stat().st_mode & 0o777 == 0o644
    assert link.is_symlink()
    assert old.read_bytes() == new.read_bytes()
    assert old.read_bytes().count(b"\n") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_export_leaves_the_old_file(large_database: Path, tmp_path: Path, number: int) -> None:
    output = tmp_path / "out.jsonl"
    output.write_text("old")
    process = start("export", "--database", large_database, "--format", "jsonl", "--output", output)
    wait_until(lambda: len(list(tmp_path.iterdir())) > 1, "the temporary file exists")
    process.send_signal(number)
    assert process.communicate() == ("", "python -m reference_server: interrupted\n")
    assert process.returncode == 130
    assert [path.name for path in tmp_path.iterdir()] == ["out.jsonl"]
    assert output.read_text() == "old"


def test_damaged_store_leaves_the_old_file(large_database: Path, tmp_path: Path) -> None:
    database, output = tmp_path / "records.db", tmp_path / "out.jsonl"
    database.write_bytes(large_database.read_bytes())
    damage(database)
    output.write_text("old")
    result = run("export", "--database", database, "--format", "jsonl", "--output", output)
    assert (result.returncode, result.stderr.count("\n")) == (2, 1)
    assert "malformed" in result.stderr
    assert output.read_text() == "old"
    assert sorted(
        path.name for path in tmp_path.iterdir() if "shm" not in path.name and "wal" not in path.name
    ) == [
        "out.jsonl",
        "records.db",
    ]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is a device of Linux")
@pytest.mark.parametrize("arguments", COMMANDS)
@pytest.mark.parametrize("option", [[], ["--output", "/dev/full"]])
def test_full_disk_is_one_line_and_status_2(
    command: Command, tmp_path: Path, arguments: list[str], option: list[str]
) -> None:
    with open("/dev/full", "wb") as full:
        process = subprocess.run(
            build_command_line(*arguments, "--database", tmp_path / "records.db", *option),
            cwd=CHECKOUT,
            env={},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    assert process.returncode == 2
    assert process.stderr.count("\n") == 1
    assert "No space left on device" in process.stderr


def test_file_beyond_the_limit_leaves_the_old_file(large_database: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    output.write_text("old")
    limited = limit_files(1_000_000)
    process = subprocess.run(
        build_command_line(
            "export", "--database", large_database, "--format", "jsonl", "--output", output, python=limited
        ),
        cwd=CHECKOUT,
        env={},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    assert (process.returncode, process.stderr.count("\n")) == (2, 1)
    assert f"cannot write {output}: File too large" in process.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["out.jsonl"]
    assert output.read_text() == "old"


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ("no/such/folder/out.jsonl", "No such file or directory"),
        (".", "it is a directory"),
        ("", "the name of the file is empty"),
        ("x" * 300, "File name too long"),
    ],
)
def test_file_that_cannot_be_written_is_status_2(
    command: Command, tmp_path: Path, output: str, reason: str
) -> None:
    target = tmp_path / output if output else ""
    result = run("export", "--database", tmp_path / "records.db", "--format", "jsonl", "--output", target)
    assert result.returncode == 2
    assert reason in result.stderr
    assert "Traceback" not in result.stderr


def test_export_writes_to_a_pipe(command: Command, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    process = subprocess.Popen(
        build_command_line(
            "export", "--database", tmp_path / "records.db", "--format", "jsonl", "--output", pipe
        ),
        cwd=CHECKOUT,
        env={},
    )
    with process, pipe.open("rb") as reader:
        assert reader.read().count(b"\n") == 1
    assert process.returncode == 0
    assert pipe.is_fifo()


def test_header_of_sqlite_alone_protects_a_file(command: Command, tmp_path: Path) -> None:
    foreign = tmp_path / "history.sqlite"
    with closing(sqlite3.connect(foreign)) as connection, connection:
        connection.execute("CREATE TABLE bookmarks (url TEXT)")
    result = run("dead-letters", "--database", tmp_path / "records.db", "--output", foreign)
    assert result.returncode == 2
    assert query(foreign, "SELECT count(*) FROM bookmarks") == [(0,)]
