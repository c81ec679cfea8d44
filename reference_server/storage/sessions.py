"""The number of sessions: a table of those that have records, and triggers, since schema version 6.

A session exists while a record or a report of it is stored. As in `accounting.py`, a server counts the
records of a transaction at once, and triggers count what anybody else changes.
"""

import sqlite3
from collections.abc import Mapping

from reference_server.storage.accounting import COUNTED


def _count_all(table: str) -> str:
    """Return SQL: how many sessions are in a table, or have a report."""
    return f"SELECT count(*) FROM (SELECT session_id FROM {table} UNION SELECT session_id FROM sessions)"


RECOUNTS = {"sessions": _count_all("records")}
"""As `accounting.RECOUNTS`."""

_STORED = "SELECT session_id, count(*) FROM records GROUP BY session_id"
_KEPT = "SELECT session_id, stored FROM session_records"

COUNT_WRONG = f"""
SELECT count(DISTINCT session_id) FROM (
    SELECT * FROM ({_STORED} EXCEPT {_KEPT}) UNION ALL SELECT * FROM ({_KEPT} EXCEPT {_STORED}))
"""
"""How many sessions have another number of records than `session_records` says."""


def _is_missing(table: str, row: str) -> str:
    return f"NOT EXISTS (SELECT 1 FROM {table} WHERE session_id = {row}.session_id)"


def _count_sessions(table: str, other: str) -> tuple[str, str]:
    """Return the triggers that count the sessions of one table which the other has not."""
    return (
        f"""
        CREATE TRIGGER {table}_session_added AFTER INSERT ON {table} WHEN {_is_missing(other, "new")}
        BEGIN
            UPDATE totals SET sessions = sessions + 1;
        END
        """,
        f"""
        CREATE TRIGGER {table}_session_removed AFTER DELETE ON {table} WHEN {_is_missing(other, "old")}
        BEGIN
            UPDATE totals SET sessions = sessions - 1;
        END
        """,
    )


STATEMENTS = (
    """
    CREATE TABLE session_records (
        session_id TEXT PRIMARY KEY,
        stored INTEGER NOT NULL  -- how many of its records are stored now
    ) WITHOUT ROWID
    """,
    f"INSERT INTO session_records {_STORED} ORDER BY session_id",
    "ALTER TABLE totals ADD COLUMN sessions INTEGER NOT NULL DEFAULT 0",
    f"UPDATE totals SET sessions = ({_count_all('session_records')})",
    *_count_sessions("session_records", "sessions"),
    *_count_sessions("sessions", "session_records"),
    # An earlier server that still has the store open writes 1: it counts its records, but no sessions.
    "DROP TRIGGER records_inserted",
    f"""
    CREATE TRIGGER records_inserted AFTER INSERT ON records WHEN new.counted < {COUNTED}
    BEGIN
        UPDATE totals SET events = events + 1, identified = identified + (new.tab_id IS NOT NULL)
            WHERE new.counted = 0;
        INSERT INTO tabs (tab_id, stored, logged)
            SELECT new.tab_id, 1, new.seq + 1 WHERE new.counted = 0 AND new.tab_id IS NOT NULL
            ON CONFLICT (tab_id) DO UPDATE SET stored = stored + 1, logged = max(logged, excluded.logged);
        INSERT INTO session_records (session_id, stored) VALUES (new.session_id, 1)
            ON CONFLICT (session_id) DO UPDATE SET stored = stored + 1;
    END
    """,
    """
    CREATE TRIGGER records_leave_session AFTER DELETE ON records
    BEGIN
        UPDATE session_records SET stored = stored - 1 WHERE session_id = old.session_id;
    END
    """,
    """
    CREATE TRIGGER session_records_emptied AFTER UPDATE ON session_records WHEN new.stored = 0
    BEGIN
        DELETE FROM session_records WHERE session_id = new.session_id;
    END
    """,
    # `stats` lists the tabs with the largest gaps, which are few.
    "CREATE INDEX tabs_gaps ON tabs (logged - stored DESC, tab_id) WHERE logged > stored",
)
"""Migrate from schema version 5."""

_ADD_TO_SESSION = """
INSERT INTO session_records (session_id, stored) VALUES (?, ?)
    ON CONFLICT (session_id) DO UPDATE SET stored = stored + excluded.stored
"""
_COUNT_RECORDS = f"""
INSERT INTO session_records (session_id, stored)
    SELECT session_id, count(*) FROM records NOT INDEXED
    WHERE id > ? AND counted = {COUNTED} GROUP BY session_id
    ON CONFLICT (session_id) DO UPDATE SET stored = stored + excluded.stored
"""


def add_new_records(connection: sqlite3.Connection, counts: Mapping[str, int]) -> None:
    """Count records that the caller has inserted as COUNTED, and knows: their number by session."""
    connection.executemany(_ADD_TO_SESSION, counts.items())


def count_new_records(connection: sqlite3.Connection, last_id: int) -> None:
    """Count the records that a transaction has inserted as COUNTED: their ids are above `last_id`."""
    connection.execute(_COUNT_RECORDS, (last_id,))
