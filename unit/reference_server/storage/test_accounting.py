"""The counters agree with the records, whoever writes: a server at once, anybody else by the triggers."""

import asyncio
import random
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import cast

import pytest

from reference_server import SqliteStore
from reference_server.model.batch import SessionReport
from reference_server.storage import accounting
from reference_server.storage.check import find_problems
from reference_server.storage.row_mapping import INSERTS, encode_records
from reference_server.storage.stats import read_totals
from unit.support.samples import make_record
from unit.support.stores import connect, count_steps, create_version, execute, fill, query, to_records

FOREIGN_INSERT = """
INSERT OR IGNORE INTO records
    (installation_id, event_name, timestamp_ns, session_id, params, tab_id, seq)
VALUES ('an-installation', 'ui_event', 1700000000000000000, 'a-session', 'null', ?, ?)
"""


def expect_sound(database: Path) -> None:
    with closing(connect(database)) as connection:
        assert list(find_problems(connection)) == []


@pytest.mark.parametrize("seed", range(3))
async def test_counters_are_exact_whoever_writes(tmp_path: Path, seed: int) -> None:
    """Servers, another program and deletions take turns, with repeats, gaps and records without identity."""
    generator = random.Random(seed)
    database = tmp_path / "records.db"
    stores = [SqliteStore(database), SqliteStore(database)]
    for store in stores:
        await store.open()
    reported = 0
    for _ in range(40):
        identities = [
            (f"tab-{generator.randrange(4)}", generator.randrange(60)) for _ in range(generator.randrange(9))
        ]
        action = generator.randrange(6)
        if action == 0:
            execute_many(database, FOREIGN_INSERT, identities)
        elif action == 1:
            execute(database, f"DELETE FROM records WHERE id % 5 = {generator.randrange(5)}")
        elif action == 2:
            execute(database, f"DELETE FROM sessions WHERE dropped % 3 = {generator.randrange(3)}")
        elif action == 3:
            execute(database, "DELETE FROM deleted_identities WHERE first_seq % 2 = 0")
        else:
            report = SessionReport(f"session-{generator.randrange(4)}", generator.randrange(9), 1)
            reported = max(reported, report.dropped)
            await generator.choice(stores).add([], report)
            batches = [identities[:4], identities[2:]]
            await asyncio.gather(
                *(
                    generator.choice(stores).add(
                        to_records(
                            make_record(99),
                            *(
                                make_record(seq, tab_id=tab_id, seq=seq, session_id=f"session-{seq % 6}")
                                for tab_id, seq in batch
                            ),
                        )
                    )
                    for batch in batches
                )
            )
    for store in stores:
        await store.close()
    expect_sound(database)
    [(stored, identities_stored)] = query(
        database, "SELECT count(*), count(DISTINCT tab_id || '/' || seq) FROM records WHERE tab_id NOT NULL"
    )
    assert stored == identities_stored
    [(seen, deleted)] = query(database, "SELECT sum(stored), (SELECT deleted FROM totals) FROM tabs")
    assert cast(int, seen) >= cast(int, stored) > 0
    assert cast(int, deleted) > 0
    [(dropped, kept)] = query(database, "SELECT dropped, (SELECT max(dropped) FROM sessions) FROM totals")
    assert cast(int, dropped) >= reported > 0
    assert cast(int, kept or 0) <= reported


def test_part_of_a_forgotten_report_stays(tmp_path: Path) -> None:
    database = fill(tmp_path / "records.db")
    reports = "INSERT INTO sessions (session_id, dropped, filtered) VALUES ('s', 3, 4), ('forged', 1e18, 5)"
    execute(database, reports)
    execute(database, "UPDATE sessions SET dropped = 7 WHERE session_id = 's'; DELETE FROM sessions")
    with closing(connect(database)) as connection:
        totals = read_totals(connection)
    assert (totals.dropped, totals.filtered) == (7, 9)
    expect_sound(database)


