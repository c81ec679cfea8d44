"""The counters of a store, which the database keeps up to date, and the queries that scan it."""

import sqlite3
from dataclasses import fields

from reference_server.model.losses import StoreSummary, Totals

_COUNTERS = tuple(field.name for field in fields(Totals))
_TOTALS = f"SELECT {', '.join(_COUNTERS)} FROM totals"
_SESSIONS = """
SELECT count(*) FROM (SELECT session_id FROM records UNION SELECT session_id FROM sessions)
"""
_LARGEST_GAPS = """
SELECT tab_id, logged - stored AS missing FROM tabs WHERE missing > 0 ORDER BY missing DESC, tab_id LIMIT ?
"""


def read_totals(connection: sqlite3.Connection) -> Totals:
    """Read all counters: one row, however large the store is. Raise sqlite3.Error."""
    row = connection.execute(_TOTALS).fetchone()
    return Totals(**dict(zip(_COUNTERS, row, strict=True)))


def read_summary(connection: sqlite3.Connection) -> StoreSummary:
    """Read the counters, and count the sessions in one pass over all records. Raise sqlite3.Error."""
    [(sessions,)] = connection.execute(_SESSIONS)
    return StoreSummary(**vars(read_totals(connection)), sessions=sessions)


def read_largest_gaps(connection: sqlite3.Connection, limit: int) -> list[tuple[str, int]]:
    """Return the tabs with the most missing events, and how many are missing. Raise sqlite3.Error."""
    return connection.execute(_LARGEST_GAPS, (limit,)).fetchall()
