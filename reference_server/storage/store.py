"""Where records are kept.

`Store` is what the server needs; `SqliteStore` is the one that is built in.
"""

import asyncio
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from reference_server.errors import StoreUnavailableError
from reference_server.model.batch import SessionReport
from reference_server.model.record import Record
from reference_server.storage.readonly import open_readonly
from reference_server.storage.row_mapping import (
    INSERT,
    INSERT_REPORT,
    SELECT_ALL,
    record_of,
    report_row_of,
    row_of,
)
from reference_server.storage.schema import prepare
from reference_server.storage.stats import Losses, read_losses

IN_MEMORY = ":memory:"
"""SQLite's name for a database that lives and dies with its store."""

LOCK_WAIT_SECONDS = 2.0
"""How long a transaction waits for another process that holds the database, before the request fails."""

Result = TypeVar("Result")


class Store(Protocol):
    """A place for records. All methods may be called from any event loop; opened once before any other."""

    async def open(self) -> None:
        """Make the store ready, or raise StoreUnavailableError."""

    async def add(self, records: Sequence[Record], report: SessionReport | None = None) -> int:
        """Keep all the records, and of what a session reports the maximum, or nothing of it.

        A record whose identity is stored already is not stored again. Returns how many were new, and only
        when all are durable. Raises StoreUnavailableError where nothing was stored.
        """

    async def records(self) -> list[Record]:
        """Give everything that is stored, in order of arrival."""

    async def count(self) -> int:
        """Give the number of stored records."""

    async def losses(self) -> Losses:
        """Count what is not stored. Raises StoreUnavailableError."""

    async def close(self) -> None:
        """Finish what was begun and let go of every resource. Closing a closed store does nothing."""


@dataclass
class _Request:
    """What one request asks to be stored, and the promise that tells how many of its records were new."""

    records: Sequence[Record]
    report: SessionReport | None
    stored: "Future[int]" = field(default_factory=Future)


class SqliteStore:
    """Records in an SQLite database in WAL mode, to which one thread alone writes.

    Requests that arrive while that thread is busy wait together and are committed in one transaction, so
    that the cost of making data durable is shared. Each is told only of its own end.

    lock_wait_seconds: how long a transaction waits for another process that holds the database. Raises
    ValueError for what is no such time.
    """

    def __init__(
        self, database: str | Path = IN_MEMORY, *, lock_wait_seconds: float = LOCK_WAIT_SECONDS
    ) -> None:
        if not 0 <= lock_wait_seconds < float("inf"):
            raise ValueError(f"lock_wait_seconds {lock_wait_seconds}: has to be a number of seconds")
        self._database = str(database)
        self._lock_wait_seconds = lock_wait_seconds
        self._pending: deque[_Request] = deque()
        self._thread: ThreadPoolExecutor | None = None
        self._reader: ThreadPoolExecutor | None = None
        self._connection: sqlite3.Connection
        self.transactions = 0
        """How many transactions have been committed: what grouping saves is seen here."""
        self.observe_commit: Callable[[float], None] = lambda seconds: None
        """Called after each commit, in the store's thread, with how long its transaction took."""

    async def open(self) -> None:
        """Open the database, creating what is missing. Raises StoreUnavailableError when it cannot be used."""
        if self._thread is not None:
            raise RuntimeError("the store is open already")
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sqlite-store")
        try:
            self._connection = await self._run(self._connect)
        except BaseException:
            self._end_threads()
            raise

    async def add(self, records: Sequence[Record], report: SessionReport | None = None) -> int:
        """Commit the records, together with those of other requests that wait. All of them, or none."""
        thread = self._open_thread()
        request = _Request(records, report)
        self._pending.append(request)
        thread.submit(self._commit_pending)
        return await asyncio.wrap_future(request.stored)

    async def records(self) -> list[Record]:
        """Give everything that is stored, in order of arrival."""
        rows = await self._run(lambda: self._query(SELECT_ALL))
        return [record_of(row) for row in rows]

    async def count(self) -> int:
        """Give the number of stored records."""
        [(count,)] = await self._run(lambda: self._query("SELECT count(*) FROM records"))
        stored: int = count
        return stored

    async def losses(self) -> Losses:
        """Count what is not stored, beside the commits: of a file it is read in a thread of its own."""
        if self._database == IN_MEMORY:
            return await self._run(lambda: read_losses(self._connection))
        self._open_thread()
        if self._reader is None:
            self._reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sqlite-reader")
        return await asyncio.wrap_future(self._reader.submit(self._read_losses))

    async def close(self) -> None:
        """Commit what waits, close the database and end the thread."""
        if self._thread is None:
            return
        try:
            await self._run(self._connection.close)
        finally:
            self._end_threads()

    async def _run(self, work: Callable[[], Result]) -> Result:
        """Do work in the store's thread, after all work that was given to it before."""
        try:
            return await asyncio.wrap_future(self._open_thread().submit(work))
        except sqlite3.Error as error:
            raise StoreUnavailableError(f"database {self._database}: {error}") from error

    def _open_thread(self) -> ThreadPoolExecutor:
        if self._thread is None:
            raise StoreUnavailableError("the store is closed")
        return self._thread

    def _end_threads(self) -> None:
        threads = self._thread, self._reader
        self._thread = self._reader = None
        for thread in threads:
            if thread is not None:
                thread.shutdown(wait=True)

    def _read_losses(self) -> Losses:
        with open_readonly(self._database) as connection:
            return read_losses(connection)

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
            prepare(connection, self._database)
        except BaseException:
            connection.close()
            raise
        return connection

    def _commit_pending(self) -> None:
        """Commit every request that waits; a request whose sender gave up before is left out."""
        waiting = []
        while self._pending:
            request = self._pending.popleft()
            if request.stored.set_running_or_notify_cancel():
                waiting.append(request)
        if not waiting:
            return
        try:
            new_counts = self._store(waiting)
        except BaseException as error:
            failure: BaseException = error
            if isinstance(error, sqlite3.Error):
                failure = StoreUnavailableError(f"database {self._database}: {error}")
            for request in waiting:
                request.stored.set_exception(failure)
        else:
            for request, new_count in zip(waiting, new_counts, strict=True):
                request.stored.set_result(new_count)

    def _store(self, requests: Sequence[_Request]) -> list[int]:
        """Commit requests in one transaction; give for each how many of its records were new."""
        began = time.perf_counter()
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            new_counts = [self._insert(request) for request in requests]
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:  # SQLite ends it by itself when the disk is full
                self._connection.execute("ROLLBACK")
            raise
        self.transactions += 1
        self.observe_commit(time.perf_counter() - began)
        return new_counts

    def _insert(self, request: _Request) -> int:
        new_count = 0
        if request.records:
            # executemany adds up the rows of all its statements; one that was left out is not among them.
            new_count = self._connection.executemany(INSERT, map(row_of, request.records)).rowcount
        if request.report is not None:
            self._connection.execute(INSERT_REPORT, report_row_of(request.report))
        return new_count

    def _query(self, statement: str) -> list[tuple[Any, ...]]:
        return self._connection.execute(statement).fetchall()