@pytest.mark.parametrize("size", [1, 9, 10, 11, 99, 100, 101, 219, 1_000])
async def test_batches_of_any_size_are_stored_in_order_and_counted(tmp_path: Path, size: int) -> None:
    """New records, then the same again with one more in their middle, then one without identities."""
    database = tmp_path / "records.db"
    store = SqliteStore(database)
    await store.open()
    records = to_records(
        *(make_record(number, tab_id=f"tab-{number % 3}", seq=number // 3) for number in range(size))
    )
    [late] = to_records(make_record(size, tab_id="tab-0", seq=size + 7))
    loose = to_records(*(make_record(number) for number in range(size)))
    repeat = [*records[: size // 2], late, *records[size // 2 :], late]
    added = [await store.add(batch) for batch in (records, repeat, loose)]
    totals = await store.read_totals()
    assert [each.new_count for each in added] == [size, 1, size]
    assert await store.read_records() == [*records, late, *loose]
    assert (totals.events, totals.identified) == (2 * size + 1, size + 1)
    assert (totals.accepted, totals.duplicates) == (3 * size + 2, size + 1)
    assert totals.missing == size + 8 - (size + 2) // 3 - 1
    await store.close()
    expect_sound(database)


async def test_repeat_of_a_deleted_record_is_a_duplicate_beside_new_ones(tmp_path: Path) -> None:
    database = tmp_path / "records.db"
    store = SqliteStore(database)
    await store.open()
    await store.add(to_records(*(make_record(n, tab_id="a-tab", seq=n) for n in range(3))))
    execute(database, "DELETE FROM records WHERE seq = 1")
    added = await store.add(
        to_records(
            *(make_record(n, tab_id="a-tab", seq=n) for n in (1, 2, 3)),
            *(make_record(n, tab_id="another-tab", seq=n) for n in (0, 2)),
        )
    )
    totals = await store.read_totals()
    await store.close()
    assert (added.new_count, added.conflicts) == (3, ())
    assert (totals.events, totals.duplicates, totals.tabs, totals.missing) == (5, 2, 2, 1)
    expect_sound(database)


def test_records_that_a_crash_rolls_back_are_not_counted(tmp_path: Path) -> None:
    database = fill(tmp_path / "records.db", make_record(0))
    with closing(connect(database)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        insert(connection, count=5)
        connection.execute("ROLLBACK")
        assert read_totals(connection).events == 1
    expect_sound(database)


def test_earlier_server_goes_on_after_the_migration(tmp_path: Path) -> None:
    """It had the database open, and does not know of the column: the triggers count for it."""
    database = tmp_path / "records.db"
    create_version(database, 3)
    execute_many(database, FOREIGN_INSERT, [("a-tab", 0), ("a-tab", 2)])
    with closing(connect(database)) as earlier:
        earlier.execute("SELECT count(*) FROM records").fetchone()
        fill(database, make_record(3, tab_id="a-tab", seq=3))
        earlier.execute(FOREIGN_INSERT, ("a-tab", 1))
        totals = read_totals(earlier)
    assert (totals.events, totals.identified, totals.missing) == (4, 4, 0)
    expect_sound(database)


@pytest.mark.parametrize("tab_id", [None, "a-tab"])
def test_counting_together_takes_less_work_than_the_triggers(tmp_path: Path, tab_id: str | None) -> None:
    """In instructions of SQLite's machine, which do not depend on the load of this one."""
    steps = [
        count_insertion_steps(fill(tmp_path / f"{counted}.db"), tab_id, counted=counted)
        for counted in (True, False)
    ]
    assert steps[0] < 0.75 * steps[1]


def test_cost_of_counting_does_not_grow_with_the_store(tmp_path: Path) -> None:
    database = fill(tmp_path / "records.db")
    before = count_insertion_steps(database, "a-tab", counted=True)
    execute_many(database, FOREIGN_INSERT, [(f"tab-{number}", 0) for number in range(2_000)])
    assert count_insertion_steps(database, "b-tab", counted=True) < 1.1 * before


def execute_many(database: Path, statement: str, values: list[tuple[str, int]]) -> None:
    with closing(connect(database)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(statement, values)
        connection.execute("COMMIT")


def insert(
    connection: sqlite3.Connection, tab_id: str | None = None, *, count: int, counted: bool = True
) -> None:
    """Insert records as a server does, or as the triggers count them."""
    members = ({} if tab_id is None else {"tab_id": tab_id, "seq": number} for number in range(count))
    records = to_records(*(make_record(number, **member) for number, member in enumerate(members)))
    last_id = accounting.read_last_id(connection)
    for record in records:
        connection.execute(INSERTS[1], encode_records([record], 1_700_000_000, counted))
    accounting.count_new_records(connection, last_id)


def count_insertion_steps(database: Path, tab_id: str | None, *, counted: bool) -> int:
    with closing(connect(database)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        insert(connection, tab_id, count=1, counted=counted)  # SQLite reads the schema once
        steps = count_steps(
            connection, lambda: insert(connection, tab_id and f"{tab_id}-2", count=100, counted=counted)
        )
        connection.execute("ROLLBACK")
    return steps
