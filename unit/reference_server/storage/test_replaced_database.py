"""A database that is replaced while the store checks it or deletes from it is not taken for the old one.

Each is a moment between two transactions; `test_guarded_database.py` has those between two batches.
"""

import asyncio
import os
from pathlib import Path
from types import ModuleType

import pytest

from reference_server import Record, SqliteStore, StoreUnavailableError
from reference_server.storage import guarded_database, sqlite
from reference_server.storage.retention import MIN_MAX_BYTES, Retention
from unit.support.samples import make_record
from unit.support.stores import to_records, wait_until


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "records.db"


def make_records(*numbers: int) -> list[Record]:
    return to_records(*(make_record(number) for number in numbers))


def replace_after(
    monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str, database: Path, other: Path
) -> None:
    """Replace a database by another one at the end of a function, while the other one is there."""
    function = getattr(module, name)

    def replace(*arguments: object) -> object:
        result = function(*arguments)
        if other.exists():
            other.replace(database)
        return result

    monkeypatch.setattr(module, name, replace)


async def create_store(database: Path, *numbers: int) -> None:
    store = SqliteStore(database)
    await store.open()
    await store.add(make_records(*numbers))
    await store.close()


async def reopen_and_read(store: SqliteStore, database: Path) -> list[Record]:
    """Return what a new store finds after this one has closed."""
    await store.close()
    other = SqliteStore(database)
    await other.open()
    records = await other.read_records()
    await other.close()
    return records


async def test_replacement_during_the_check_at_the_start_is_noticed(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await create_store(database, 1)
    await create_store(tmp_path / "other.db", 7)
    replace_after(monkeypatch, guarded_database, "_require_sound", database, tmp_path / "other.db")
    store = SqliteStore(database)
    await store.open()
    await store.add(make_records(2))
    assert await reopen_and_read(store, database) == make_records(7, 2)


async def test_replacement_during_a_later_check_is_noticed(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guarded_database, "REOPEN_PAUSE_SECONDS", 0)
    store = SqliteStore(database)
    await store.open()
    await store.add(make_records(1))
    await create_store(tmp_path / "other.db", 7)
    replace_after(monkeypatch, guarded_database, "_require_sound", database, tmp_path / "other.db")
    os.utime(database, ns=(0, 0))  # as another program that has changed it
    with pytest.raises(StoreUnavailableError, match="was replaced"):
        await store.add(make_records(2))
    await store.add(make_records(3))
    assert await reopen_and_read(store, database) == make_records(7, 3)


async def test_replacement_during_retention_is_noticed(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await create_store(tmp_path / "other.db", 7)
    store = SqliteStore(database, retention=Retention(max_bytes=MIN_MAX_BYTES))
    replace_after(monkeypatch, sqlite, "shrink_file", database, tmp_path / "other.db")
    await store.open()
    await asyncio.to_thread(wait_until, lambda: not (tmp_path / "other.db").exists(), "it is replaced")
    await store.add(make_records(2))
    assert await reopen_and_read(store, database) == make_records(7, 2)
