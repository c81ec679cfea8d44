"""The command `check`: what is wrong with a database, and the exit status that says so."""

import signal
from pathlib import Path

import pytest

from reference_server.storage.schema import SCHEMA_VERSION
from unit.support.command import StartCommand, run
from unit.support.samples import make_record
from unit.support.stores import VERSION_2, damage, execute, fill, insert_padded, query

COMMANDS = ["check", "backup", "prune", "dead-letters", "stats", "export", "serve"]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    members = [make_record(n, tab_id="a-tab", seq=n) for n in (0, 1, 2, 5)]
    fill(tmp_path / "records.db", *members, make_record(9))
    execute(tmp_path / "records.db", "DELETE FROM records WHERE seq = 1")
    return tmp_path / "records.db"


def test_sound_store_has_status_0(
    database: Path, start_command: StartCommand, configuration_file: Path
) -> None:
    assert run("check", "--database", database).stdout == f"{database}: sound\n"
    command = start_command("--config", configuration_file, "--database", database)
    assert (
        command.post(make_record(1, tab_id="a-tab", seq=1), make_record(3, tab_id="a-tab", seq=3), {}) == 200
    )
    result = run("check", "--database", database)
    assert (result.returncode, result.stdout, result.stderr) == (0, f"{database}: sound\n", "")
    assert command.stop(signal.SIGTERM)[0] == 0


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("UPDATE totals SET missing = missing + 1", "the counter missing is 3, counted again 2"),
        ("UPDATE totals SET events = 0", "the counter events is 0, counted again 4"),
        ("DELETE FROM totals", "the counters are missing"),
        ("DROP TRIGGER records_inserted", "the trigger records_inserted is missing"),
        ("DROP INDEX records_identity", "the index records_identity is missing"),
        (
            "DROP INDEX records_identity; CREATE INDEX records_identity ON records (tab_id)",
            "the index records_identity differs",
        ),
        ("DROP TABLE dead_letters", "the table dead_letters is missing"),
        ("UPDATE records SET params = '{' WHERE id = 1", "1 records whose params are not JSON"),
        ("UPDATE records SET seq = NULL WHERE id = 1", "1 records with half of an identity"),
        (
            "UPDATE deleted_identities SET last_seq = 2",
            "1 records with an identity that a deleted record had",
        ),
        (
            "INSERT INTO deleted_identities VALUES ('a-tab', 0, 1, 0)",
            "1 overlapping ranges of deleted identities",
        ),
        (
            "UPDATE session_records SET stored = 9",
            "1 sessions whose counters are not the number of their records",
        ),
        ("UPDATE tabs SET stored = 1", "1 tabs whose counters are below the number of their records"),
    ],
)
def test_wrong_content_is_named_and_has_status_1(database: Path, script: str, problem: str) -> None:
    execute(database, script)
    result = run("check", "--database", database)
    assert result.returncode == 1
    assert f"{database}: {problem}\n" in result.stdout
    assert result.stderr == ""


def test_damaged_pages_are_named_and_have_status_1(database: Path) -> None:
    insert_padded(database, 500)
    damage(database)
    result = run("check", "--database", database)
    assert result.returncode == 1
    assert str(database) in result.stdout
    assert "Traceback" not in result.stderr


def test_earlier_version_is_sound_until_a_server_migrates_it(tmp_path: Path) -> None:
    execute(tmp_path / "old.db", VERSION_2)
    result = run("check", "--database", tmp_path / "old.db")
    assert result.returncode == 0
    assert "schema version 2: a server migrates it" in result.stdout
    assert query(tmp_path / "old.db", "PRAGMA user_version") == [(2,)]


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (None, "unable to open database file"),
        ("CREATE TABLE other (a)", "not a store of this server"),
        ("CREATE TABLE records (a); PRAGMA user_version = 1", "not a store of this server"),
        ("CREATE TABLE records (a); PRAGMA user_version = 99", "not a store of this server"),
        (f"PRAGMA user_version = {SCHEMA_VERSION + 1}", f"is newer than {SCHEMA_VERSION}"),
    ],
)
@pytest.mark.parametrize(
    "command_name", ["check", "backup", "prune", "dead-letters", "stats", "export", "serve"]
)
def test_store_that_cannot_be_used_is_one_line_and_status_2(
    tmp_path: Path, command_name: str, script: str | None, reason: str
) -> None:
    database = tmp_path / "records.db"
    if script is not None:
        if "newer" in reason:
            fill(database, make_record())
        execute(database, script)
    elif command_name == "serve":
        database = tmp_path / "no" / "folder.db"
    before = database.read_bytes() if database.exists() else None
    options: dict[str, list[object]] = {
        "backup": ["--output", tmp_path / "backup.db"],
        "prune": ["--older-than", "1d"],
        "export": ["--format", "csv"],
    }
    result = run(command_name, "--database", database, *options.get(command_name, []))
    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert reason in result.stderr
    assert (database.read_bytes() if database.exists() else None) == before
