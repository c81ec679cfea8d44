"""Read what the server behind the gateway has stored: from its database, each row once."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from e2e.conformance.accounting import get_event_key

_SELECT = "SELECT id, event_name, session_id, params FROM records WHERE id > ? ORDER BY id"
"""The order of `id` is the order of arrival."""


class StoreUnreadError(Exception):
    """The store cannot be read, so the outcome of every event is unknown."""


@dataclass(frozen=True)
class StoredRecord:
    """One row of the store: the key of its event (see `get_event_key`) and its session."""

    key: str
    session_id: str


class StoreReader:
    """Reads a server's SQLite database while the server uses it, and keeps the rows that it has read."""

    def __init__(self, database: Path) -> None:
        # A read-only connection cannot use the write-ahead log of another process.
        self._uri = f"{database.absolute().as_uri()}?mode=rw"
        self._records: list[StoredRecord] = []
        self._last_row = 0

    def read_records(self) -> list[StoredRecord]:
        """Return all records that are stored now, in order of arrival. Raise StoreUnreadError."""
        try:
            with closing(sqlite3.connect(self._uri, uri=True)) as connection:
                connection.execute("PRAGMA query_only = ON")
                rows = connection.execute(_SELECT, (self._last_row,)).fetchall()
        except sqlite3.Error as error:
            raise StoreUnreadError(f"{self._uri}: {error}") from error
        self._records += [_parse_record(*row[1:]) for row in rows]
        self._last_row = rows[-1][0] if rows else self._last_row
        return list(self._records)


def _parse_record(event_name: str, session_id: str, params: str) -> StoredRecord:
    record: dict[str, Any] = {"event_name": event_name, "params": json.loads(params)}
    return StoredRecord(get_event_key(record), session_id)
