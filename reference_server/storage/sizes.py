"""About how much room identities and reports of sessions take: counters and triggers, since schema version 5.

Anybody can post any number of either. So both have a share of the store, and reports a time of arrival.
"""

from collections.abc import Callable

from reference_server.storage.accounting import reported

_LONG_ID_BYTES = 900
"""SQLite gives a longer key, and its copy in an index, pages of their own."""


def _length(row: str, name: str) -> str:
    return f"length(CAST({row}.{name} AS BLOB))"


def _tab(row: str) -> str:
    """Return SQL: the bytes of the counters of a tab."""
    return f"(30 + 2 * {_length(row, 'tab_id')})"


def _range(row: str) -> str:
    """Return SQL: the bytes of a range of deleted identities, with its index."""
    return f"(60 + 4 * {_length(row, 'tab_id')})"


def _report(row: str) -> str:
    """Return SQL: the bytes of a session's report, with its index."""
    length = _length(row, "session_id")
    return f"(60 + {length} * (CASE WHEN {length} < {_LONG_ID_BYTES} THEN 3 ELSE 10 END))"


RECOUNTS = {
    "identity_bytes": f"""
        SELECT (SELECT coalesce(sum({_tab("tabs")}), 0) FROM tabs)
            + (SELECT coalesce(sum({_range("deleted_identities")}), 0) FROM deleted_identities)""",
    "reports": "SELECT count(*) FROM sessions",
    "report_bytes": f"SELECT coalesce(sum({_report('sessions')}), 0) FROM sessions",
    "dropped": f"""
        SELECT coalesce(sum({reported("dropped")}), 0) + (SELECT forgotten_dropped FROM totals)
        FROM sessions""",
    "filtered": f"""
        SELECT coalesce(sum({reported("filtered")}), 0) + (SELECT forgotten_filtered FROM totals)
        FROM sessions""",
}
"""As `accounting.RECOUNTS`."""

_CREATE_COLUMNS = (
    # The reports of an older store count as received at the migration: it is unknown when they were.
    "ALTER TABLE sessions ADD COLUMN reported_at INTEGER NOT NULL DEFAULT {now}",
    "CREATE INDEX sessions_age ON sessions (reported_at)",
    "ALTER TABLE totals ADD COLUMN identity_bytes INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE totals ADD COLUMN reports INTEGER NOT NULL DEFAULT 0",  # rows of `sessions`
    "ALTER TABLE totals ADD COLUMN report_bytes INTEGER NOT NULL DEFAULT 0",
    # The parts of `dropped` and `filtered` whose row in `sessions` is gone.
    "ALTER TABLE totals ADD COLUMN forgotten_dropped INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE totals ADD COLUMN forgotten_filtered INTEGER NOT NULL DEFAULT 0",
    *(
        f"UPDATE totals SET {name} = ({RECOUNTS[name]})"
        for name in ("identity_bytes", "reports", "report_bytes")
    ),
)


def _count_size(table: str, name: str, size: Callable[[str], str]) -> tuple[str, str]:
    """Return the triggers that keep a counter of `totals` up to date. `size` returns the SQL for a row."""
    return (
        f"""
        CREATE TRIGGER {table}_size_added AFTER INSERT ON {table}
        BEGIN
            UPDATE totals SET {name} = {name} + {size("new")};
        END
        """,
        f"""
        CREATE TRIGGER {table}_size_removed AFTER DELETE ON {table}
        BEGIN
            UPDATE totals SET {name} = {name} - {size("old")};
        END
        """,
    )


STATEMENTS = (
    *_CREATE_COLUMNS,
    *_count_size("tabs", "identity_bytes", _tab),
    *_count_size("deleted_identities", "identity_bytes", _range),
    *_count_size("sessions", "report_bytes", _report),
    """
    CREATE TRIGGER sessions_counted AFTER INSERT ON sessions
    BEGIN
        UPDATE totals SET reports = reports + 1;
    END
    """,
    f"""
    CREATE TRIGGER sessions_forgotten AFTER DELETE ON sessions
    BEGIN
        UPDATE totals SET
            reports = reports - 1,
            forgotten_dropped = forgotten_dropped + {reported("old.dropped")},
            forgotten_filtered = forgotten_filtered + {reported("old.filtered")};
    END
    """,
)
"""Migrate from schema version 4."""
