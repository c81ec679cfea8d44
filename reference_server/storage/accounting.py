"""Counters, deleted identities and dead letters: their tables and triggers, since schema version 3.

The counters change in the transaction that changes the rows, so they are exact after a crash. A server counts
the records of a transaction at once (`count_new_records`). Triggers count what anybody else changes: `prune`,
an earlier server, a person with a database tool. Reading the counters takes one row.
"""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence

PLAUSIBLE_GAP = 100_000
"""The largest gap in one tab's numbers that counts as missing events. Anybody can post a record with any
number, so a larger gap is counted as an implausible tab instead: it must not spoil the count of missing
events for good."""

PLAUSIBLE_REPORT = 10**9
"""The largest count that one session can report as dropped or filtered. A larger one counts as nothing."""

NOW = "CAST(strftime('%s', 'now') AS INTEGER)"
"""SQL: the seconds since 1970. `unixepoch()` needs SQLite 3.38."""

SECONDS_PER_DAY = 86_400

COUNTED = 2
"""What a server writes as `counted` into the records that it counts; the triggers leave them out."""

_TOTALS = (
    "events",  # stored now
    "identified",  # those of them with an identity
    "accepted",  # since the store exists, including duplicates
    "duplicates",
    "rejected",
    "deleted",
    "deleted_ranges",  # rows of `deleted_identities`
    "tabs",  # since the store exists, including forgotten ones
    "tabs_with_gaps",
    "implausible_tabs",
    "missing",
    "forgotten_tabs",  # the parts of the four counts above whose row in `tabs` is gone
    "forgotten_tabs_with_gaps",
    "forgotten_implausible_tabs",
    "forgotten_missing",
    "dropped",
    "filtered",
    "dead_letters",  # kept now
    "dead_letter_bytes",
    "dead_letters_discarded",  # by the bounds on their number, size and age
)


def _missing(row: str) -> str:
    gap = f"{row}.logged - {row}.stored"
    return f"(CASE WHEN {gap} <= {PLAUSIBLE_GAP} THEN {gap} ELSE 0 END)"


def _has_gap(row: str) -> str:
    return f"({row}.logged > {row}.stored)"


def _is_implausible(row: str) -> str:
    return f"({row}.logged - {row}.stored > {PLAUSIBLE_GAP})"


def reported(value: str) -> str:
    """Return SQL: what a count that a session reported adds to the counters."""
    return f"(CASE WHEN {value} <= {PLAUSIBLE_REPORT} THEN {value} ELSE 0 END)"


def _is_deleted(row: str) -> str:
    """Return SQL: whether a deleted record had this identity. The ranges of a tab do not overlap."""
    return f"""EXISTS (
        SELECT 1 FROM deleted_identities
        WHERE tab_id = {row}.tab_id AND last_seq >= {row}.seq AND first_seq = (
            SELECT max(first_seq) FROM deleted_identities
            WHERE tab_id = {row}.tab_id AND first_seq <= {row}.seq))"""


_CREATE_TABLES = (
    "CREATE INDEX records_received ON records (received_at)",
    f"""
    CREATE TABLE totals (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        {", ".join(f"{name} INTEGER NOT NULL DEFAULT 0" for name in _TOTALS)}
    )
    """,
    "INSERT INTO totals (id) VALUES (1)",
    """
    CREATE TABLE tabs (
        tab_id TEXT PRIMARY KEY,
        stored INTEGER NOT NULL,  -- how many numbers have arrived; a deletion does not change it
        logged INTEGER NOT NULL  -- the highest number that has arrived, plus 1
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE deleted_identities (
        tab_id TEXT NOT NULL,
        first_seq INTEGER NOT NULL,
        last_seq INTEGER NOT NULL,
        deleted_at INTEGER NOT NULL,
        PRIMARY KEY (tab_id, first_seq)
    ) WITHOUT ROWID
    """,
    "CREATE INDEX deleted_identities_age ON deleted_identities (deleted_at)",
    """
    CREATE TABLE dead_letters (
        id INTEGER PRIMARY KEY,  -- order of arrival
        rejected_at INTEGER NOT NULL,  -- seconds since 1970
        reason TEXT NOT NULL,
        field TEXT,
        content BLOB NOT NULL,  -- the record or body as it arrived, up to a limit
        content_bytes INTEGER NOT NULL  -- the size of all of it
    )
    """,
)

