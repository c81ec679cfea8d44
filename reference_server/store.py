"""Where records are kept.

`Store` is what the server needs; `SqliteStore` is the one that is built in.
"""

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol, TypeVar

import msgspec

from reference_server.errors import StoreUnavailable
from reference_server.records import Record

IN_MEMORY = ":memory:"
"""SQLite's name for a database that lives and dies with its store."""

SCHEMA_VERSION = 1
LOCK_WAIT_SECONDS = 2.0
"""How long a transaction waits for another process that holds the database, before the request fails."""

CREATE = f"""
CREATE TABLE records (
    id INTEGER PRIMARY KEY,  -- order of arrival
    installation_id TEXT NOT NULL,
    event_name TEXT NOT NULL,
    timestamp_ns INTEGER NOT NULL,
    session_id TEXT NOT NULL,
    params TEXT NOT NULL  -- JSON
);
PRAGMA user_version = {SCHEMA_VERSION};
"""
COLUMNS = "installation_id, event_name, timestamp_ns, session_id, params"
INSERT = f"INSERT INTO records ({COLUMNS}) VALUES (?, ?, ?, ?, ?)"

Result = TypeVar("Result")


class Store(Protocol):
    """A place for records. All methods may be called from any event loop; opened once before any other."""

    async def open(self) -> None:
        """Make the store ready, or raise StoreUnavailable."""

    async def add(self, records: Sequence[Record]) -> None:
        """Keep all the records, or none and raise StoreUnavailable. Returns only when they are durable."""

    async def records(self) -> list[Record]:
        """Give everything that is stored, in order of arrival."""

    async def count(self) -> int:
        """Give the number of stored records."""

    async def close(self) -> None:
        """Finish what was begun and let go of every resource. Closing a closed store does nothing."""


class SqliteStore:
    """Records in an SQLite database in WAL mode, which one thread alone touches.

    Requests that arrive while that thread is busy wait together and are committed in one transaction, so
    that the cost of making data durable is shared. Each is told only of its own end.
    """

    def __init__(
        self, database: str | Path = IN_MEMORY, *, lock_wait_seconds: float = LOCK_WAIT_SECONDS
    ) -> None:
        self._database = str(database)
        self._lock_wait_seconds = lock_wait_seconds
        self._pending: deque[tuple[Sequence[Record], Future[None]]] = deque()
        self._thread: ThreadPoolExecutor | None = None
        self._connection: sqlite3.Connection
        self.transactions = 0
        """How many transactions have been committed: what grouping saves is seen here."""

    async def open(self) -> None:
        """Open the database, creating what is missing. Raises StoreUnavailable when it cannot be used."""
        if self._thread is not None:
            raise RuntimeError("the store is open already")
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sqlite-store")
        try:
            self._connection = await self._run(self._connect)
        except BaseException:
            self._end_thread()
            raise

    async def add(self, records: Sequence[Record]) -> None:
        """Commit the records, together with those of other requests that wait. All of them, or none."""
        thread = self._open_thread()
        stored: Future[None] = Future()
        self._pending.append((records, stored))
        thread.submit(self._commit_pending)
        await asyncio.wrap_future(stored)

    async def records(self) -> list[Record]:
        """Give everything that is stored, in order of arrival."""
        rows = await self._run(lambda: self._query(f"SELECT {COLUMNS} FROM records ORDER BY id"))
        return [
            Record(installation_id, event_name, timestamp_ns, session_id, msgspec.Raw(params.encode()))
            for installation_id, event_name, timestamp_ns, session_id, params in rows
        ]

    async def count(self) -> int:
        """Give the number of stored records."""
        [(count,)] = await self._run(lambda: self._query("SELECT count(*) FROM records"))
        stored: int = count
        return stored

    async def close(self) -> None:
        """Commit what waits, close the database and end the thread."""
        if self._thread is None:
            return
        try:
            await self._run(self._connection.close)
        finally:
            self._end_thread()

    async def _run(self, work: Callable[[], Result]) -> Result:
        """Do work in the store's thread, after all work that was given to it before."""
        try:
            return await asyncio.wrap_future(self._open_thread().submit(work))
        except sqlite3.Error as error:
            raise StoreUnavailable(f"database {self._database}: {error}") from error

    def _open_thread(self) -> ThreadPoolExecutor:
        if self._thread is None:
            raise StoreUnavailable("the store is closed")
        return self._thread

    def _end_thread(self) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.shutdown(wait=True)

    # What follows runs in the store's thread.

    def _connect(self) -> sqlite3.Connection:
        # isolation_level None: transactions begin and end where this module says so.
        connection = sqlite3.connect(
            self._database, timeout=self._lock_wait_seconds, isolation_level=None, check_same_thread=True
        )
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            # FULL: a commit is on the disk when it returns, so an answer holds through a loss of power too.
            connection.execute("PRAGMA synchronous = FULL")
            self._create_schema(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _create_schema(self, connection: sqlite3.Connection) -> None:
        connection.execute("BEGIN IMMEDIATE")  # two servers may open one new file at once
        try:
            [(version,)] = connection.execute("PRAGMA user_version")
            [(tables,)] = connection.execute("SELECT count(*) FROM sqlite_master")
            if version == 0 and tables == 0:
                for statement in CREATE.split(";"):
                    connection.execute(statement)
            elif version != SCHEMA_VERSION:
                raise StoreUnavailable(
                    f"database {self._database}: it is not a store of this server "
                    f"(schema version {version}, expected {SCHEMA_VERSION})"
                )
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def _commit_pending(self) -> None:
        """Commit every request that waits; a request whose sender gave up before is left out."""
        waiting = []
        while self._pending:
            records, stored = self._pending.popleft()
            if stored.set_running_or_notify_cancel():
                waiting.append((records, stored))
        if not waiting:
            return
        failure: BaseException | None = None
        try:
            self._insert(record for records, _ in waiting for record in records)
        except sqlite3.Error as error:
            failure = StoreUnavailable(f"database {self._database}: {error}")
        except BaseException as error:
            failure = error
        for _, stored in waiting:
            if failure is None:
                stored.set_result(None)
            else:
                stored.set_exception(failure)

    def _insert(self, records: Iterable[Record]) -> None:
        rows = (
            (r.installation_id, r.event_name, r.timestamp_ns, r.session_id, bytes(r.params).decode())
            for r in records
        )
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            self._connection.executemany(INSERT, rows)
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:  # SQLite ends it by itself when the disk is full
                self._connection.execute("ROLLBACK")
            raise
        self.transactions += 1

    def _query(self, statement: str) -> list[tuple[Any, ...]]:
        return self._connection.execute(statement).fetchall()
