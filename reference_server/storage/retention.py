"""Deletion of records, in steps that each take the write lock for some milliseconds only.

A deleted record leaves its identity behind (see `accounting.py`), so that a late repeat of it is a duplicate
and no gap appears. After IDENTITY_DAYS the identity is forgotten too.

Identities, dead letters and reports of sessions have shares of `max_bytes`. What exceeds its share goes
before any record does.
"""

import sqlite3
import time
from dataclasses import dataclass

from reference_server.storage.accounting import SECONDS_PER_DAY
from reference_server.storage.dead_letters import (
    MAX_TOTAL_BYTES,
    discard_excess_letters,
    discard_old_letters,
)

STEP_ROWS = 500
"""How many rows one statement deletes."""

STEP_SECONDS = 0.05
"""How long one step deletes. Batches that arrive meanwhile are stored between two steps."""

IDENTITY_DAYS = 90
"""How long the identity of a deleted record is remembered. A worker repeats a batch whose response was lost
when its browser starts again: a repeat after more than 90 days would be stored as a new event."""

REPORT_DAYS = 90
"""How long a session's report is kept after the session has reported last. Its part stays in the counters, so
a session that reports again after more than 90 days is counted anew."""

MIN_MAX_BYTES = 1024 * 1024
"""The least size that a store can be limited to. The tables and indexes of an empty store take 0.1 MiB."""

_INCREMENTAL = 2
"""The value of `PRAGMA auto_vacuum` for a store whose file can shrink."""

_END_OF_TIME = 2**62
"""Later than any time in the store, also if its clock was set back."""

_FORGET = """
DELETE FROM deleted_identities WHERE (tab_id, first_seq) IN (
    SELECT tab_id, first_seq FROM deleted_identities WHERE deleted_at < ? ORDER BY deleted_at LIMIT ?)
"""

_FORGET_REPORTS = """
DELETE FROM sessions WHERE session_id IN (
    SELECT session_id FROM sessions WHERE reported_at < ? ORDER BY reported_at LIMIT ?)
"""


