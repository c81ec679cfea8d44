"""What is stored and what is missing, in figures, as the store can tell it.

Each tab numbers its events from 0. Where its highest number is n, n + 1 events were logged, and what is not
among the stored ones is missing: the loss by gap. A part of it is explained by what sessions reported.
"""

import sqlite3
from dataclasses import dataclass

_RECORDS = """
SELECT (SELECT count(*) FROM records),
       (SELECT count(*) FROM (
           SELECT session_id FROM records UNION SELECT session_id FROM sessions))
"""
# total() and not sum(): a tab may claim any number, and their sum must not overflow.
_TABS = """
SELECT count(*), total(stored), total(logged - stored), count(*) FILTER (WHERE logged > stored)
FROM (SELECT count(*) AS stored, max(seq) + 1 AS logged FROM records WHERE tab_id IS NOT NULL GROUP BY tab_id)
"""
_REPORTS = "SELECT total(dropped), total(filtered) FROM sessions"
_LARGEST_GAPS = """
SELECT tab_id, max(seq) + 1 - count(*) AS missing FROM records WHERE tab_id IS NOT NULL
GROUP BY tab_id HAVING missing > 0 ORDER BY missing DESC, tab_id LIMIT ?
"""


@dataclass(frozen=True)
class Losses:
    """Events that are not stored. `missing`: by gap, of all tabs. The others: as sessions reported them."""

    tabs: int
    tabs_with_gaps: int
    missing: int
    dropped: int
    filtered: int

    @property
    def unexplained(self) -> int:
        """What is missing beyond what was reported, never less than 0."""
        return max(0, self.missing - self.dropped - self.filtered)


@dataclass(frozen=True)
class Summary(Losses):
    """The losses, and how much is stored: events, those among them with an identity, and sessions."""

    events: int
    identified: int
    sessions: int


def read_losses(connection: sqlite3.Connection) -> Losses:
    """Count what is missing: one pass over the index of identities. Raises sqlite3.Error."""
    tabs, _, missing, tabs_with_gaps = connection.execute(_TABS).fetchone()
    dropped, filtered = connection.execute(_REPORTS).fetchone()
    return Losses(tabs, tabs_with_gaps, int(missing), int(dropped), int(filtered))


def read_summary(connection: sqlite3.Connection) -> Summary:
    """Count everything: one pass over all records. Raises sqlite3.Error."""
    events, sessions = connection.execute(_RECORDS).fetchone()
    _, identified, _, _ = connection.execute(_TABS).fetchone()
    losses = read_losses(connection)
    return Summary(**vars(losses), events=events, identified=int(identified), sessions=sessions)


def largest_gaps(connection: sqlite3.Connection, most: int) -> list[tuple[str, int]]:
    """Give the tabs that miss most, with how many events. Raises sqlite3.Error."""
    return connection.execute(_LARGEST_GAPS, (most,)).fetchall()
