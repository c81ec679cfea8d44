"""The version of a store: earlier ones are migrated in place, later and foreign ones are left alone.

test_store.py covers the migration from version 1, and a migration that fails.
"""

import signal
import time
from contextlib import closing
from pathlib import Path

import pytest

from reference_server import SqliteStore, StoreUnavailableError
from reference_server.storage.check import find_problems
from reference_server.storage.schema import SCHEMA_VERSION, migrate
from reference_server.storage.stats import read_totals
from unit.support.command import Command, StartCommand, run
from unit.support.samples import make_record
from unit.support.stores import VERSION_2, connect, count_steps, execute, fill, insert_padded, query


def test_migration_counts_what_the_store_holds(tmp_path: Path) -> None:
    execute(tmp_path / "records.db", VERSION_2)
    with closing(connect(tmp_path / "records.db")) as connection:
        migrate(connection, "records.db")
        totals = read_totals(connection)
    assert (totals.events, totals.identified, totals.accepted) == (4, 3, 4)
    assert (totals.tabs, totals.tabs_with_gaps, totals.implausible_tabs) == (2, 2, 1)
    assert (totals.missing, totals.dropped, totals.filtered) == (3, 2, 1)


def test_migrated_reports_count_as_received_at_the_migration(tmp_path: Path) -> None:
    execute(tmp_path / "records.db", VERSION_2)
    before = int(time.time())
    with closing(connect(tmp_path / "records.db")) as connection:
        migrate(connection, "records.db")
        [(reported_at,)] = connection.execute("SELECT reported_at FROM sessions")
        assert before <= reported_at <= time.time()
        assert list(find_problems(connection)) == []


async def test_check_of_an_earlier_server_does_not_change_the_version(tmp_path: Path) -> None:
    """It had the database open while a later server migrated it."""
    store = SqliteStore(tmp_path / "records.db")
    await store.open()
    execute(tmp_path / "records.db", f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    await store.check_writable()
    await store.close()
    assert query(tmp_path / "records.db", "PRAGMA user_version") == [(SCHEMA_VERSION + 1,)]


def test_migrated_store_is_sound_and_goes_on(
    start_command: StartCommand, configuration_file: Path, tmp_path: Path
) -> None:
    database = tmp_path / "records.db"
    execute(database, VERSION_2)
    before = query(database, "SELECT * FROM records")
    # The records arrived at the migration, whatever their own time says: nothing is older than 30 days.
    command = start_command("--config", configuration_file, "--database", database, "--max-age", "30d")
    members = [make_record(n, tab_id="a-tab", seq=n, installation_id="an-installation") for n in (1, 2, 3)]
    assert command.post(*members) == 200
    assert command.get_metric("telemetry_events_missing") == 0
    assert command.stop(signal.SIGTERM)[0] == 0
    columns = "id, installation_id, event_name, timestamp_ns, session_id, params, tab_id, seq"
    assert query(database, f"SELECT {columns} FROM records WHERE id <= 4") == before
    assert query(database, "PRAGMA user_version") == [(SCHEMA_VERSION,)]
    assert run("check", "--database", database).returncode == 0


def test_two_servers_migrate_one_store(configuration_file: Path, tmp_path: Path) -> None:
    database = tmp_path / "records.db"
    execute(database, VERSION_2.replace("journal_mode = WAL", "journal_mode = DELETE"))
    commands: list[Command] = []
    try:
        for _ in range(2):
            commands.append(Command("--config", configuration_file, "--database", database))
        assert [command.post(make_record(number)) for number, command in enumerate(commands)] == [200, 200]
        assert {command.get_metric("telemetry_records_stored") for command in commands} == {6}
    finally:
        for command in commands:
            command.kill()
    assert run("check", "--database", database).returncode == 0


def test_later_version_is_left_alone(tmp_path: Path) -> None:
    database = fill(tmp_path / "records.db", make_record())
    execute(database, f"PRAGMA user_version = {SCHEMA_VERSION + 1}; CREATE TABLE later (a)")
    before = database.read_bytes()
    with closing(connect(database)) as connection:
        with pytest.raises(StoreUnavailableError, match=f"version {SCHEMA_VERSION + 1} is newer than"):
            migrate(connection, "records.db")
    assert database.read_bytes() == before


def test_reading_the_counters_costs_the_same_for_any_number_of_records(tmp_path: Path) -> None:
    database = fill(tmp_path / "records.db")
    with closing(connect(database)) as connection:
        read_totals(connection)  # SQLite reads the schema once
        before = count_steps(connection, lambda: read_totals(connection))
        insert_padded(database, 20_000, padding=1)
        assert read_totals(connection).events == 20_000
        assert 0 < count_steps(connection, lambda: read_totals(connection)) == before
