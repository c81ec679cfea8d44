"""The SQLite store: durability, atomic requests, one transaction for many requests.

api/test_telemetry.py covers the response if the store fails; cli/test_serve.py covers a full disk, which
needs a separate process.
"""

import asyncio
import os
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from reference_server import Added, Record, SessionReport, SqliteStore, StoreUnavailableError, Totals
from reference_server.model.batch import MAX_COUNT, decode_batch
from reference_server.model.record import MAX_SEQ
from reference_server.storage.accounting import PLAUSIBLE_GAP
from reference_server.storage.guarded_database import IN_MEMORY
from reference_server.storage.schema import SCHEMA_VERSION
from unit.support.samples import encode_body, make_record


def make_records(*numbers: int) -> list[Record]:
    return decode_batch(encode_body(*(make_record(number) for number in numbers))).accepted


def connect(database: Path) -> sqlite3.Connection:
    return sqlite3.connect(database, isolation_level=None)


@asynccontextmanager
async def block_writer(store: SqliteStore) -> AsyncIterator[None]:
    """Block the store's writer thread, so that requests queue up."""
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


async def test_records_are_read_unchanged_in_order_of_arrival(store: SqliteStore) -> None:
    await store.add(make_records(3, 1))
    await store.add(make_records(2))
    assert await store.read_records() == make_records(3, 1, 2)
    assert await store.count() == 3


async def test_another_connection_reads_added_records(store: SqliteStore, tmp_path: Path) -> None:
    await store.add(make_records(1))
    with closing(connect(tmp_path / "records.db")) as reader:
        assert reader.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        [row] = reader.execute("SELECT event_name, timestamp_ns, params FROM records")
    assert row == ("ui_event", 1_700_000_000_000_000_001, '{"componentId": "component.1"}')


async def test_waiting_requests_are_committed_in_one_transaction(store: SqliteStore) -> None:
    async with block_writer(store):
        requests = [asyncio.ensure_future(store.add(make_records(number))) for number in range(50)]
        await asyncio.sleep(0)
    await asyncio.gather(*requests)
    assert await store.read_records() == make_records(*range(50))
    assert store.transactions == 1


async def test_request_canceled_before_its_commit_is_not_stored(store: SqliteStore) -> None:
    async with block_writer(store):
        first, canceled, last = (asyncio.ensure_future(store.add(make_records(n))) for n in (1, 2, 3))
        await asyncio.sleep(0)
        canceled.cancel()
        await asyncio.wait([canceled])
    await asyncio.gather(first, last)
    assert await store.read_records() == make_records(1, 3)


async def test_request_during_a_commit_gets_the_next_one(tmp_path: Path) -> None:
    store, later = SqliteStore(tmp_path / "records.db"), list[asyncio.Task[Added]]()
    loop = asyncio.get_running_loop()

    class AddsMore:
        def observe_commit(self, seconds: float) -> None:
            if not later:
                asyncio.run_coroutine_threadsafe(self.add_more(), loop).result()

        async def add_more(self) -> None:
            later.append(asyncio.ensure_future(store.add(make_records(2))))
            await asyncio.sleep(0)  # Now it waits, and the writer is still in the first transaction.

    await store.open(AddsMore())
    await store.add(make_records(1))
    assert await asyncio.wait_for(later[0], 20) == Added(1)
    assert store.transactions == 2
    await store.close()


async def test_requests_of_several_event_loops_share_a_transaction(store: SqliteStore) -> None:
    async with block_writer(store):
        own = asyncio.ensure_future(store.add(make_records(1)))
        await asyncio.sleep(0)
        other = asyncio.ensure_future(asyncio.to_thread(asyncio.run, store.add(make_records(2))))
        while len(store._pending) < 2:  # noqa: ASYNC110 - the other loop sets no event of this one
            await asyncio.sleep(0.01)
    added = await asyncio.wait_for(asyncio.gather(own, other), 20)
    assert list(added) == [Added(1), Added(1)]
    assert store.transactions == 1


async def test_records_that_triggers_count_stay_in_order(store: SqliteStore) -> None:
    await store.add(make_identified("b", 0))
    await store._run(lambda: store._connection.execute("DELETE FROM records"))
    a, b = make_identified("a", 0, 1, 2), make_identified("b", 0, 1, 2)
    interleaved = [a[0], b[0], a[1], b[1], b[2], a[2]]
    assert await store.add(interleaved) == Added(5)
    assert await store.read_records() == [interleaved[0], *interleaved[2:]]
    totals = await store.read_totals()
    assert (totals.events, totals.identified, totals.tabs, totals.missing) == (5, 5, 2, 0)


async def test_locked_database_fails_only_the_current_request(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "records.db", lock_wait_seconds=0.01)
    await store.open()
    with closing(connect(tmp_path / "records.db")) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailableError, match="locked"):
            await store.add(make_records(1, 2))
        other.execute("ROLLBACK")
    await store.add(make_records(3))
    assert await store.read_records() == make_records(3)
    await store.close()