_FILL_FROM_RECORDS = (
    """ INSERT INTO tabs SELECT tab_id, count(*), max(seq) + 1 FROM records WHERE tab_id IS NOT NULL GROUP BY
    tab_id ORDER BY tab_id
    """,
    f"""
    UPDATE totals SET
        events = (SELECT count(*) FROM records),
        identified = (SELECT coalesce(sum(stored), 0) FROM tabs),
        accepted = (SELECT count(*) FROM records),
        tabs = (SELECT count(*) FROM tabs),
        tabs_with_gaps = (SELECT coalesce(sum({_has_gap("tabs")}), 0) FROM tabs),
        implausible_tabs = (SELECT coalesce(sum({_is_implausible("tabs")}), 0) FROM tabs),
        missing = (SELECT coalesce(sum({_missing("tabs")}), 0) FROM tabs),
        dropped = (SELECT coalesce(sum({reported("dropped")}), 0) FROM sessions),
        filtered = (SELECT coalesce(sum({reported("filtered")}), 0) FROM sessions)
    """,
)

_RECORD_TRIGGERS = (
    f"""
    CREATE TRIGGER records_refuse_deleted BEFORE INSERT ON records
    WHEN new.tab_id IS NOT NULL AND {_is_deleted("new")}
    BEGIN
        SELECT raise(IGNORE);  -- a duplicate of a record that was deleted
    END
    """,
    """
    CREATE TRIGGER records_inserted AFTER INSERT ON records
    BEGIN
        UPDATE totals SET events = events + 1, identified = identified + (new.tab_id IS NOT NULL); INSERT INTO
        tabs (tab_id, stored, logged) SELECT new.tab_id, 1, new.seq + 1 WHERE new.tab_id IS NOT NULL
            ON CONFLICT (tab_id) DO UPDATE SET stored = stored + 1, logged = max(logged, excluded.logged);
    END
    """,
    f"""
    CREATE TRIGGER records_deleted AFTER DELETE ON records
    BEGIN
        UPDATE totals SET
            events = events - 1,
            identified = identified - (old.tab_id IS NOT NULL),
            deleted = deleted + 1;
        -- The numbers of a tab are mostly deleted in ascending order: one range holds them.
        UPDATE deleted_identities SET last_seq = old.seq, deleted_at = {NOW}
            WHERE tab_id = old.tab_id AND last_seq = old.seq - 1 AND first_seq = (
                SELECT max(first_seq) FROM deleted_identities
                WHERE tab_id = old.tab_id AND first_seq < old.seq);
        INSERT INTO deleted_identities
            SELECT old.tab_id, old.seq, old.seq, {NOW}
            WHERE old.tab_id IS NOT NULL AND NOT {_is_deleted("old")};
    END
    """,
)

_TAB_TRIGGERS = (
    f"""
    CREATE TRIGGER tabs_inserted AFTER INSERT ON tabs
    BEGIN
        UPDATE totals SET
            tabs = tabs + 1,
            tabs_with_gaps = tabs_with_gaps + {_has_gap("new")},
            implausible_tabs = implausible_tabs + {_is_implausible("new")},
            missing = missing + {_missing("new")};
    END
    """,
    f"""
    CREATE TRIGGER tabs_updated AFTER UPDATE OF stored, logged ON tabs
    WHEN new.logged - new.stored <> old.logged - old.stored
    BEGIN
        UPDATE totals SET
            tabs_with_gaps = tabs_with_gaps + {_has_gap("new")} - {_has_gap("old")},
            implausible_tabs = implausible_tabs + {_is_implausible("new")} - {_is_implausible("old")},
            missing = missing + {_missing("new")} - {_missing("old")};
    END
    """,
    f"""
    CREATE TRIGGER tabs_forgotten AFTER DELETE ON tabs
    BEGIN
        UPDATE totals SET
            forgotten_tabs = forgotten_tabs + 1,
            forgotten_tabs_with_gaps = forgotten_tabs_with_gaps + {_has_gap("old")},
            forgotten_implausible_tabs = forgotten_implausible_tabs + {_is_implausible("old")},
            forgotten_missing = forgotten_missing + {_missing("old")};
    END
    """,
)