@dataclass(frozen=True)
class Retention:
    """How long and how much a store keeps. Raise ValueError for a limit that lets it keep nothing.

    max_age_seconds: records that arrived earlier, by the server's clock, are deleted; None keeps them.
    max_bytes: the oldest records are deleted while the store's file needs more than this; None keeps them.
    """

    max_age_seconds: float | None = None
    max_bytes: int | None = None

    def __post_init__(self) -> None:
        if self.max_age_seconds is not None and not 0 < self.max_age_seconds < float("inf"):
            raise ValueError(f"max_age_seconds {self.max_age_seconds}: expected a number above 0")
        if self.max_bytes is not None and self.max_bytes < MIN_MAX_BYTES:
            raise ValueError(f"max_bytes {self.max_bytes}: expected at least {MIN_MAX_BYTES}")

    @property
    def max_dead_letter_bytes(self) -> int:
        """The bound on all dead letters: a tenth of `max_bytes` if that is less than their own bound."""
        return MAX_TOTAL_BYTES if self.max_bytes is None else min(MAX_TOTAL_BYTES, self.max_bytes // 10)

    @property
    def max_identity_bytes(self) -> float:
        """The bound on identities: half of `max_bytes`."""
        return float("inf") if self.max_bytes is None else self.max_bytes / 2

    @property
    def max_report_bytes(self) -> float:
        """The bound on the reports of sessions: a tenth of `max_bytes`."""
        return float("inf") if self.max_bytes is None else self.max_bytes / 10


def has_work(connection: sqlite3.Connection, retention: Retention) -> bool:
    """Return whether a step may have something to do: it takes the write lock, which others may hold."""
    if retention.max_age_seconds is not None or retention.max_bytes is not None:
        return True
    [(found,)] = connection.execute("SELECT dead_letters + deleted_ranges + reports FROM totals")
    return bool(found)


def run_step(connection: sqlite3.Connection, retention: Retention, now: float) -> bool:
    """Delete what the retention and the bounds say, for about STEP_SECONDS, in a transaction of the caller.

    Return whether there is more to delete. Raise sqlite3.Error.
    """
    began = time.perf_counter()
    discard_old_letters(connection, now)
    discard_excess_letters(connection, retention.max_dead_letter_bytes)
    while True:
        forgotten = forget_identities(connection, retention, now)
        forgotten += forget_reports(connection, retention, now)
        deleted = _delete_too_old(connection, retention, now)
        if not forgotten:
            deleted += _delete_too_large(connection, retention)
        if not deleted and not forgotten:
            return False
        if time.perf_counter() - began >= STEP_SECONDS:
            return True


def shrink_file(connection: sqlite3.Connection, retention: Retention) -> bool:
    """Return some free pages of a too large file to the file system; outside a transaction.

    Return whether there is more to do. Without effect on a store that an earlier version created, until
    `prune --rewrite`. Raise sqlite3.Error.
    """
    if retention.max_bytes is None:
        return False
    [(pages,)] = connection.execute("PRAGMA page_count")
    [(size,)] = connection.execute("PRAGMA page_size")
    excess = pages - retention.max_bytes // size
    [(free,)] = connection.execute("PRAGMA freelist_count")
    [(mode,)] = connection.execute("PRAGMA auto_vacuum")
    if min(excess, free) <= 0 or mode != _INCREMENTAL:
        return False
    # A script: execute() would stop after the first page.
    connection.executescript(f"PRAGMA incremental_vacuum({min(excess, free, STEP_ROWS)})")
    connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()  # which makes the file itself smaller
    return bool(min(excess, free) > STEP_ROWS)


def delete_received_before(connection: sqlite3.Connection, cutoff: float, limit: int) -> int:
    """Delete the oldest records that arrived before a time in seconds since 1970. Return how many."""
    return connection.execute(
        "DELETE FROM records WHERE id IN ("
        "SELECT id FROM records WHERE received_at < ? ORDER BY received_at LIMIT ?)",
        (cutoff, limit),
    ).rowcount


def read_used_bytes(connection: sqlite3.Connection) -> int:
    """Return the size of the pages in use. The file may be larger: SQLite fills free pages first."""
    [(pages,)] = connection.execute("PRAGMA page_count")
    [(free,)] = connection.execute("PRAGMA freelist_count")
    [(size,)] = connection.execute("PRAGMA page_size")
    return int((pages - free) * size)


def _delete_too_old(connection: sqlite3.Connection, retention: Retention, now: float) -> int:
    if retention.max_age_seconds is None:
        return 0
    return delete_received_before(connection, now - retention.max_age_seconds, STEP_ROWS)


def _delete_too_large(connection: sqlite3.Connection, retention: Retention) -> int:
    if retention.max_bytes is None or read_used_bytes(connection) <= retention.max_bytes:
        return 0
    return connection.execute(
        "DELETE FROM records WHERE id IN (SELECT id FROM records ORDER BY id LIMIT ?)", (STEP_ROWS,)
    ).rowcount


def forget_identities(connection: sqlite3.Connection, retention: Retention, now: float) -> int:
    """Forget identities that were deleted long ago, at most STEP_ROWS. Return how many rows.

    If identities take more than half of `max_bytes`, the oldest are forgotten early: they must not displace
    records.
    """
    horizon = int(now) - IDENTITY_DAYS * SECONDS_PER_DAY
    if _read_total(connection, "identity_bytes") > retention.max_identity_bytes:
        horizon = _END_OF_TIME
    return connection.execute(_FORGET, (horizon, STEP_ROWS)).rowcount


def forget_reports(connection: sqlite3.Connection, retention: Retention, now: float) -> int:
    """Forget the reports of sessions that reported last long ago, at most STEP_ROWS. Return how many rows.

    If reports take more than a tenth of `max_bytes`, the oldest are forgotten early.
    """
    horizon, limit = int(now) - REPORT_DAYS * SECONDS_PER_DAY, STEP_ROWS
    size = _read_total(connection, "report_bytes")
    if size > retention.max_report_bytes:
        # No more than have to go: a session that reports again would be counted anew.
        excess = _read_total(connection, "reports") * (1 - retention.max_report_bytes / size)
        horizon, limit = _END_OF_TIME, min(STEP_ROWS, max(1, int(excess)))
    return connection.execute(_FORGET_REPORTS, (horizon, limit)).rowcount


def _read_total(connection: sqlite3.Connection, name: str) -> int:
    [(value,)] = connection.execute(f"SELECT {name} FROM totals")
    return int(value)
