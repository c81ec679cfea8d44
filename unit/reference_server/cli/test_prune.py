"""The command `prune`: complete deletion, beside a running server, and without effects on other events."""

import signal
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest

from unit.support.command import Command, StartCommand, run, start
from unit.support.load import Load
from unit.support.samples import make_record
from unit.support.stores import connect, execute, fill, hold_snapshot, insert_padded, query, wait_until

INSTALLATION = "0b6ad1c7-4a3c-4f0e-9d8e-0123456789ab"
OTHER = "11111111-2222-4333-8444-555555555555"
SECRET = "secret.component"
DAY_SECONDS = 86_400
COUNT = "SELECT count(*) FROM records"


def make_erased(number: int, **changes: object) -> dict[str, object]:
    fields = {"installation_id": INSTALLATION, "params": {"componentId": SECRET}, **changes}
    return make_record(number, **fields)


def prune(database: Path, *options: object) -> "subprocess.CompletedProcess[str]":
    return run("prune", "--database", database, *options)


def read_bytes(folder: Path) -> bytes:
    """Return the content of all files, in lower case."""
    return b"".join(path.read_bytes() for path in folder.iterdir() if path.suffix != ".json").lower()


@pytest.fixture
def command(start_command: StartCommand, configuration_file: Path, tmp_path: Path) -> Command:
    return start_command("--config", configuration_file, "--database", tmp_path / "records.db")


def test_installation_is_erased_from_all_files_while_the_server_runs(
    command: Command, tmp_path: Path
) -> None:
    database = tmp_path / "records.db"
    erased = [make_erased(n, tab_id="erased-tab", seq=n) for n in (0, 1, 3)]
    kept = [make_record(n, tab_id="kept-tab", seq=n, installation_id=OTHER) for n in range(3)]
    for number in range(0, 300, 3):  # pages that hold records of both
        assert command.post(make_erased(number), make_record(number, installation_id=OTHER)) == 200
    assert command.post(*erased, *kept, make_erased(9, installation_id=INSTALLATION.upper())) == 200
    assert command.post(make_erased(5, event_name=5), make_record(5, event_name=5)) == 200  # dead letters
    assert command.post_raw(f'{{"records": [{{"installation_id": "{INSTALLATION}", '.encode()) == 400
    escaped = INSTALLATION.replace("a", "\\u0061")
    assert command.post_raw(f'{{"events": ["{escaped}"]}}'.encode()) == 422
    assert INSTALLATION.encode() in read_bytes(tmp_path)

    result = prune(database, "--installation", INSTALLATION)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == "deleted 104 records and 3 dead letters\n"
    content = read_bytes(tmp_path)
    assert INSTALLATION.encode() not in content
    assert SECRET.encode() not in content
    assert query(database, COUNT) == [(103,)]
    assert query(database, "SELECT count(*) FROM dead_letters") == [(1,)]

    assert command.get_metric("telemetry_events_missing") == 1  # only number 2, as before
    assert command.get_metric("telemetry_records_deleted_total") == 104
    assert command.post(*erased, *kept, make_erased(2, tab_id="erased-tab", seq=2)) == 200
    assert query(database, COUNT) == [(104,)]  # the one that had never arrived
    assert command.get_metric("telemetry_events_missing") == 0
    assert command.get_metric("telemetry_records_duplicate_total") == 6
    assert command.stop(signal.SIGTERM)[0] == 0
    assert run("check", "--database", database).returncode == 0


def test_no_batch_is_refused_or_lost_while_records_are_deleted(
    start_command: StartCommand, configuration_file: Path, tmp_path: Path
) -> None:
    database = fill(tmp_path / "records.db")
    insert_padded(database, 20_000, padding=100)
    execute(database, "UPDATE records SET received_at = 0")
    command = start_command("--config", configuration_file, "--database", database)
    with Load(command) as load:
        wait_until(lambda: load.accepted, "records are accepted")
        result = prune(database, "--older-than", "1d")
    assert result.stdout == "deleted 20,000 records and 0 dead letters\n"
    assert set(load.statuses) == {200}
    assert command.stop(signal.SIGTERM)[0] == 0
    assert query(database, COUNT) == [(load.accepted,)]
    assert query(database, "SELECT missing FROM totals") == [(0,)]
    assert query(database, "SELECT first_seq, last_seq FROM deleted_identities") == [(0, 19_999)]


def test_age_counts_from_the_arrival(tmp_path: Path) -> None:
    database = fill(
        tmp_path / "records.db",
        make_record(0, timestamp_ns=0),  # a client whose clock is wrong
        make_record(1, timestamp_ns=2**63 - 1),
    )
    letter = "INSERT INTO dead_letters (rejected_at, reason, content, content_bytes) VALUES ({}, '', '', 0);"
    now = int(time.time())
    execute(database, letter.format(now - 3 * DAY_SECONDS) + letter.format(now))
    assert prune(database, "--older-than", "2d").stdout == "deleted 0 records and 1 dead letters\n"
    execute(database, f"UPDATE records SET received_at = {now - 2 * DAY_SECONDS - 60} WHERE id = 2")
    assert prune(database, "--older-than", "2d").stdout == "deleted 1 records and 0 dead letters\n"
    assert query(database, "SELECT id FROM records") == [(1,)]


