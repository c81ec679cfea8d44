"""Retention by age and size, step by step and as a running server does it."""

import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from reference_server.model.batch import SessionReport
from reference_server.storage.check import find_problems
from reference_server.storage.dead_letters import DeadLetter, insert_letters
from reference_server.storage.maintenance import get_pause_seconds
from reference_server.storage.retention import (
    IDENTITY_DAYS,
    MIN_MAX_BYTES,
    REPORT_DAYS,
    Retention,
    has_work,
    read_used_bytes,
    run_step,
)
from reference_server.storage.row_mapping import INSERT_REPORT, encode_report_row
from reference_server.storage.schema import migrate
from unit.support.command import StartCommand, run
from unit.support.load import Load
from unit.support.samples import make_record
from unit.support.stores import connect, execute, fill, insert_padded, query, wait_until

DAY_SECONDS = 86_400
COUNT = "SELECT count(*) FROM records"


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(connect(fill(tmp_path / "records.db"))) as connection:
        migrate(connection, "records.db")
        yield connection


def run_to_the_end(connection: sqlite3.Connection, retention: Retention, now: float) -> int:
    """Run steps while there is more to delete, and return how many."""
    steps = 1
    while run_step(connection, retention, now):
        steps += 1
    return steps


def test_age_deletes_what_arrived_earlier(connection: sqlite3.Connection, tmp_path: Path) -> None:
    insert_padded(tmp_path / "records.db", 2_000, padding=10)
    connection.execute("UPDATE records SET received_at = id * 10")
    run_to_the_end(connection, Retention(max_age_seconds=5_000), now=20_005)
    assert connection.execute("SELECT count(*), min(received_at) FROM records").fetchone() == (500, 15_010)


def test_size_deletes_the_oldest_and_shrinks_the_file(
    start_command: StartCommand, configuration_file: Path, tmp_path: Path
) -> None:
    database = fill(tmp_path / "records.db")
    insert_padded(database, 8_000)
    limit = 3_000_000
    assert database.stat().st_size > 2 * limit
    command = start_command("--config", configuration_file, "--database", database, "--max-size", "3MB")
    wait_until(lambda: database.stat().st_size <= limit, "the file is small")
    assert command.post(make_record()) == 200
    assert command.get_metric("telemetry_events_missing") == 0
    assert command.stop(signal.SIGTERM)[0] == 0
    [(count, first, last)] = query(
        database, "SELECT count(*), min(seq), max(seq) FROM records WHERE seq IS NOT NULL"
    )
    assert isinstance(count, int)
    assert 1_000 < count < 3_000
    assert (first, last) == (8_000 - count, 7_999)
    assert run("check", "--database", database).returncode == 0


def test_age_is_applied_without_stopping_ingest(
    start_command: StartCommand, configuration_file: Path, tmp_path: Path
) -> None:
    database = fill(tmp_path / "records.db")
    insert_padded(database, 100_000, padding=50)
    execute(database, "UPDATE records SET received_at = 0")
    command = start_command("--config", configuration_file, "--database", database, "--max-age", "30d")
    with Load(command) as load:
        wait_until(
            lambda: command.get_metric("telemetry_records_deleted_total") == 100_000, "all are deleted"
        )
    assert set(load.statuses) == {200}
    assert load.slowest_seconds < 2
    assert load.accepted
    assert command.stop(signal.SIGTERM)[0] == 0
    assert query(database, COUNT) == [(load.accepted,)]
    assert query(database, "SELECT missing, tabs_with_gaps FROM totals") == [(0, 0)]