async def test_failure_within_a_request_stores_none_of_it(tmp_path: Path) -> None:
    database = tmp_path / "records.db"
    store = SqliteStore(database)
    await store.open()
    with closing(connect(database)) as other:
        other.execute(
            "CREATE TRIGGER refuse BEFORE INSERT ON records WHEN new.timestamp_ns % 10 = 2 "
            "BEGIN SELECT raise(ABORT, 'refused by a trigger'); END"
        )
    with pytest.raises(StoreUnavailableError, match="refused by a trigger"):
        await store.add(make_records(1, 2))
    assert await store.count() == 0
    await store.close()


async def test_reopened_store_has_the_records(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "records.db")
    await store.open()
    await store.add(make_records(1))
    await store.close()
    await store.open()
    assert await store.read_records() == make_records(1)
    await store.close()


async def test_close_commits_waiting_requests(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "records.db")
    await store.open()
    requests = [asyncio.ensure_future(store.add(make_records(number))) for number in range(20)]
    await asyncio.sleep(0)
    await store.close()
    await asyncio.gather(*requests)
    await store.open()
    assert await store.count() == 20
    await store.close()


async def test_closed_store_raises_and_leaves_no_thread(tmp_path: Path) -> None:
    before = threading.enumerate()
    store = SqliteStore(tmp_path / "records.db")
    await store.open()
    assert len(threading.enumerate()) > len(before)
    await store.close()
    await store.close()
    assert threading.enumerate() == before
    with pytest.raises(StoreUnavailableError, match="closed"):
        await store.add(make_records(1))
    assert os.listdir(tmp_path) == ["records.db"]