_IDENTITY_TRIGGERS = (
    """
    CREATE TRIGGER deleted_identities_inserted AFTER INSERT ON deleted_identities
    BEGIN
        UPDATE totals SET deleted_ranges = deleted_ranges + 1;
    END
    """,
    # The last trace of a tab is forgotten: its part of the counters stays in `totals`.
    """
    CREATE TRIGGER deleted_identities_forgotten AFTER DELETE ON deleted_identities
    BEGIN
        UPDATE totals SET deleted_ranges = deleted_ranges - 1;
        DELETE FROM tabs WHERE tab_id = old.tab_id
            AND NOT EXISTS (SELECT 1 FROM deleted_identities WHERE tab_id = old.tab_id)
            AND NOT EXISTS (SELECT 1 FROM records WHERE tab_id = old.tab_id);
    END
    """,
)

_OTHER_TRIGGERS = (
    f"""
    CREATE TRIGGER sessions_inserted AFTER INSERT ON sessions
    BEGIN
        UPDATE totals SET
            dropped = dropped + {reported("new.dropped")},
            filtered = filtered + {reported("new.filtered")};
    END
    """,
    f"""
    CREATE TRIGGER sessions_updated AFTER UPDATE ON sessions
    BEGIN
        UPDATE totals SET
            dropped = dropped + {reported("new.dropped")} - {reported("old.dropped")},
            filtered = filtered + {reported("new.filtered")} - {reported("old.filtered")};
    END
    """,
    """
    CREATE TRIGGER dead_letters_inserted AFTER INSERT ON dead_letters
    BEGIN
        UPDATE totals SET
            dead_letters = dead_letters + 1,
            dead_letter_bytes = dead_letter_bytes + length(new.content);
    END
    """,
    """
    CREATE TRIGGER dead_letters_deleted AFTER DELETE ON dead_letters
    BEGIN
        UPDATE totals SET
            dead_letters = dead_letters - 1,
            dead_letter_bytes = dead_letter_bytes - length(old.content);
    END
    """,
)

STATEMENTS = (
    *_CREATE_TABLES,
    *_FILL_FROM_RECORDS,
    *_RECORD_TRIGGERS,
    *_TAB_TRIGGERS,
    *_IDENTITY_TRIGGERS,
    *_OTHER_TRIGGERS,
)
"""Create all of it, and count what an older store holds."""

COUNT_TOGETHER_STATEMENTS = (
    "ALTER TABLE records ADD COLUMN counted INTEGER NOT NULL DEFAULT 0",  # 1: without the triggers
    "DROP TRIGGER records_refuse_deleted",
    "DROP TRIGGER records_inserted",
    f"""
    CREATE TRIGGER records_refuse_deleted BEFORE INSERT ON records
    WHEN new.counted = 0 AND new.tab_id IS NOT NULL AND {_is_deleted("new")}
    BEGIN
        SELECT raise(IGNORE);  -- a duplicate of a record that was deleted
    END
    """,
    """
    CREATE TRIGGER records_inserted AFTER INSERT ON records WHEN new.counted = 0
    BEGIN
        UPDATE totals SET events = events + 1, identified = identified + (new.tab_id IS NOT NULL);
        INSERT INTO tabs (tab_id, stored, logged)
            SELECT new.tab_id, 1, new.seq + 1 WHERE new.tab_id IS NOT NULL
            ON CONFLICT (tab_id) DO UPDATE SET stored = stored + 1, logged = max(logged, excluded.logged);
    END
    """,
)
"""Migrate from schema version 3: triggers leave out the records that a server counts together."""

