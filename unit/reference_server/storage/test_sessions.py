"""The number of sessions is exact, whoever writes, and costs the same for any number of records."""

import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path

from reference_server.storage.check import find_problems
from reference_server.storage.schema import migrate
from reference_server.storage.stats import read_largest_gaps, read_totals
from unit.support.samples import make_record
from unit.support.stores import VERSION_2, connect, count_steps, create_version, execute, fill

INSERT = """
INSERT INTO records (installation_id, event_name, timestamp_ns, session_id, params, counted)
VALUES ('an-installation', 'ui_event', 1, '{session}', 'null', {counted})
"""
REPORT = "INSERT INTO sessions (session_id, dropped, filtered) VALUES ('{session}', 1, 1)"


def count_sessions(connection: sqlite3.Connection) -> int:
    """Return the number of sessions; fail if any counter is wrong."""
    assert list(find_problems(connection)) == []
    return read_totals(connection).sessions


def read_figures(connection: sqlite3.Connection) -> None:
    """Read what `stats` prints."""
    read_totals(connection)
    read_largest_gaps(connection, 3)


def test_session_lasts_as_long_as_a_record_or_a_report_of_it(tmp_path: Path) -> None:
    sessions = ("first", "second", "first")
    records = (make_record(number, session_id=session) for number, session in enumerate(sessions))
    with closing(connect(fill(tmp_path / "records.db", *records))) as connection:
        assert count_sessions(connection) == 2
        for statement, count in (
            (REPORT.format(session="first"), 2),
            (REPORT.format(session="third"), 3),
            ("DELETE FROM records WHERE session_id = 'first'", 3),
            ("DELETE FROM sessions WHERE session_id = 'third'", 2),
            ("DELETE FROM sessions", 1),
            (INSERT.format(session="fourth", counted=0), 2),
            ("DELETE FROM records", 0),
        ):
            connection.execute(statement)
            assert count_sessions(connection) == count, statement


def test_migration_counts_sessions(tmp_path: Path) -> None:
    execute(tmp_path / "records.db", VERSION_2)
    execute(tmp_path / "records.db", "INSERT INTO sessions VALUES ('of-reports-only', 1, 0)")
    with closing(connect(tmp_path / "records.db")) as connection:
        migrate(connection, "records.db")
        assert count_sessions(connection) == 2


def test_records_of_an_earlier_server_are_counted(tmp_path: Path) -> None:
    """It had the store open while a later server migrated it, and counts all but the sessions by itself."""
    database = tmp_path / "records.db"
    create_version(database, 5)
    with closing(connect(database)) as earlier:
        earlier.execute("SELECT count(*) FROM records").fetchone()
        fill(database, make_record(session_id="of-the-later-server"))
        earlier.execute("BEGIN IMMEDIATE")
        earlier.execute(INSERT.format(session="of-the-earlier-server", counted=1))
        earlier.execute("UPDATE totals SET events = events + 1")
        earlier.execute("COMMIT")
        assert count_sessions(earlier) == 2


def test_figures_cost_the_same_for_any_number_of_records(tmp_path: Path) -> None:
    steps = []
    for size in (10, 2_000):
        records = (make_record(n, session_id=f"session-{n}", tab_id=f"tab-{n}", seq=n) for n in range(size))
        with closing(connect(fill(tmp_path / f"{size}.db", *records))) as connection:
            assert read_totals(connection).sessions == size
            steps.append(count_steps(connection, partial(read_figures, connection)))
    assert 0 < steps[0] == steps[1]
