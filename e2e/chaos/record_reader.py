"""Read what the server has stored, also from a database that was deleted or replaced meanwhile."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Hashable
from contextlib import closing
from pathlib import Path
from typing import Any

_COLUMNS = ("installation_id", "event_name", "timestamp_ns", "session_id")
_SELECT = f"SELECT {', '.join(_COLUMNS)}, params, tab_id, seq, id FROM records WHERE id > ? ORDER BY id"


class RecordReader:
    """All records that were ever in the database at a path, in order of arrival.

    A server that lost its database cannot know the records in it: a record that a worker sends again
    then counts once.
    """

    def __init__(self, database: Path) -> None:
        self._database = database
        self._records: list[dict[str, Any]] = []
        self._last_row = 0
        self._earlier: set[Hashable] = set()
        """Identities of the records in earlier files."""

    def begin_new_file(self) -> None:
        """Note that another file will be at the path: its rows are counted from 1 again."""
        self._last_row = 0
        self._earlier = {_get_identity(record) for record in self._records}

    def read(self) -> list[dict[str, Any]]:
        """Return the records up to now. Without a database, or a table in it, no new ones."""
        for row in self._select():
            self._last_row = row[-1]
            record = _decode_row(row)
            if _get_identity(record) not in self._earlier:
                self._records.append(record)
        return self._records

    def _select(self) -> list[tuple[Any, ...]]:
        # Mode rw: the default would create a file where the server has not created one yet.
        address = f"{self._database.as_uri()}?mode=rw"
        try:
            with closing(sqlite3.connect(address, uri=True)) as connection:
                return connection.execute(_SELECT, (self._last_row,)).fetchall()
        except sqlite3.OperationalError as error:
            if "no such table" in str(error) or "unable to open" in str(error):
                return []
            raise


def _get_identity(record: dict[str, Any]) -> Hashable:
    if "tab_id" in record:
        return record["tab_id"], record["seq"]
    return json.dumps(record, sort_keys=True)


def _decode_row(row: tuple[Any, ...]) -> dict[str, Any]:
    *values, params, tab_id, seq, _ = row
    record = dict(zip(_COLUMNS, values, strict=True)) | {"params": json.loads(params)}
    return record if tab_id is None else record | {"tab_id": tab_id, "seq": seq}
