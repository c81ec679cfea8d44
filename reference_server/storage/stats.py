"""The queries that count what is stored and what is missing."""

import sqlite3

from reference_server.model.losses import Losses, StoreSummary

_RECORDS = """
SELECT (SELECT count(*) FROM records),
       (SELECT count(*) FROM (
           SELECT session_id FROM records UNION SELECT session_id FROM sessions))
"""
# total() and not sum(): a tab may claim any number, and the sum must not overflow.
_TABS = """
SELECT count(*), total(stored), total(logged - stored), count(*) FILTER (WHERE logged > stored)
FROM (SELECT count(*) AS stored, max(seq) + 1 AS logged FROM records WHERE tab_id IS NOT NULL GROUP BY tab_id)
"""
_REPORTS = "SELECT total(dropped), total(filtered) FROM sessions"
_LARGEST_GAPS = """
SELECT tab_id, max(seq) + 1 - count(*) AS missing FROM records WHERE tab_id IS NOT NULL
GROUP BY tab_id HAVING missing > 0 ORDER BY missing DESC, tab_id LIMIT ?
"""


def read_losses(connection: sqlite3.Connection) -> Losses:
    """Count the missing events in one pass over the index of identities. Raise sqlite3.Error."""
    tabs, _, missing, tabs_with_gaps = connection.execute(_TABS).fetchone()
    dropped, filtered = connection.execute(_REPORTS).fetchone()
    return Losses(tabs, tabs_with_gaps, int(missing), int(dropped), int(filtered))


def read_summary(connection: sqlite3.Connection) -> StoreSummary:
    """Count everything in one pass over all records. Raise sqlite3.Error."""
    events, sessions = connection.execute(_RECORDS).fetchone()
    _, identified, _, _ = connection.execute(_TABS).fetchone()
    losses = read_losses(connection)
    return StoreSummary(**vars(losses), events=events, identified=int(identified), sessions=sessions)


def read_largest_gaps(connection: sqlite3.Connection, limit: int) -> list[tuple[str, int]]:
    """Return the tabs with the most missing events, and how many are missing. Raise sqlite3.Error."""
    return connection.execute(_LARGEST_GAPS, (limit,)).fetchall()
