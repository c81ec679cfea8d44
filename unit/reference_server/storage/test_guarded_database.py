"""What the store does while its files are deleted, replaced or damaged under it.

Each test compares what was acknowledged with what a new store finds in the files.
`e2e/server/test_storage.py` asks a running server the same.
"""

import os
import shutil
import sqlite3
import stat
from collections.abc import AsyncIterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Literal

import pytest
import pytest_asyncio

from reference_server import Record, SqliteStore, StoreUnavailableError
from reference_server.model.batch import decode_batch
from reference_server.storage import guarded_database
from reference_server.storage.guarded_database import GuardedDatabase
from unit.support.samples import encode_body, make_record


def make_records(*numbers: int) -> list[Record]:
    return decode_batch(encode_body(*(make_record(number) for number in numbers))).accepted


def count_stored(database: Path) -> int:
    with closing(sqlite3.connect(database)) as connection:
        [(count,)] = connection.execute("SELECT count(*) FROM records")
    return int(count)


def delete(database: Path, *suffixes: str) -> None:
    for suffix in suffixes:
        Path(f"{database}{suffix}").unlink(missing_ok=True)


def read_bytes(path: str | Path) -> bytes:
    return Path(path).read_bytes()


def write_bytes(path: str | Path, content: bytes) -> None:
    Path(path).write_bytes(content)


def overwrite(path: str | Path, content: bytes, mode: Literal["wb", "r+b"], offset: int = 0) -> None:
    """Write into the file at this path, which stays the same file."""
    with Path(path).open(mode) as file:
        file.seek(offset)
        file.write(content)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "records.db"


@pytest_asyncio.fixture
async def store(database: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SqliteStore]:
    """Return an open store that holds one record and repairs itself without a pause."""
    monkeypatch.setattr(guarded_database, "REOPEN_PAUSE_SECONDS", 0)
    store = SqliteStore(database, lock_wait_seconds=0.05)
    await store.open()
    await store.add(make_records(1))
    yield store
    await store.close()


async def reopen_and_read(store: SqliteStore, database: Path) -> list[Record]:
    """Return what a new store finds after this one has closed."""
    await store.close()
    other = SqliteStore(database)
    await other.open()
    try:
        return await other.read_records()
    finally:
        await other.close()


@pytest.mark.parametrize("suffixes", [("",), ("", "-wal"), ("", "-wal", "-shm")])
async def test_deleted_database_is_created_again(
    store: SqliteStore, database: Path, suffixes: tuple[str, ...]
) -> None:
    delete(database, *suffixes)
    await store.add(make_records(2))
    await store.add(make_records(3))
    assert await reopen_and_read(store, database) == make_records(2, 3)


@pytest.mark.parametrize("suffixes", [("-wal",), ("-shm",), ("-wal", "-shm")])
async def test_deleted_log_loses_no_record(
    store: SqliteStore, database: Path, suffixes: tuple[str, ...]
) -> None:
    delete(database, *suffixes)
    await store.add(make_records(2))
    assert await reopen_and_read(store, database) == make_records(1, 2)


async def test_log_of_another_process_is_not_overwritten(store: SqliteStore, database: Path) -> None:
    delete(database, "-wal", "-shm")
    write_bytes(f"{database}-wal", b"another log")
    with pytest.raises(StoreUnavailableError, match="replaced the log"):
        await store.add(make_records(2))
    assert read_bytes(f"{database}-wal") == b"another log"


async def test_replacement_by_another_store_is_used(
    store: SqliteStore, database: Path, tmp_path: Path
) -> None:
    other = SqliteStore(tmp_path / "other.db")
    await other.open()
    await other.add(make_records(7, 8))
    await other.close()
    (tmp_path / "other.db").replace(database)
    await store.add(make_records(2))
    assert await reopen_and_read(store, database) == make_records(7, 8, 2)


async def test_renamed_database_keeps_what_its_log_holds(
    store: SqliteStore, database: Path, tmp_path: Path
) -> None:
    os.rename(database, tmp_path / "renamed.db")
    await store.add(make_records(2))
    assert count_stored(tmp_path / "renamed.db") == 1
    assert await reopen_and_read(store, database) == make_records(2)


