"""Dead letters: what the server rejected, kept for the operator and bounded in number, size and age.

They stay in the store's file. No response of the server holds any of them.
"""

import sqlite3
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from reference_server.storage.accounting import SECONDS_PER_DAY

MAX_LETTERS = 10_000
MAX_TOTAL_BYTES = 10 * 1024 * 1024
MAX_CONTENT_BYTES = 64 * 1024
"""How much of one rejected record or body is kept: a body may have 8 MiB."""

MAX_AGE_SECONDS = 30 * SECONDS_PER_DAY
MAX_REASON_CHARACTERS = 500
PAGE_LETTERS = 100

_INSERT = """
INSERT INTO dead_letters (rejected_at, reason, field, content, content_bytes) VALUES (?, ?, ?, ?, ?)
"""
_PAGE = """
SELECT id, rejected_at, reason, field, content, content_bytes FROM dead_letters
WHERE id > ? AND id <= ? ORDER BY id LIMIT ?
"""
_LAST = "SELECT coalesce(max(id), 0) FROM dead_letters"
_FIRST_ID_WITHIN_COUNT = "SELECT id FROM dead_letters ORDER BY id DESC LIMIT 1 OFFSET ?"


class DeadLetter(NamedTuple):
    """One rejected record, or a rejected body. `field` is the field at fault, None if there is none."""

    content: bytes
    reason: str
    field: str | None


class StoredLetter(NamedTuple):
    """A dead letter in the store. `content` is cut off if `content_bytes`, the size of all of it, is
    larger."""

    id: int
    rejected_at: int
    reason: str
    field: str | None
    content: bytes
    content_bytes: int


def insert_letters(
    connection: sqlite3.Connection,
    letters: Sequence[DeadLetter],
    rejected_count: int,
    max_total_bytes: int = MAX_TOTAL_BYTES,
) -> None:
    """Keep the letters, count what was rejected, and discard the oldest beyond the bounds.

    Runs in a transaction of the caller. Raise sqlite3.Error.
    """
    now = int(time.time())
    connection.execute("UPDATE totals SET rejected = rejected + ?", (rejected_count,))
    connection.executemany(_INSERT, (_encode_row(letter, now) for letter in letters))
    discard_excess_letters(connection, max_total_bytes)


def discard_excess_letters(connection: sqlite3.Connection, max_total_bytes: int) -> int:
    """Delete the oldest letters beyond the bounds and return how many. Raise sqlite3.Error."""
    return _discard(connection, _find_excess(connection, max_total_bytes))


def discard_old_letters(connection: sqlite3.Connection, now: float) -> int:
    """Delete the letters that are older than MAX_AGE_SECONDS and return how many. Raise sqlite3.Error."""
    [(last,)] = connection.execute(
        "SELECT coalesce(max(id), 0) FROM dead_letters WHERE rejected_at < ?", (int(now) - MAX_AGE_SECONDS,)
    )
    return _discard(connection, last)


def read_letters(connection: sqlite3.Connection) -> Iterator[StoredLetter]:
    """Yield the letters that are kept now, oldest first, in bounded memory. Raise sqlite3.Error."""
    [(last,)] = connection.execute(_LAST)
    seen = 0
    while page := connection.execute(_PAGE, (seen, last, PAGE_LETTERS)).fetchall():
        seen = page[-1][0]
        yield from (StoredLetter(*row) for row in page)


def _encode_row(letter: DeadLetter, now: int) -> tuple[object, ...]:
    content = letter.content[:MAX_CONTENT_BYTES]
    return now, letter.reason[:MAX_REASON_CHARACTERS], letter.field, content, len(letter.content)


def _find_excess(connection: sqlite3.Connection, max_total_bytes: int) -> int:
    """Return the id of the newest letter beyond the bounds, 0 if there is none."""
    row = connection.execute(_FIRST_ID_WITHIN_COUNT, (MAX_LETTERS,)).fetchone()
    last: int = row[0] if row else 0
    [(total,)] = connection.execute("SELECT dead_letter_bytes FROM totals")
    if total > max_total_bytes:
        for number, size in connection.execute("SELECT id, length(content) FROM dead_letters ORDER BY id"):
            if total <= max_total_bytes:
                break
            last, total = max(last, number), total - size
    return last


def _discard(connection: sqlite3.Connection, last: int) -> int:
    """Delete the letters up to an id and return how many."""
    if not last:
        return 0
    count = connection.execute("DELETE FROM dead_letters WHERE id <= ?", (last,)).rowcount
    connection.execute("UPDATE totals SET dead_letters_discarded = dead_letters_discarded + ?", (count,))
    return count
