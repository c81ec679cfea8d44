"""The default store: SQLite with group commit."""

import asyncio
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from reference_server.errors import StoreUnavailableError
from reference_server.model.batch import SessionReport
from reference_server.model.losses import Totals
from reference_server.model.record import Record
from reference_server.storage.dead_letters import DeadLetter, insert_letters
from reference_server.storage.guarded_database import IN_MEMORY, GuardedDatabase
from reference_server.storage.insertion import Insertion
from reference_server.storage.maintenance import Maintenance, get_pause_seconds
from reference_server.storage.readonly import open_readonly
from reference_server.storage.retention import Retention, has_work, run_step, shrink_file
from reference_server.storage.row_mapping import (
    INSERT_REPORT,
    SELECT_ALL,
    decode_record_row,
    encode_report_row,
)
from reference_server.storage.stats import read_totals
from reference_server.storage.store import Added, CommitObserver

LOCK_WAIT_SECONDS = 2.0
"""How long a transaction waits while another process locks the database, before the request fails."""

KEEP_ALL = Retention()

Result = TypeVar("Result")
_Outcome: TypeAlias = "tuple[asyncio.Future[Added], Added | BaseException]"


@dataclass
class _PendingAdd:
    """One call that waits for its commit."""

    records: Sequence[Record]
    report: SessionReport | None = None
    letters: Sequence[DeadLetter] = ()
    rejected_count: int = 0