_ADD_TO_TAB = """
INSERT INTO tabs (tab_id, stored, logged) VALUES (?, ?, ?)
    ON CONFLICT (tab_id) DO UPDATE SET
        stored = stored + excluded.stored, logged = max(logged, excluded.logged)
"""
_ADD_EVENTS = "UPDATE totals SET events = events + ?, identified = identified + ?"
# NOT INDEXED: the rows above an id are few, and an index on all tabs is not the way to them.
_LAST_ID = "SELECT coalesce(max(id), 0) FROM records"
_HAS_DELETIONS = "SELECT EXISTS (SELECT 1 FROM deleted_identities WHERE tab_id = ?)"
_COUNT_TABS = f"""
INSERT INTO tabs (tab_id, stored, logged)
    SELECT tab_id, count(*), max(seq) + 1 FROM records NOT INDEXED
    WHERE id > ? AND counted = {COUNTED} AND tab_id IS NOT NULL GROUP BY tab_id
    ON CONFLICT (tab_id) DO UPDATE SET
        stored = stored + excluded.stored, logged = max(logged, excluded.logged)
"""
_COUNT_EVENTS = f"""
UPDATE totals SET (events, identified) = (
    SELECT events + count(*), identified + count(tab_id) FROM records NOT INDEXED
    WHERE id > ? AND counted = {COUNTED})
"""

RECOUNTS = {
    "events": "SELECT count(*) FROM records",
    "identified": "SELECT count(*) FROM records WHERE tab_id IS NOT NULL",
    "deleted_ranges": "SELECT count(*) FROM deleted_identities",
    "tabs": "SELECT count(*) + (SELECT forgotten_tabs FROM totals) FROM tabs",
    "tabs_with_gaps": f"""
        SELECT coalesce(sum({_has_gap("tabs")}), 0) + (SELECT forgotten_tabs_with_gaps FROM totals)
        FROM tabs""",
    "implausible_tabs": f"""
        SELECT coalesce(sum({_is_implausible("tabs")}), 0) + (SELECT forgotten_implausible_tabs FROM totals)
        FROM tabs""",
    "missing": f"""
        SELECT coalesce(sum({_missing("tabs")}), 0) + (SELECT forgotten_missing FROM totals) FROM tabs""",
    "dead_letters": "SELECT count(*) FROM dead_letters",
    "dead_letter_bytes": "SELECT coalesce(sum(length(content)), 0) FROM dead_letters",
}
"""The counters of `totals` that can be counted again, each with the query that does so."""


def read_last_id(connection: sqlite3.Connection) -> int:
    """Return the highest id of a record: those that a transaction inserts have higher ones."""
    [(last,)] = connection.execute(_LAST_ID)
    return int(last)


def find_tabs_with_deletions(connection: sqlite3.Connection, tab_ids: Iterable[str]) -> set[str]:
    """Return which tabs have deleted records. Only the triggers tell their repeats from new records."""
    [(deleted_ranges,)] = connection.execute("SELECT deleted_ranges FROM totals")
    if not deleted_ranges:
        return set()
    return {tab_id for tab_id in set(tab_ids) if connection.execute(_HAS_DELETIONS, (tab_id,)).fetchone()[0]}


def add_new_records(connection: sqlite3.Connection, count: int, seqs: Mapping[str, Sequence[int]]) -> None:
    """Count records that the caller has inserted as COUNTED, and knows. `seqs`: their numbers by tab."""
    connection.executemany(
        _ADD_TO_TAB, ((tab_id, len(numbers), max(numbers) + 1) for tab_id, numbers in seqs.items())
    )
    connection.execute(_ADD_EVENTS, (count, sum(map(len, seqs.values()))))


def count_new_records(connection: sqlite3.Connection, last_id: int) -> None:
    """Count the records that a transaction has inserted as COUNTED: their ids are above `last_id`."""
    connection.execute(_COUNT_TABS, (last_id,))
    connection.execute(_COUNT_EVENTS, (last_id,))
