"""The SQLite store: nothing lost, nothing half, one transaction for many requests.

What a server answers when its store fails is in test_ingest.py; a full disk is in test_server_command.py,
for it takes a process of its own.
"""

import asyncio
import os
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
import pytest_asyncio

from reference_server import Losses, Record, SessionReport, SqliteStore, StoreUnavailableError
from reference_server.model.batch import decode_batch
from reference_server.model.record import MAX_SEQ
from reference_server.storage.schema import SCHEMA_VERSION
from reference_server.storage.store import IN_MEMORY
from unit.support.samples import body_of, record


def records_of(*numbers: int) -> list[Record]:
    return decode_batch(body_of(*(record(number) for number in numbers))).accepted


def other_process(database: Path) -> sqlite3.Connection:
    return sqlite3.connect(database, isolation_level=None)


@asynccontextmanager
async def busy(store: SqliteStore) -> AsyncIterator[None]:
    """Keep the store's one thread from its work, so that requests pile up in front of it."""
    released = threading.Event()
    waiting = asyncio.ensure_future(store._run(released.wait))
    await asyncio.sleep(0)
    try:
        yield
    finally:
        released.set()
        await waiting


@pytest_asyncio.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(tmp_path / "records.db")
    await store.open()
    yield store
    await store.close()


async def test_records_come_back_as_they_were_in_order_of_arrival(store: SqliteStore) -> None:
    await store.add(records_of(3, 1))
    await store.add(records_of(2))
    assert await store.records() == records_of(3, 1, 2)
    assert await store.count() == 3


async def test_a_reader_beside_the_server_sees_what_was_added(store: SqliteStore, tmp_path: Path) -> None:
    await store.add(records_of(1))
    with closing(other_process(tmp_path / "records.db")) as reader:
        assert reader.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        [row] = reader.execute("SELECT event_name, timestamp_ns, params FROM records")
    assert row == ("ui_event", 1_700_000_000_000_000_001, '{"componentId": "component.1"}')


async def test_requests_that_wait_are_committed_in_one_transaction(store: SqliteStore) -> None:
    async with busy(store):
        requests = [asyncio.ensure_future(store.add(records_of(number))) for number in range(50)]
        await asyncio.sleep(0)
    await asyncio.gather(*requests)
    assert await store.records() == records_of(*range(50))
    assert store.transactions == 1


async def test_a_request_that_was_given_up_before_its_commit_is_left_out(store: SqliteStore) -> None:
    async with busy(store):
        first, given_up, last = (asyncio.ensure_future(store.add(records_of(n))) for n in (1, 2, 3))
        await asyncio.sleep(0)
        given_up.cancel()
        await asyncio.wait([given_up])
    await asyncio.gather(first, last)
    assert await store.records() == records_of(1, 3)


async def test_a_locked_database_fails_the_request_and_not_the_next(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "records.db", lock_wait_seconds=0.01)
    await store.open()
    with closing(other_process(tmp_path / "records.db")) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailableError, match="locked"):
            await store.add(records_of(1, 2))
        other.execute("ROLLBACK")
    await store.add(records_of(3))
    assert await store.records() == records_of(3)
    await store.close()


async def test_a_failure_in_the_middle_stores_nothing_of_the_request(tmp_path: Path) -> None:
    database = tmp_path / "records.db"
    store = SqliteStore(database)
    await store.open()
    with closing(other_process(database)) as other:
        other.execute(
            "CREATE TRIGGER refuse BEFORE INSERT ON records WHEN new.timestamp_ns % 10 = 2 "
            "BEGIN SELECT raise(ABORT, 'refused by a trigger'); END"
        )
    with pytest.raises(StoreUnavailableError, match="refused by a trigger"):
        await store.add(records_of(1, 2))
    assert await store.count() == 0
    await store.close()


async def test_what_was_added_is_there_after_reopening(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "records.db")
    await store.open()
    await store.add(records_of(1))
    await store.close()
    await store.open()
    assert await store.records() == records_of(1)
    await store.close()


async def test_closing_commits_what_waits(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "records.db")
    await store.open()
    requests = [asyncio.ensure_future(store.add(records_of(number))) for number in range(20)]
    await asyncio.sleep(0)
    await store.close()
    await asyncio.gather(*requests)
    await store.open()
    assert await store.count() == 20
    await store.close()


async def test_a_closed_store_refuses_and_holds_no_thread(tmp_path: Path) -> None:
    before = threading.enumerate()
    store = SqliteStore(tmp_path / "records.db")
    await store.open()
    assert len(threading.enumerate()) == len(before) + 1
    await store.close()
    await store.close()
    assert threading.enumerate() == before
    with pytest.raises(StoreUnavailableError, match="closed"):
        await store.add(records_of(1))
    assert os.listdir(tmp_path) == ["records.db"]


