"""The records of a store in pages: bounded memory, and no blocking of the server that writes to it."""

import sqlite3
from collections.abc import Iterator
from typing import NamedTuple

PAGE_ROWS = 1_000
"""The number of records in one read. Reads are short, so that SQLite can checkpoint the server's write-ahead
log between them; otherwise the log would grow."""

_LAST = "SELECT coalesce(max(id), 0) FROM records"
_PAGE = """
SELECT id, installation_id, event_name, timestamp_ns, session_id, tab_id, seq, params
FROM records WHERE id > ? AND id <= ? ORDER BY id LIMIT ?
"""


class ExportedRow(NamedTuple):
    """One exported record. `params` is JSON; `tab_id` and `seq` are None if it has no identity."""

    installation_id: str
    event_name: str
    timestamp_ns: int
    session_id: str
    tab_id: str | None
    seq: int | None
    params: str


def read_pages(connection: sqlite3.Connection) -> Iterator[list[ExportedRow]]:
    """Yield the records that are stored when the export begins, in order of arrival, in pages.

    The pages are consistent, because records are never changed or removed and ids only grow.
    Raise sqlite3.Error.
    """
    [(last,)] = connection.execute(_LAST)
    seen = 0
    while page := connection.execute(_PAGE, (seen, last, PAGE_ROWS)).fetchall():
        seen = page[-1][0]
        yield [ExportedRow(*row[1:]) for row in page]