@pytest.mark.parametrize("content", [b"a text of some length, which is not a database at all. " * 50, None])
async def test_replacement_by_another_file_is_neither_used_nor_changed(
    store: SqliteStore, database: Path, tmp_path: Path, content: bytes | None
) -> None:
    other = tmp_path / "other.db"
    if content is None:
        with closing(sqlite3.connect(other)) as connection:
            connection.execute("CREATE TABLE others (text)")
        content = read_bytes(other)
    write_bytes(other, content)
    os.replace(other, database)
    for _ in range(2):
        with pytest.raises(StoreUnavailableError):
            await store.add(make_records(2))
    assert read_bytes(database) == content
    os.unlink(database)
    await store.add(make_records(3))
    assert await reopen_and_read(store, database) == make_records(3)


async def test_directory_in_place_of_the_database_is_refused(store: SqliteStore, database: Path) -> None:
    os.unlink(database)
    os.mkdir(database)
    with pytest.raises(StoreUnavailableError):
        await store.add(make_records(2))
    os.rmdir(database)
    await store.add(make_records(3))
    assert await reopen_and_read(store, database) == make_records(3)


async def add_each(store: SqliteStore, *numbers: int) -> list[Record]:
    """Add a record after the other and return those that were acknowledged."""
    acknowledged: list[Record] = []
    for record in make_records(*numbers):
        with suppress(StoreUnavailableError):
            await store.add([record])
            acknowledged.append(record)
    return acknowledged


async def expect_stored(acknowledged: list[Record], store: SqliteStore, database: Path) -> None:
    try:
        stored = await reopen_and_read(store, database)
    except StoreUnavailableError:
        stored = []  # A server that cannot start has lost what it acknowledged.
    assert [record for record in acknowledged if record not in stored] == []


def checkpoint(database: Path) -> None:
    """Copy the log into the database; the log is used again from its begin."""
    with closing(sqlite3.connect(database)) as other:
        other.execute("PRAGMA wal_checkpoint(PASSIVE)")


@pytest.mark.parametrize("size", [0, 100, 4096, 3 * 4096])
async def test_truncated_database_stores_nothing(store: SqliteStore, database: Path, size: int) -> None:
    checkpoint(database)
    await store.check_writable()
    os.truncate(database, size)
    assert await add_each(store, 2, 3) == []
    delete(database, "", "-wal", "-shm")
    assert await add_each(store, 4) == make_records(4)
    await expect_stored(make_records(4), store, database)


@pytest.mark.parametrize("damage", [b"", b"not a database " * 1000, b"\xa5" * 100_000])
async def test_overwritten_database_loses_nothing_acknowledged(
    store: SqliteStore, database: Path, damage: bytes
) -> None:
    acknowledged = await add_each(store, 2)
    overwrite(database, damage, "wb")
    acknowledged = await add_each(store, 3, 4) or acknowledged[:0]
    await expect_stored(acknowledged, store, database)


@pytest.mark.parametrize("page_number", [0, 1, 5])
async def test_damaged_page_loses_nothing_acknowledged(
    store: SqliteStore, database: Path, page_number: int
) -> None:
    checkpoint(database)
    await store.check_writable()
    overwrite(database, b"\xa5" * 4096, "r+b", page_number * 4096)
    await expect_stored(await add_each(store, 2, 3), store, database)


@pytest.mark.parametrize("size", [0, 100, 5_000])
async def test_truncated_log_costs_no_later_record(store: SqliteStore, database: Path, size: int) -> None:
    os.truncate(f"{database}-wal", size)
    acknowledged = await add_each(store, 2, 3)
    assert acknowledged[-1:] == make_records(3)
    await expect_stored(acknowledged, store, database)


async def test_damaged_log_costs_no_later_record(store: SqliteStore, database: Path) -> None:
    overwrite(f"{database}-wal", b"\xa5" * 5_000, "r+b", 32)
    await expect_stored(await add_each(store, 2, 3), store, database)


async def test_changes_of_another_connection_are_allowed(store: SqliteStore, database: Path) -> None:
    for number in (2, 4):
        other = SqliteStore(database)
        await other.open()
        await other.add(make_records(number))
        with closing(sqlite3.connect(database)) as third:
            third.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        await store.add(make_records(number + 1))
        await other.close()
    assert await reopen_and_read(store, database) == make_records(1, 2, 3, 4, 5)