async def test_it_may_be_used_from_another_event_loop(store: SqliteStore) -> None:
    await asyncio.get_running_loop().run_in_executor(None, lambda: asyncio.run(store.add(records_of(1))))
    assert await store.count() == 1


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("no/such/folder.db", None, "unable to open"),
        ("text.db", b"this is no database, it is a text of some length " * 50, "not a database"),
    ],
)
async def test_a_file_that_cannot_be_a_database_is_named(
    tmp_path: Path, name: str, content: bytes | None, reason: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    before = threading.enumerate()
    store = SqliteStore(tmp_path / name)
    with pytest.raises(StoreUnavailableError, match=f"{name}.*{reason}"):
        await store.open()
    assert threading.enumerate() == before


@pytest.mark.parametrize("statement", ["CREATE TABLE records (other TEXT)", "PRAGMA user_version = 99"])
async def test_a_database_of_someone_else_is_left_alone(tmp_path: Path, statement: str) -> None:
    database = tmp_path / "other.db"
    with closing(other_process(database)) as other:
        other.execute(statement)
    with pytest.raises(StoreUnavailableError, match="not a store of this server"):
        await SqliteStore(database).open()


def identified(tab_id: str, *seqs: int) -> list[Record]:
    return decode_batch(body_of(*(record(seq, tab_id=tab_id, seq=seq) for seq in seqs))).accepted


async def test_a_record_with_an_identity_is_stored_once_and_the_new_ones_are_counted(
    store: SqliteStore,
) -> None:
    assert await store.add(identified("a", 0, 1, 1)) == 2
    assert await store.add(identified("a", 1, 2)) == 1
    assert await store.add(identified("b", 1)) == 1
    assert await store.records() == identified("a", 0, 1, 2) + identified("b", 1)


async def test_a_record_without_an_identity_is_stored_as_often_as_it_comes(store: SqliteStore) -> None:
    assert await store.add(records_of(1, 1)) == 2
    assert await store.add(records_of(1)) == 1
    assert await store.count() == 3


async def test_requests_of_one_transaction_each_hear_of_their_own_new_records(store: SqliteStore) -> None:
    async with busy(store):
        requests = [asyncio.ensure_future(store.add(identified("a", *range(n)))) for n in (2, 5, 3)]
        await asyncio.sleep(0)
    assert await asyncio.gather(*requests) == [2, 3, 0]
    assert store.transactions == 1


async def test_of_what_a_session_reports_the_maximum_is_kept(store: SqliteStore) -> None:
    for dropped, filtered in ((3, 0), (2, 9), (4, 8)):
        await store.add([], SessionReport("s", dropped, filtered))
    await store.add(records_of(1), SessionReport("another", 10))
    losses = await store.losses()
    assert (losses.dropped, losses.filtered) == (14, 9)


@pytest.mark.parametrize("database", [IN_MEMORY, "records.db"])
async def test_gaps_are_counted_a_tab(tmp_path: Path, database: str) -> None:
    store = SqliteStore(IN_MEMORY if database == IN_MEMORY else tmp_path / database)
    await store.open()
    assert await store.losses() == Losses(tabs=0, tabs_with_gaps=0, missing=0, dropped=0, filtered=0)
    await store.add([*identified("a", 0, 1, 2), *identified("b", 3), *identified("c", 1, 5), *records_of(1)])
    await store.add([], SessionReport("s", dropped=2, filtered=1))
    losses = await store.losses()
    assert losses == Losses(tabs=3, tabs_with_gaps=2, missing=3 + 4, dropped=2, filtered=1)
    assert losses.unexplained == 4
    await store.close()


async def test_numbers_that_tabs_make_up_do_not_break_the_count(store: SqliteStore) -> None:
    await store.add([record for number in range(2_000) for record in identified(f"tab-{number}", MAX_SEQ)])
    assert (await store.losses()).missing > MAX_SEQ


VERSION_1 = """
CREATE TABLE records (
    id INTEGER PRIMARY KEY,  -- order of arrival
    installation_id TEXT NOT NULL,
    event_name TEXT NOT NULL,
    timestamp_ns INTEGER NOT NULL,
    session_id TEXT NOT NULL,
    params TEXT NOT NULL  -- JSON
);
INSERT INTO records VALUES (5, 'an-installation', 'ui_event', 1700000000000000001, 'a-session',
                            '{"componentId": "component.1"}');
PRAGMA user_version = 1;
"""


async def test_a_database_of_version_1_is_brought_up_to_date_with_its_records(tmp_path: Path) -> None:
    database = tmp_path / "records.db"
    with closing(other_process(database)) as other:
        other.executescript(VERSION_1)
    store = SqliteStore(database)
    for _ in range(2):  # the second time it is up to date
        await store.open()
        assert (await store.records())[0] == records_of(1)[0]
        await store.add(identified("a", 0))
        await store.close()
    with closing(other_process(database)) as other:
        assert other.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
        assert other.execute("SELECT id FROM records").fetchall() == [(5,), (6,)]


async def test_a_database_that_cannot_be_brought_up_to_date_is_left_as_it_was(tmp_path: Path) -> None:
    database = tmp_path / "records.db"
    with closing(other_process(database)) as other:
        other.executescript(VERSION_1 + "CREATE TABLE sessions (session_id TEXT);")
    with pytest.raises(StoreUnavailableError, match=r"sessions.*already exists"):
        await SqliteStore(database).open()
    with closing(other_process(database)) as other:
        columns = [row[1] for row in other.execute("PRAGMA table_info(records)")]
        assert "tab_id" not in columns
        assert other.execute("PRAGMA user_version").fetchone() == (1,)
