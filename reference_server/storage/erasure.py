"""Deletion on request: by age, or all of one installation, without a trace in free pages and logs.

It works beside a running server: each step takes the write lock for milliseconds, and a pause lets the server
in.
"""

import json
import os
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from reference_server.errors import StoreUnavailableError
from reference_server.storage.dead_letters import StoredLetter, read_letters
from reference_server.storage.retention import (
    Retention,
    delete_received_before,
    forget_identities,
    forget_reports,
)
from reference_server.storage.schema import check_schema_version
from reference_server.storage.store_files import get_store_files

LOCK_WAIT_SECONDS = 10.0
STEP_ROWS = 1_000
PAUSE_SECONDS = 0.05
"""Between two steps: SQLite waits for a lock with pauses of its own, and would starve without this one."""

LOG_WAIT_SECONDS = 5.0
"""How long to wait for readers that still need the write-ahead log, such as an export."""

REWRITE_BYTES = 64 * 1024 * 1024
"""Up to this size the file is rewritten after an erasure, which takes less than a second. SQLite overwrites
what it deletes, but may leave copies of a row that it moved between pages."""

READ_BYTES = 1024 * 1024


@dataclass
class Deleted:
    """What was deleted so far."""

    records: int = 0
    dead_letters: int = 0


class Erasure:
    """Deletes from one store. Raise StoreUnavailableError if it is not a store, or cannot be changed."""

    def __init__(self, connection: sqlite3.Connection, database: Path) -> None:
        self._connection = connection
        self._database = database
        self.deleted = Deleted()

    def delete_older_than(self, seconds: float) -> None:
        """Delete the records and dead letters that arrived earlier, and forget what is of long ago."""
        now = time.time()
        cutoff = now - seconds
        self._repeat(lambda: self._count_records(delete_received_before(self._connection, cutoff, STEP_ROWS)))
        with self._transaction():
            self.deleted.dead_letters += self._connection.execute(
                "DELETE FROM dead_letters WHERE rejected_at < ?", (cutoff,)
            ).rowcount
        self._repeat(lambda: forget_identities(self._connection, Retention(), now))
        self._repeat(lambda: forget_reports(self._connection, Retention(), now))

    def delete_installation(self, installation_id: str) -> None:
        """Delete the records of one installation, and the dead letters that hold its id or cannot be read.

        A UUID matches in upper and lower case.
        """
        for ids in self._find_records(installation_id):
            with self._transaction():
                self.deleted.records += self._connection.executemany(
                    # The server may have deleted a record meanwhile, and given its number to another.
                    f"DELETE FROM records WHERE id = ? AND {_match(installation_id)}",
                    [(number, installation_id) for number in ids],
                ).rowcount
            time.sleep(PAUSE_SECONDS)
        letters = [
            letter.id for letter in read_letters(self._connection) if _may_hold(letter, installation_id)
        ]
        if letters:
            with self._transaction():
                self.deleted.dead_letters += self._connection.executemany(
                    "DELETE FROM dead_letters WHERE id = ?", [(number,) for number in letters]
                ).rowcount

    def rewrite(self) -> None:
        """Rewrite the database without free pages. The server's writes wait for it."""
        self._connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        self._connection.execute("VACUUM")

    def is_small(self) -> bool:
        """Return whether rewriting takes so little time that a server's writes can wait for it."""
        return self._database.stat().st_size <= REWRITE_BYTES

    def clear_log(self) -> bool:
        """Move the write-ahead log into the database and empty it. Return False if a reader still needs
        it."""
        ends_at = time.monotonic() + LOG_WAIT_SECONDS
        self._connection.execute(f"PRAGMA busy_timeout = {int(PAUSE_SECONDS * 1000)}")
        while True:
            [(busy, _, _)] = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            if not busy or time.monotonic() >= ends_at:
                return not busy
            time.sleep(PAUSE_SECONDS)

    def has_records(self, installation_id: str) -> bool:
        """Return whether records of an installation are stored, such as those that have just arrived."""
        return next(self._find_records(installation_id), None) is not None

    def has_trace(self, installation_id: str) -> bool:
        """Return whether the bytes of a UUID occur in any file of the store.

        Any other id may be part of other texts, and is not searched.
        """
        if not _is_uuid(installation_id):
            return False
        needle = installation_id.encode().lower()
        return any(_contains(file, needle) for file in get_store_files(self._database))

    def _find_records(self, installation_id: str) -> Iterator[list[int]]:
        [(last,)] = self._connection.execute("SELECT coalesce(max(id), 0) FROM records")
        condition = f"id > ? AND id <= ? AND {_match(installation_id)}"
        query = f"SELECT id FROM records WHERE {condition} ORDER BY id LIMIT ?"
        seen = 0
        while rows := self._connection.execute(query, (seen, last, installation_id, STEP_ROWS)).fetchall():
            seen = rows[-1][0]
            yield [number for (number,) in rows]

    def _count_records(self, count: int) -> int:
        self.deleted.records += count
        return count

    def _repeat(self, step: Callable[[], int]) -> None:
        while True:
            with self._transaction():
                count = step()
            if not count:
                return
            time.sleep(PAUSE_SECONDS)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        finally:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")


@contextmanager
def open_erasure(database: Path) -> Iterator[Erasure]:
    """Open a store's file for deletion. Raise StoreUnavailableError."""
    connection = None
    try:
        uri = f"{database.absolute().as_uri()}?mode=rw"
        connection = sqlite3.connect(uri, uri=True, timeout=LOCK_WAIT_SECONDS, isolation_level=None)
        check_schema_version(connection, str(database))
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA secure_delete = ON").fetchall()
        yield Erasure(connection, database)
    except sqlite3.Error as error:
        raise StoreUnavailableError(f"database {database}: {error}") from error
    finally:
        if connection is not None:
            connection.close()


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False


def _match(installation_id: str) -> str:
    """Return SQL: whether a record is of the installation. Its id is the parameter."""
    return "lower(installation_id) = lower(?)" if _is_uuid(installation_id) else "installation_id = ?"


def _may_hold(letter: StoredLetter, installation_id: str) -> bool:
    """Return whether a letter holds the id, or is cut off or otherwise unreadable: then it may."""
    if len(letter.content) < letter.content_bytes:
        return True
    try:
        # Pairs instead of dictionaries: a name that occurs twice would hide the first value.
        content = json.loads(letter.content.decode("utf-8"), object_pairs_hook=list)
        return _holds(content, installation_id.lower())
    except (ValueError, RecursionError):
        return True


def _holds(value: object, text: str) -> bool:
    if isinstance(value, str):
        return text in value.lower()
    return isinstance(value, list | tuple) and any(_holds(member, text) for member in value)


def _contains(file: Path, needle: bytes) -> bool:
    """Return whether a file contains bytes, in lower case; with memory for a small part of it only."""
    if not os.path.exists(file):
        return False
    with file.open("rb") as opened:
        rest = b""
        while part := opened.read(READ_BYTES):
            if needle in (rest + part).lower():
                return True
            rest = part[-len(needle) :]
    return False