def test_identities_are_forgotten_after_the_horizon(tmp_path: Path) -> None:
    members = [make_record(n, tab_id=f"tab-{n % 3}", seq=2 * n) for n in range(30)]
    database = fill(tmp_path / "records.db", *members)
    before = query(database, "SELECT tabs, tabs_with_gaps, missing FROM totals")
    execute(database, "DELETE FROM records WHERE tab_id <> 'tab-2'")
    for age, ranges in ((89 * DAY_SECONDS, 20), (91 * DAY_SECONDS, 0)):
        execute(database, f"UPDATE deleted_identities SET deleted_at = {int(time.time()) - age}")
        assert prune(database, "--older-than", "1d").returncode == 0
        assert query(database, "SELECT count(*) FROM deleted_identities") == [(ranges,)]
    assert query(database, "SELECT tab_id FROM tabs") == [("tab-2",)]
    assert query(database, "SELECT tabs, tabs_with_gaps, missing FROM totals") == before
    assert run("check", "--database", database).returncode == 0


def test_reader_that_keeps_the_log_is_status_1(command: Command, tmp_path: Path) -> None:
    database = tmp_path / "records.db"
    assert command.post(make_erased(1)) == 200
    with hold_snapshot(database):
        result = prune(database, "--installation", INSTALLATION)
        assert result.returncode == 1
        assert result.stdout == "deleted 1 records and 0 dead letters\n"
        assert "run prune again" in result.stderr
    assert prune(database, "--installation", INSTALLATION).returncode == 0
    assert INSTALLATION.encode() not in read_bytes(tmp_path)


def test_id_in_other_records_is_reported(tmp_path: Path) -> None:
    database = fill(tmp_path / "records.db", make_erased(1), make_record(2, params={"mention": INSTALLATION}))
    result = prune(database, "--installation", INSTALLATION)
    assert result.returncode == 1
    assert "still occurs in the content of other records" in result.stderr
    assert query(database, COUNT) == [(1,)]


def test_id_that_is_no_uuid_may_be_part_of_other_texts(tmp_path: Path) -> None:
    database = fill(tmp_path / "records.db", make_record(1, installation_id="e"), make_record(2))
    result = prune(database, "--installation", "e")
    assert (result.returncode, result.stdout) == (0, "deleted 1 records and 0 dead letters\n")
    assert query(database, COUNT) == [(1,)]


def test_rewrite_makes_the_file_smaller(tmp_path: Path) -> None:
    database = fill(tmp_path / "records.db")
    insert_padded(database, 5_000)
    execute(database, "UPDATE records SET received_at = 0 WHERE id > 10")
    before = database.stat().st_size
    assert prune(database, "--older-than", "1d", "--rewrite").returncode == 0
    assert database.stat().st_size < before / 10
    assert run("check", "--database", database).returncode == 0


def test_locked_store_is_one_line_and_deletes_nothing(tmp_path: Path) -> None:
    database = fill(tmp_path / "records.db", make_erased(1))
    with closing(connect(database)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        result = prune(database, "--installation", INSTALLATION)
    assert (result.returncode, result.stderr.count("\n")) == (2, 1)
    assert "database is locked" in result.stderr
    assert query(database, COUNT) == [(1,)]


def test_interrupted_prune_keeps_the_store_sound(tmp_path: Path) -> None:
    database = fill(tmp_path / "records.db")
    insert_padded(database, 50_000, padding=50)
    execute(database, "UPDATE records SET received_at = 0")
    process = start("prune", "--database", database, "--older-than", "1d")
    with closing(sqlite3.connect(database)) as reader:
        wait_until(lambda: reader.execute("SELECT deleted FROM totals").fetchone()[0], "records are deleted")
    process.send_signal(signal.SIGINT)
    output, error = process.communicate()
    assert process.returncode == 130
    assert error == "python -m reference_server: interrupted\n"
    [(deleted,)] = query(database, "SELECT deleted FROM totals")
    assert output == f"deleted {deleted:,} records and 0 dead letters\n"
    assert run("check", "--database", database).returncode == 0
    assert prune(database, "--older-than", "1d").returncode == 0
    assert query(database, COUNT) == [(0,)]


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--older-than", "90"],
        ["--older-than", "-1d"],
        ["--older-than", "0d"],
        ["--older-than", "1.5d"],
        ["--older-than", "\uff19d"],
        ["--older-than", "9999999999d"],
        ["--older-than", ""],
        ["--installation", ""],
        ["--installation", " "],
        ["--installation", "\udcff"],
        ["--older-than", "1d", "--installation", INSTALLATION],
        ["--older-than", "1d", "extra"],
        ["--older", "1d"],
    ],
)
def test_bad_arguments_delete_nothing(tmp_path: Path, arguments: list[str]) -> None:
    database = fill(tmp_path / "records.db", make_erased(1))
    execute(database, "UPDATE records SET received_at = 0")
    result = prune(database, *arguments)
    assert result.returncode == 2
    assert "error: " in result.stderr
    assert "Traceback" not in result.stderr
    assert query(database, COUNT) == [(1,)]