def test_deleted_event_is_a_duplicate_when_it_comes_again(
    start_command: StartCommand, configuration_file: Path, tmp_path: Path
) -> None:
    members = [make_record(n, tab_id=f"tab-{n % 3}", seq=n) for n in range(30)]
    database = fill(tmp_path / "records.db", *members)
    execute(database, "UPDATE records SET received_at = 0")
    missing = query(database, "SELECT missing FROM totals")
    command = start_command("--config", configuration_file, "--database", database, "--max-age", "1d")
    wait_until(lambda: command.get_metric("telemetry_records_stored") == 0, "all are deleted")
    for _ in range(2):
        assert command.post(*reversed(members)) == 200
    assert command.get_metric("telemetry_records_stored") == 0
    assert command.get_metric("telemetry_records_duplicate_total") == 60
    assert command.stop(signal.SIGKILL)[0] == -signal.SIGKILL
    assert query(database, "SELECT missing FROM totals") == missing
    assert query(database, COUNT) == [(0,)]
    assert run("check", "--database", database).returncode == 0


def test_deletion_in_any_order_keeps_every_identity(connection: sqlite3.Connection) -> None:
    insert = (
        "INSERT INTO records (installation_id, event_name, timestamp_ns, session_id, params, tab_id, seq) "
        "VALUES ('i', 'e', 0, 's', 'null', 'a-tab', ?)"
    )
    numbers = [(number * 7) % 50 for number in range(50) if number % 11]
    for number in numbers:
        connection.execute(insert, (number,))
    for number in sorted(numbers, key=lambda number: (number * 13) % 50):
        connection.execute("DELETE FROM records WHERE seq = ?", (number,))
    for number in range(50):
        connection.execute(f"{insert} ON CONFLICT DO NOTHING", (number,))
    stored = [seq for (seq,) in connection.execute("SELECT seq FROM records ORDER BY seq")]
    assert stored == sorted(set(range(50)) - set(numbers))
    assert connection.execute("SELECT missing FROM totals").fetchone() == (0,)


def test_identities_do_not_displace_records(connection: sqlite3.Connection, tmp_path: Path) -> None:
    connection.executemany(
        "INSERT INTO records (installation_id, event_name, timestamp_ns, session_id, params, tab_id, seq) "
        "VALUES ('i', 'e', 0, 's', 'null', ?, 0)",
        ((f"{number:036}",) for number in range(10_000)),
    )
    retention = Retention(max_bytes=MIN_MAX_BYTES)
    run_to_the_end(connection, retention, time.time() - DAY_SECONDS)  # the clock was set back
    assert read_used_bytes(connection) <= MIN_MAX_BYTES
    [(count,)] = connection.execute(COUNT)
    assert count > 500


def test_identities_of_long_names_do_not_displace_records(connection: sqlite3.Connection) -> None:
    """The longest tab ids that a record may have, which are up to 256 bytes."""
    connection.execute("BEGIN")
    connection.executemany(
        "INSERT INTO records (installation_id, event_name, timestamp_ns, session_id, params, tab_id, seq) "
        "VALUES ('i', 'e', 0, 's', 'null', ?, 0)",
        ((f"{number:06}".ljust(64, "\U0001f600"),) for number in range(4_000)),
    )
    run_to_the_end(connection, Retention(max_bytes=MIN_MAX_BYTES), time.time())
    connection.execute("COMMIT")
    assert read_used_bytes(connection) <= MIN_MAX_BYTES
    [(count,)] = connection.execute(COUNT)
    assert count > 200


@pytest.mark.parametrize("letters", [36, 800, 1_000])
def test_reports_do_not_displace_records(
    connection: sqlite3.Connection, tmp_path: Path, letters: int
) -> None:
    insert_padded(tmp_path / "records.db", 100)
    connection.execute("BEGIN")
    for number in range(8_000):
        report = SessionReport(f"{number:06}".ljust(letters, "x"), dropped=1, filtered=2)
        connection.execute(INSERT_REPORT, encode_report_row(report, number))
    run_to_the_end(connection, Retention(max_bytes=MIN_MAX_BYTES), now=8_000)
    connection.execute("COMMIT")
    assert read_used_bytes(connection) <= MIN_MAX_BYTES / 2
    assert connection.execute(COUNT).fetchone() == (100,)
    assert connection.execute("SELECT dropped, filtered FROM totals").fetchone() == (8_000, 16_000)
    [(first, count)] = connection.execute("SELECT min(reported_at), count(*) FROM sessions")
    assert first == 8_000 - count  # the latest are kept
    assert 8 <= count <= 700
    assert list(find_problems(connection)) == []


