"""The counters of a store, which the database keeps up to date: reading them takes no scan."""

import sqlite3
from dataclasses import fields

from reference_server.model.losses import Totals

_COUNTERS = tuple(field.name for field in fields(Totals))
_TOTALS = f"SELECT {', '.join(_COUNTERS)} FROM totals"
# As `sessions.py` indexes it.
_LARGEST_GAPS = """
SELECT tab_id, logged - stored FROM tabs WHERE logged > stored ORDER BY logged - stored DESC, tab_id LIMIT ?
"""


def read_totals(connection: sqlite3.Connection) -> Totals:
    """Read all counters: one row, however large the store is. Raise sqlite3.Error."""
    row = connection.execute(_TOTALS).fetchone()
    return Totals(**dict(zip(_COUNTERS, row, strict=True)))


def read_largest_gaps(connection: sqlite3.Connection, limit: int) -> list[tuple[str, int]]:
    """Return the tabs with the most missing events, and how many are missing. Raise sqlite3.Error."""
    return connection.execute(_LARGEST_GAPS, (limit,)).fetchall()
