"""Reading all records of a store in bounded memory, without holding up the server that writes it."""

import sqlite3
from collections.abc import Iterator
from typing import NamedTuple

PAGE_ROWS = 1_000
"""So many records are read at a time. No read lasts longer, so that the server's log of changes (WAL) can be
folded into the database meanwhile, and does not grow."""

_LAST = "SELECT coalesce(max(id), 0) FROM records"
_PAGE = """
SELECT id, installation_id, event_name, timestamp_ns, session_id, tab_id, seq, params
FROM records WHERE id > ? AND id <= ? ORDER BY id LIMIT ?
"""


class ExportedRow(NamedTuple):
    """A record as it is exported. `params` is JSON; `tab_id` and `seq` are None where it has no identity."""

    installation_id: str
    event_name: str
    timestamp_ns: int
    session_id: str
    tab_id: str | None
    seq: int | None
    params: str


def exported_rows(connection: sqlite3.Connection) -> Iterator[list[ExportedRow]]:
    """Give what was stored when the export began, in order of arrival, a page at a time.

    Records are never changed or removed, and a later one has a higher id: pages make one whole.
    Raises sqlite3.Error.
    """
    [(last,)] = connection.execute(_LAST)
    seen = 0
    while page := connection.execute(_PAGE, (seen, last, PAGE_ROWS)).fetchall():
        seen = page[-1][0]
        yield [ExportedRow(*row[1:]) for row in page]
