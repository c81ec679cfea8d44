"""The default store: SQLite with group commit."""

import asyncio
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from reference_server.errors import StoreUnavailableError
from reference_server.model.batch import SessionReport
from reference_server.model.losses import Losses
from reference_server.model.record import Record
from reference_server.storage.readonly import open_readonly
from reference_server.storage.row_mapping import (
    INSERT,
    INSERT_REPORT,
    SELECT_ALL,
    decode_record_row,
    encode_record_row,
    encode_report_row,
)
from reference_server.storage.schema import migrate
from reference_server.storage.stats import read_losses
from reference_server.storage.store import CommitObserver

IN_MEMORY = ":memory:"
"""SQLite's name for a database in memory, which is lost when its store closes."""

LOCK_WAIT_SECONDS = 2.0
"""How long a transaction waits while another process locks the database, before the request fails."""

Result = TypeVar("Result")


@dataclass
class _PendingAdd:
    """One call of `add` that waits for its commit. `stored` resolves to the number of its new records."""

    records: Sequence[Record]
    report: SessionReport | None
    stored: "Future[int]" = field(default_factory=Future)


class SqliteStore:
    """A store in an SQLite database in WAL mode. One thread writes.

    Requests that arrive while that thread is busy are committed together in one transaction, so that they
    share the cost of making data durable. Each request gets its own result.

    lock_wait_seconds: how long a transaction waits while another process locks the database. Raise
    ValueError if it is not a finite number, at least 0.
    """

    def __init__(
        self, database: str | Path = IN_MEMORY, *, lock_wait_seconds: float = LOCK_WAIT_SECONDS
    ) -> None:
        if not 0 <= lock_wait_seconds < float("inf"):
            raise ValueError(f"lock_wait_seconds {lock_wait_seconds}: expected a number of seconds")
        self._database = str(database)
        self._lock_wait_seconds = lock_wait_seconds
        self._pending: deque[_PendingAdd] = deque()
        self._writer: ThreadPoolExecutor | None = None
        self._reader: ThreadPoolExecutor | None = None
        self._observer: CommitObserver | None = None
        self._connection: sqlite3.Connection
        self.transactions = 0
        """The number of committed transactions; shows what the group commit saves."""

    async def open(self, observer: CommitObserver | None = None) -> None:
        """Open the database and create what is missing. Raise StoreUnavailableError if it cannot be used."""
        if self._writer is not None:
            raise RuntimeError("the store is already open")
        self._observer = observer
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sqlite-store")
        try:
            self._connection = await self._run(self._connect)
        except BaseException:
            self._stop_threads()
            raise

    async def add(self, records: Sequence[Record], report: SessionReport | None = None) -> int:
        """Commit the records together with those of other waiting requests; all of them, or none."""
        writer = self._require_writer()
        request = _PendingAdd(records, report)
        self._pending.append(request)
        writer.submit(self._commit_pending)
        return await asyncio.wrap_future(request.stored)

    async def read_records(self) -> list[Record]:
        """Return all stored records in order of arrival."""
        rows = await self._run(lambda: self._query(SELECT_ALL))
        return [decode_record_row(row) for row in rows]

    async def count(self) -> int:
        """Return the number of stored records."""
        [(count,)] = await self._run(lambda: self._query("SELECT count(*) FROM records"))
        stored: int = count
        return stored

    async def count_losses(self) -> Losses:
        """Count the events that are not stored. For a file, a second thread reads while the first commits."""
        if self._database == IN_MEMORY:
            return await self._run(lambda: read_losses(self._connection))
        self._require_writer()
        if self._reader is None:
            self._reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sqlite-reader")
        return await asyncio.wrap_future(self._reader.submit(self._read_losses))

    async def close(self) -> None:
        """Commit pending requests, close the database and stop the threads."""
        if self._writer is None:
            return
        try:
            await self._run(self._connection.close)
        finally:
            self._stop_threads()

    async def _run(self, work: Callable[[], Result]) -> Result:
        """Run a function in the writer thread, after all work that was submitted before."""
        try:
            return await asyncio.wrap_future(self._require_writer().submit(work))
        except sqlite3.Error as error:
            raise StoreUnavailableError(f"database {self._database}: {error}") from error

    def _require_writer(self) -> ThreadPoolExecutor:
        if self._writer is None:
            raise StoreUnavailableError("the store is closed")
        return self._writer

    def _stop_threads(self) -> None:
        threads = self._writer, self._reader
        self._writer = self._reader = None
        for thread in threads:
            if thread is not None:
                thread.shutdown(wait=True)

    def _read_losses(self) -> Losses:
        with open_readonly(self._database) as connection:
            return read_losses(connection)

    # The methods below run in the writer thread.

    def _connect(self) -> sqlite3.Connection:
        # isolation_level None: this module begins and ends transactions itself.
        connection = sqlite3.connect(
            self._database, timeout=self._lock_wait_seconds, isolation_level=None, check_same_thread=True
        )
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            # FULL: a commit is on the disk when it returns, so a 200 also survives a loss of power.
            connection.execute("PRAGMA synchronous = FULL")
            migrate(connection, self._database)
        except BaseException:
            connection.close()
            raise
        return connection

    def _commit_pending(self) -> None:
        """Commit all pending requests, except those that were canceled."""
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

    def _store(self, requests: Sequence[_PendingAdd]) -> list[int]:
        """Commit requests in one transaction. Return the number of new records of each."""
        began = time.perf_counter()
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            new_counts = [self._insert(request) for request in requests]
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:  # SQLite rolls back on its own when the disk is full.
                self._connection.execute("ROLLBACK")
            raise
        self.transactions += 1
        if self._observer is not None:
            self._observer.observe_commit(time.perf_counter() - began)
        return new_counts

    def _insert(self, request: _PendingAdd) -> int:
        new_count = 0
        if request.records:
            # The rowcount of executemany is the sum of all statements, without conflicting rows.
            new_count = self._connection.executemany(INSERT, map(encode_record_row, request.records)).rowcount
        if request.report is not None:
            self._connection.execute(INSERT_REPORT, encode_report_row(request.report))
        return new_count

    def _query(self, statement: str) -> list[tuple[Any, ...]]:
        return self._connection.execute(statement).fetchall()