async def test_replacement_during_a_transaction_is_not_acknowledged(database: Path, tmp_path: Path) -> None:
    guarded = GuardedDatabase(str(database), 0.05)
    guarded.open()
    guarded.require_usable()
    guarded.connection.execute("BEGIN IMMEDIATE")
    shutil.copy(database, tmp_path / "copy.db")
    (tmp_path / "copy.db").replace(database)
    guarded.connection.execute("COMMIT")
    with pytest.raises(StoreUnavailableError, match="in the transaction"):
        guarded.confirm_commit()
    guarded.close()


async def test_database_without_write_permission_is_refused(
    store: SqliteStore, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The superuser, which runs tests in containers, may write to any file.
    monkeypatch.setattr(os, "access", lambda path, mode: bool(Path(path).stat().st_mode & 0o200))
    os.chmod(database, 0o400)
    with pytest.raises(StoreUnavailableError, match="not writable"):
        await store.add(make_records(2))
    os.chmod(database, 0o600)
    await store.add(make_records(3))
    assert await reopen_and_read(store, database) == make_records(1, 3)


async def test_failed_repair_is_not_repeated_at_once(database: Path) -> None:
    now = 1000.0
    guarded = GuardedDatabase(str(database), 0.05, monotonic_seconds=lambda: now)
    guarded.open()
    os.truncate(database, 0)
    for _ in range(2):
        with pytest.raises((StoreUnavailableError, sqlite3.Error)):
            guarded.require_usable()
        delete(database, "")
    now += guarded_database.REOPEN_PAUSE_SECONDS
    guarded.require_usable()
    guarded.close()


@pytest.mark.parametrize("mode", [None, 0o644, 0o666, 0o660])
async def test_other_users_cannot_read_the_files(database: Path, mode: int | None) -> None:
    if mode is not None:
        write_bytes(database, b"")
        os.chmod(database, mode)
    store = SqliteStore(database)
    await store.open()
    await store.add(make_records(1))
    modes = [stat.S_IMODE(os.stat(f"{database}{suffix}").st_mode) for suffix in ("", "-wal", "-shm")]
    await store.close()
    assert modes == [0o600 if mode is None else mode & 0o770] * 3


def turn_link(link: Path, target: Path) -> None:
    """Let a symbolic link lead to another target, at once."""
    new = link.with_name("link")
    os.symlink(target, new)
    os.replace(new, link)


async def test_database_behind_a_symbolic_link_is_watched(tmp_path: Path) -> None:
    os.mkdir(tmp_path / "first")
    os.mkdir(tmp_path / "second")
    link = tmp_path / "records.db"
    os.symlink(tmp_path / "first" / "target.db", link)
    store = SqliteStore(link)
    await store.open()
    await store.add(make_records(1))
    turn_link(link, tmp_path / "second" / "target.db")
    await store.add(make_records(2))
    mode = stat.S_IMODE(os.stat(tmp_path / "second" / "target.db").st_mode)
    await store.close()
    assert mode == 0o600
    for folder in ("first", "second"):
        assert os.listdir(tmp_path / folder) == ["target.db"]
        assert count_stored(tmp_path / folder / "target.db") == 1


async def test_database_whose_folder_moves_behind_its_link_stays_open(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    os.mkdir(tmp_path / "first")
    link = tmp_path / "records.db"
    os.symlink(tmp_path / "first" / "target.db", link)
    store = SqliteStore(link)
    await store.open()
    await store.add(make_records(1))
    os.rename(tmp_path / "first", tmp_path / "second")
    turn_link(link, tmp_path / "second" / "target.db")
    await store.add(make_records(2))
    stored = count_stored(link)
    await store.close()
    assert (stored, caplog.messages) == (2, [])


async def test_database_without_write_ahead_log_is_watched(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guarded_database, "JOURNAL_MODE", "DELETE")  # as file systems that allow no WAL do
    store = SqliteStore(database)
    await store.open()
    await store.add(make_records(1))
    await store.add(make_records(2))
    assert count_stored(database) == 2
    delete(database, "")
    await store.add(make_records(3))
    assert await reopen_and_read(store, database) == make_records(3)


async def test_deleted_folder_stores_nothing_until_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guarded_database, "REOPEN_PAUSE_SECONDS", 0)
    os.mkdir(tmp_path / "folder")
    store = SqliteStore(tmp_path / "folder" / "records.db")
    await store.open()
    shutil.rmtree(tmp_path / "folder")
    assert await add_each(store, 1, 2) == []
    os.mkdir(tmp_path / "folder")
    assert await add_each(store, 3) == make_records(3)
    assert await reopen_and_read(store, tmp_path / "folder" / "records.db") == make_records(3)
