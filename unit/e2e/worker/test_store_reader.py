"""Check that the rows of the server's database are read once, in the order of arrival."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from e2e.worker.driver.store_reader import StoredRecord, StoreReader, StoreUnreadError
from reference_server.model.record import Record
from reference_server.storage.sqlite import SqliteStore


def record(key: str, session_id: str = "session") -> Record:
    params = msgspec.Raw(msgspec.json.encode({"componentViewId": key}))
    return Record("installation", "ui_event", 1, session_id, params)


async def test_rows_are_read_once_in_the_order_of_arrival(tmp_path: Path) -> None:
    store, reader = SqliteStore(tmp_path / "database"), StoreReader(tmp_path / "database")
    await store.open()
    try:
        assert reader.read_records() == []
        await store.add([record("tab-2/0"), record("tab-1/0", "other")])
        await store.add([record("tab-2/0")])
        first = reader.read_records()
        await store.add([record("tab-1/1")])
        second = await asyncio.to_thread(reader.read_records)
    finally:
        await store.close()
    assert first == [
        StoredRecord("tab-2/0", "session"),
        StoredRecord("tab-1/0", "other"),
        StoredRecord("tab-2/0", "session"),
    ]
    assert second == [*first, StoredRecord("tab-1/1", "session")]


async def test_record_without_params_is_identified_by_its_name(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "database")
    await store.open()
    try:
        await store.add([Record("installation", "tab-1/0", 1, "session")])
        assert [each.key for each in StoreReader(tmp_path / "database").read_records()] == ["tab-1/0"]
    finally:
        await store.close()


@pytest.mark.parametrize("contents", [None, b"no database at all"], ids=["absent", "no database"])
def test_unreadable_store_raises_an_error(tmp_path: Path, contents: bytes | None) -> None:
    database = tmp_path / "database"
    if contents is not None:
        database.write_bytes(contents)
    with pytest.raises(StoreUnreadError, match="database"):
        StoreReader(database).read_records()
    assert database.exists() is (contents is not None)