async def test_store_works_from_another_event_loop(store: SqliteStore) -> None:
    await asyncio.get_running_loop().run_in_executor(None, lambda: asyncio.run(store.add(make_records(1))))
    assert await store.count() == 1


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("no/such/folder.db", None, "unable to open"),
        ("text.db", b"this is not a database, it is a text of some length " * 50, "not a database"),
    ],
)
async def test_error_names_a_file_that_is_not_a_database(
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
async def test_foreign_database_is_refused(tmp_path: Path, statement: str) -> None:
    database = tmp_path / "other.db"
    with closing(connect(database)) as other:
        other.execute(statement)
    with pytest.raises(StoreUnavailableError, match="not a store of this server"):
        await SqliteStore(database).open()


def make_identified(tab_id: str, *seqs: int) -> list[Record]:
    return decode_batch(encode_body(*(make_record(seq, tab_id=tab_id, seq=seq) for seq in seqs))).accepted


async def test_record_with_identity_is_stored_and_counted_once(
    store: SqliteStore,
) -> None:
    assert await store.add(make_identified("a", 0, 1, 1)) == Added(2)
    assert await store.add(make_identified("a", 1, 2)) == Added(1)
    assert await store.add(make_identified("b", 1)) == Added(1)
    assert await store.read_records() == make_identified("a", 0, 1, 2) + make_identified("b", 1)


async def test_other_content_under_a_stored_identity_is_a_conflict(store: SqliteStore) -> None:
    changes: list[dict[str, object]] = [
        {},
        {"session_id": "of the next worker"},
        {"params": {"componentId": "another"}},
        {"event_name": "another"},
        {"installation_id": "another"},
        {"timestamp_ns": 5},
        {"seq": 1},
    ]
    members = [make_record(0, **{"tab_id": "a", "seq": 0, **change}) for change in changes]
    records = decode_batch(encode_body(*members)).accepted
    assert await store.add(records) == Added(2, (2, 3, 4, 5))
    assert await store.add(records) == Added(0, (2, 3, 4, 5))
    assert await store.read_records() == [records[0], records[6]]
    totals = await store.read_totals()
    assert (totals.accepted, totals.duplicates) == (6, 4)


async def test_same_params_in_another_spelling_are_a_duplicate(store: SqliteStore) -> None:
    for text, expected in ((b'{"a": 1, "b": "\\u00fc"}', Added(1)), (b'{"b":"\xc3\xbc","a":1}', Added(0))):
        body = encode_body(make_record(0, tab_id="a", seq=0, params={"here": 0})).replace(
            b'{"here": 0}', text
        )
        assert await store.add(decode_batch(body).accepted) == expected


def make_params(text: str) -> Record:
    """Return a record with an identity and this text as its params."""
    [record] = decode_batch(encode_body(make_record(0, tab_id="a", seq=0))).accepted
    return msgspec.structs.replace(record, params=msgspec.Raw(text.encode()))


@pytest.mark.parametrize("stored", ["true", "1", "1.0", '"1"', "[1]", '{"1":1}'])
async def test_params_that_are_only_equal_for_python_are_a_conflict(store: SqliteStore, stored: str) -> None:
    assert await store.add([make_params(f'{{"a":[{stored}]}}')]) == Added(1)
    for value in ("true", "1", "1.0", '"1"', "[1]", "[true]", '{"1":1}', '{"1":1.0}'):
        expected = Added(0) if value == stored else Added(0, (0,))
        assert await store.add([make_params(f'{{"a": [{value}]}}')]) == expected


async def test_params_too_deep_to_be_compared_are_a_conflict(store: SqliteStore) -> None:
    deep = '{"a":' * 5_000 + "1" + "}" * 5_000
    assert await store.add([make_params(deep)]) == Added(1)
    assert await store.add([make_params(deep)]) == Added(0)
    assert await store.add([make_params(deep + " ")]) == Added(0, (0,))


async def test_record_without_identity_is_stored_every_time(store: SqliteStore) -> None:
    assert await store.add(make_records(1, 1)) == Added(2)
    assert await store.add(make_records(1)) == Added(1)
    assert await store.count() == 3


async def test_requests_of_one_transaction_get_their_own_counts(store: SqliteStore) -> None:
    async with block_writer(store):
        requests = [asyncio.ensure_future(store.add(make_identified("a", *range(n)))) for n in (2, 5, 3)]
        await asyncio.sleep(0)
    assert await asyncio.gather(*requests) == [Added(2), Added(3), Added(0)]
    assert store.transactions == 1


async def test_store_keeps_the_maximum_of_session_reports(store: SqliteStore) -> None:
    for dropped, filtered in ((3, 0), (2, 9), (4, 8)):
        await store.add([], SessionReport("s", dropped, filtered))
    await store.add(make_records(1), SessionReport("another", 10))
    losses = await store.read_totals()
    assert (losses.dropped, losses.filtered) == (14, 9)


@pytest.mark.parametrize("database", [IN_MEMORY, "records.db"])
async def test_gaps_are_counted_per_tab(tmp_path: Path, database: str) -> None:
    store = SqliteStore(IN_MEMORY if database == IN_MEMORY else tmp_path / database)
    await store.open()
    assert await store.read_totals() == Totals(tabs=0, tabs_with_gaps=0, missing=0, dropped=0, filtered=0)
    await store.add(
        [
            *make_identified("a", 0, 1, 2),
            *make_identified("b", 3),
            *make_identified("c", 1, 5),
            *make_records(1),
        ]
    )
    await store.add([], SessionReport("s", dropped=2, filtered=1))
    losses = await store.read_totals()
    assert losses == Totals(
        sessions=2,
        tabs=3,
        tabs_with_gaps=2,
        missing=3 + 4,
        dropped=2,
        filtered=1,
        events=7,
        identified=6,
        accepted=7,
    )
    assert losses.unexplained == 4
    await store.close()


async def test_implausible_gaps_do_not_count_as_missing(store: SqliteStore) -> None:
    await store.add(make_identified("honest", 0, 2, PLAUSIBLE_GAP))
    for tab in range(3):
        await store.add(make_identified(f"forged-{tab}", MAX_SEQ))
    totals = await store.read_totals()
    assert (totals.missing, totals.implausible_tabs) == (PLAUSIBLE_GAP - 2, 3)
    await store.add(make_identified("honest", MAX_SEQ))  # anybody who knows the tab's id can do this
    totals = await store.read_totals()
    assert (totals.missing, totals.implausible_tabs, totals.tabs_with_gaps) == (0, 4, 4)


async def test_implausible_report_counts_as_nothing(store: SqliteStore) -> None:
    await store.add([], SessionReport("honest", dropped=3, filtered=1))
    await store.add([], SessionReport("forged", dropped=MAX_COUNT, filtered=MAX_COUNT))
    totals = await store.read_totals()
    assert (totals.dropped, totals.filtered) == (3, 1)


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


async def test_version_1_database_is_migrated_with_its_records(tmp_path: Path) -> None:
    database = tmp_path / "records.db"
    with closing(connect(database)) as other:
        other.executescript(VERSION_1)
    store = SqliteStore(database)
    for _ in range(2):  # the second time it is already migrated
        await store.open()
        assert (await store.read_records())[0] == make_records(1)[0]
        await store.add(make_identified("a", 0))
        await store.close()
    with closing(connect(database)) as other:
        assert other.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
        assert other.execute("SELECT id FROM records").fetchall() == [(5,), (6,)]


async def test_failed_migration_leaves_the_database_unchanged(tmp_path: Path) -> None:
    database = tmp_path / "records.db"
    with closing(connect(database)) as other:
        other.executescript(VERSION_1 + "CREATE TABLE sessions (session_id TEXT);")
    with pytest.raises(StoreUnavailableError, match=r"sessions.*already exists"):
        await SqliteStore(database).open()
    with closing(connect(database)) as other:
        columns = [row[1] for row in other.execute("PRAGMA table_info(records)")]
        assert "tab_id" not in columns
        assert other.execute("PRAGMA user_version").fetchone() == (1,)