def test_report_is_kept_until_the_horizon_after_the_last(connection: sqlite3.Connection) -> None:
    for dropped, reported_at in ((2, 1_000), (3, 2_000)):
        connection.execute(INSERT_REPORT, encode_report_row(SessionReport("s", dropped), reported_at))
    run_to_the_end(connection, Retention(), 2_000 + REPORT_DAYS * DAY_SECONDS)
    assert connection.execute("SELECT session_id, dropped FROM sessions").fetchall() == [("s", 3)]
    assert has_work(connection, Retention())
    run_to_the_end(connection, Retention(), 2_001 + REPORT_DAYS * DAY_SECONDS)
    assert connection.execute("SELECT * FROM sessions").fetchall() == []
    assert connection.execute("SELECT dropped, filtered FROM totals").fetchone() == (3, 0)
    assert not has_work(connection, Retention())


def test_dead_letters_do_not_displace_records_after_a_lower_limit(
    connection: sqlite3.Connection, tmp_path: Path
) -> None:
    insert_padded(tmp_path / "records.db", 100)
    letters = [DeadLetter(b"x" * 60_000, "bad", None)] * 30
    insert_letters(connection, letters, 30)
    run_to_the_end(connection, Retention(max_bytes=MIN_MAX_BYTES), time.time())
    assert connection.execute(COUNT).fetchone() == (100,)
    [(kept,)] = connection.execute("SELECT dead_letter_bytes FROM totals")
    assert 0 < kept <= MIN_MAX_BYTES / 10


def test_identities_are_kept_until_the_horizon(connection: sqlite3.Connection, tmp_path: Path) -> None:
    insert_padded(tmp_path / "records.db", 10, padding=10)
    connection.execute("DELETE FROM records")
    [(deleted_at,)] = connection.execute("SELECT deleted_at FROM deleted_identities")
    run_to_the_end(connection, Retention(), deleted_at + IDENTITY_DAYS * DAY_SECONDS)
    assert connection.execute("SELECT count(*) FROM deleted_identities").fetchone() == (1,)
    run_to_the_end(connection, Retention(), deleted_at + IDENTITY_DAYS * DAY_SECONDS + 1)
    assert connection.execute("SELECT count(*) FROM deleted_identities").fetchone() == (0,)
    assert connection.execute("SELECT count(*) FROM tabs").fetchone() == (0,)
    assert not has_work(connection, Retention())


def test_one_step_takes_little_time(connection: sqlite3.Connection, tmp_path: Path) -> None:
    insert_padded(tmp_path / "records.db", 50_000, padding=10)
    connection.execute("UPDATE records SET received_at = 0")
    connection.execute("BEGIN IMMEDIATE")
    assert run_step(connection, Retention(max_age_seconds=1), time.time())
    connection.execute("COMMIT")
    [(left,)] = connection.execute(COUNT)
    assert 0 < left < 50_000


@pytest.mark.parametrize(
    "values",
    [
        {"max_age_seconds": 0},
        {"max_age_seconds": -1},
        {"max_age_seconds": float("inf")},
        {"max_age_seconds": float("nan")},
        {"max_bytes": 0},
        {"max_bytes": MIN_MAX_BYTES - 1},
    ],
)
def test_impossible_retention_is_refused(values: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected"):
        Retention(**values)  # type: ignore[arg-type]


def test_short_limits_are_looked_at_more_often() -> None:
    assert get_pause_seconds(Retention()) == 60
    assert get_pause_seconds(Retention(max_age_seconds=90 * DAY_SECONDS)) == 60
    assert get_pause_seconds(Retention(max_age_seconds=5)) == 1
    assert get_pause_seconds(Retention(max_bytes=MIN_MAX_BYTES)) == 1
