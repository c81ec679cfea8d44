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

from reference_server import Record, SqliteStore, StoreUnavailable
from reference_server.records import decode_records
from unit.reference_server.samples import body_of, record


def records_of(*numbers: int) -> list[Record]:
    accepted, _ = decode_records(body_of(*(record(number) for number in numbers)))
    return accepted


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
        with pytest.raises(StoreUnavailable, match="locked"):
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
    with pytest.raises(StoreUnavailable, match="refused by a trigger"):
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
    with pytest.raises(StoreUnavailable, match="closed"):
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
    with pytest.raises(StoreUnavailable, match=f"{name}.*{reason}"):
        await store.open()
    assert threading.enumerate() == before


@pytest.mark.parametrize("statement", ["CREATE TABLE records (other TEXT)", "PRAGMA user_version = 99"])
async def test_a_database_of_someone_else_is_left_alone(tmp_path: Path, statement: str) -> None:
    database = tmp_path / "other.db"
    with closing(other_process(database)) as other:
        other.execute(statement)
    with pytest.raises(StoreUnavailable, match="not a store of this server"):
        await SqliteStore(database).open()