class SqliteStore:
    """A store in an SQLite database in WAL mode. One thread writes.

    Requests that arrive while that thread is busy are committed together in one transaction, so that they
    share the cost of making data durable. Each request gets its own result.

    lock_wait_seconds: how long a transaction waits while another process locks the database. Raise
    ValueError if it is not a finite number, at least 0.
    retention: which records are deleted, in the background.
    """

    def __init__(
        self,
        database: str | Path = IN_MEMORY,
        *,
        lock_wait_seconds: float = LOCK_WAIT_SECONDS,
        retention: Retention = KEEP_ALL,
    ) -> None:
        if not 0 <= lock_wait_seconds < float("inf"):
            raise ValueError(f"lock_wait_seconds {lock_wait_seconds}: expected a number of seconds")
        self._database = str(database)
        self.path = None if self._database == IN_MEMORY else Path(database)
        """The file of the database; None if it is in memory."""
        self._guarded = GuardedDatabase(self._database, lock_wait_seconds)
        self._pending: deque[tuple[_PendingAdd, asyncio.Future[Added]]] = deque()
        self._is_commit_queued = False
        """Whether the writer thread will begin a commit that takes everything in `_pending`."""
        self._writer: ThreadPoolExecutor | None = None
        self._reader: ThreadPoolExecutor | None = None
        self._observer: CommitObserver | None = None
        self._retention = retention
        self._maintenance = Maintenance(self._delete_old, get_pause_seconds(retention))
        self.transactions = 0
        """The number of committed transactions; shows what the group commit saves."""

    async def open(self, observer: CommitObserver | None = None) -> None:
        """Open the database and create what is missing. Raise StoreUnavailableError if it cannot be used."""
        if self._writer is not None:
            raise RuntimeError("the store is already open")
        self._observer = observer
        self._is_commit_queued = False
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sqlite-store")
        try:
            await self._run(self._guarded.open)
        except BaseException:
            self._stop_threads()
            raise
        self._maintenance.start()

    async def add(self, records: Sequence[Record], report: SessionReport | None = None) -> Added:
        """Commit the records together with those of other waiting requests; all of them, or none."""
        return await self._add(_PendingAdd(records, report))

    async def add_dead_letters(self, letters: Sequence[DeadLetter], rejected_count: int) -> None:
        """Keep what was rejected, and count it, in the same transaction as waiting records."""
        await self._add(_PendingAdd((), letters=letters, rejected_count=rejected_count))

    async def _add(self, request: _PendingAdd) -> Added:
        writer = self._require_writer()
        stored: asyncio.Future[Added] = asyncio.get_running_loop().create_future()
        self._pending.append((request, stored))
        if not self._is_commit_queued:
            self._is_commit_queued = True
            writer.submit(self._commit_pending)
        return await stored

    async def read_records(self) -> list[Record]:
        """Return all stored records in order of arrival."""
        rows = await self._run(lambda: self._query(SELECT_ALL))
        return [decode_record_row(row) for row in rows]

    async def count(self) -> int:
        """Return the number of stored records."""
        [(count,)] = await self._run(lambda: self._query("SELECT count(*) FROM records"))
        stored: int = count
        return stored

    async def read_totals(self) -> Totals:
        """Read the counters. For a file, a second thread reads while the first commits."""
        if self._database == IN_MEMORY:
            return await self._run(lambda: read_totals(self._connection))
        self._require_writer()
        if self._reader is None:
            self._reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sqlite-reader")
        return await asyncio.wrap_future(self._reader.submit(self._read_totals))

    async def close(self) -> None:
        """Commit pending requests, close the database and stop the threads."""
        if self._writer is None:
            return
        self._maintenance.request_stop()
        try:
            await self._run(self._guarded.close)
        finally:
            self._stop_threads()

    async def check_writable(self) -> None:
        """Commit a write that changes nothing: what fails for it would fail for records."""
        await self._run(self._commit_nothing)

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
        self._maintenance.join()

    def _read_totals(self) -> Totals:
        with open_readonly(self._database) as connection:
            return read_totals(connection)

    def _delete_old(self) -> bool:
        """Run one step of the retention, between two commits. Return whether there is more to delete."""
        writer = self._writer
        return writer is not None and writer.submit(self._run_retention_step).result()

    # The methods below run in the writer thread.

    @property
    def _connection(self) -> sqlite3.Connection:
        return self._guarded.connection

    def _commit_nothing(self) -> None:
        with self._transaction():
            [(version,)] = self._query("PRAGMA user_version")  # of a later server perhaps, by now
            self._connection.execute(f"PRAGMA user_version = {version}")

    def _run_retention_step(self) -> bool:
        if not has_work(self._connection, self._retention):
            return False
        with self._transaction():
            has_more = run_step(self._connection, self._retention, time.time())
        has_more |= shrink_file(self._connection, self._retention)
        self._guarded.remember_files()
        return has_more

    def _commit_pending(self) -> None:
        """Commit all pending requests, except those that were canceled."""
        self._is_commit_queued = False  # First: whoever adds a request from here on queues a commit for it.
        waiting, futures = [], []
        while self._pending:
            request, stored = self._pending.popleft()
            if not stored.cancelled():
                waiting.append(request)
                futures.append(stored)
        if not waiting:
            return
        outcomes: Sequence[Added | BaseException]
        try:
            outcomes = self._store(waiting)
        except BaseException as error:
            failure: BaseException = error
            if isinstance(error, sqlite3.Error):
                failure = StoreUnavailableError(f"database {self._database}: {error}")
            outcomes = [failure] * len(waiting)
        _resolve(list(zip(futures, outcomes, strict=True)))

    def _store(self, requests: Sequence[_PendingAdd]) -> list[Added]:
        """Commit requests in one transaction. Return the result of each."""
        began = time.perf_counter()
        with self._transaction():
            insertion = Insertion(self._connection)
            results = [self._insert(insertion, request) for request in requests]
            insertion.count()
        self.transactions += 1
        if self._observer is not None:
            self._observer.observe_commit(time.perf_counter() - began)
        return results

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Commit what the block does, in files that are still those of the database."""
        self._guarded.require_usable()
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:  # SQLite rolls back on its own when the disk is full.
                connection.execute("ROLLBACK")
            raise
        self._guarded.confirm_commit()

    def _insert(self, insertion: Insertion, request: _PendingAdd) -> Added:
        added = insertion.insert(request.records) if request.records else Added(0)
        if request.report is not None:
            self._connection.execute(INSERT_REPORT, encode_report_row(request.report, int(time.time())))
        if request.letters or request.rejected_count:
            limit = self._retention.max_dead_letter_bytes
            insert_letters(self._connection, request.letters, request.rejected_count, limit)
        return added

    def _query(self, statement: str) -> list[tuple[Any, ...]]:
        return self._connection.execute(statement).fetchall()


def _resolve(outcomes: Sequence[_Outcome]) -> None:
    """Give each request its outcome, from the writer thread: each event loop wakes up once a transaction."""
    by_loop: dict[asyncio.AbstractEventLoop, list[_Outcome]] = {}
    for outcome in outcomes:
        by_loop.setdefault(outcome[0].get_loop(), []).append(outcome)
    for loop, part in by_loop.items():
        with suppress(RuntimeError):  # The loop is closed: nobody waits.
            loop.call_soon_threadsafe(_set_results, part)


def _set_results(outcomes: Sequence[_Outcome]) -> None:
    for stored, outcome in outcomes:
        if stored.done():  # Canceled meanwhile.
            continue
        if isinstance(outcome, BaseException):
            stored.set_exception(outcome)
        else:
            stored.set_result(outcome)
