"""A database that knows whether its files are still the ones that it opened.

SQLite keeps writing into a file that was deleted, renamed or overwritten under it, and reports success. So
the files are compared before each transaction and again after its commit, before anybody gets an
acknowledgement: six calls of stat() for a whole group of batches. The methods run in one thread.

What happens to the files, and what follows:

- deleted: a new database is created;
- replaced by another store: that one is opened;
- replaced by something else: nothing is stored or changed until a store is in its place;
- only the log (`-wal`, `-shm`) deleted: what it held is still in the open connection. It is copied into the
  database before that is opened again;
- changed by another program: if SQLite did it, that is allowed. Otherwise the database is checked, and
  nothing is stored until the check succeeds.
"""

import logging
import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple

from reference_server.errors import StoreUnavailableError
from reference_server.storage.schema import migrate

IN_MEMORY = ":memory:"
"""SQLite's name for a database in memory, which is lost when its store closes."""

JOURNAL_MODE = "WAL"
"""Readers do not block the server, and a commit needs one flush."""

REOPEN_PAUSE_SECONDS = 1.0
"""The shortest time between two attempts to repair a database: an attempt reads all of it."""

FILE_MODE = 0o600
"""Records are personal data. SQLite gives the log the permissions of the database."""

DATABASE, LOG, INDEX = "", "-wal", "-shm"
"""The suffixes of the three files of a database in WAL mode."""

logger = logging.getLogger(__name__)


class _FileState(NamedTuple):
    """What stat() says about a file."""

    device: int
    inode: int
    size: int
    modified_ns: int

    def is_same_file(self, other: "_FileState | None") -> bool:
        return other is not None and (self.device, self.inode) == (other.device, other.inode)


class GuardedDatabase:
    """One database: its connection, and the state of its files after the connection's last transaction."""

    def __init__(
        self,
        path: str,
        lock_wait_seconds: float,
        *,
        monotonic_seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self._lock_wait_seconds = lock_wait_seconds
        self._monotonic_seconds = monotonic_seconds
        self._connection: sqlite3.Connection | None = None
        self._suffixes: tuple[str, ...] = (DATABASE,)
        self._opened_path = path
        self._files: dict[str, _FileState | None] = {}
        self._data_version = 0
        self._failure: Exception | None = None
        self._retry_at_seconds = -float("inf")
        self._abandoned: list[sqlite3.Connection] = []

    @property
    def connection(self) -> sqlite3.Connection:
        """The open connection. Raise StoreUnavailableError if there is none."""
        if self._connection is None:
            raise StoreUnavailableError(f"database {self._path}: not open")
        return self._connection

    def open(self) -> None:
        """Open the database, create what is missing, and check the rest: a start reads the whole database.

        Raise StoreUnavailableError or sqlite3.Error.
        """
        self._create_file()
        database = _read_state(self._path)
        connection = sqlite3.connect(
            self._path,
            timeout=self._lock_wait_seconds,
            isolation_level=None,  # this package begins and ends transactions itself
            check_same_thread=True,
        )
        try:
            migrate(connection, self._path)  # First: it refuses another program's database, unchanged.
            [(mode,)] = connection.execute(f"PRAGMA journal_mode = {JOURNAL_MODE}").fetchall()
            # FULL: a commit is on the disk when it returns, so a 200 also survives a loss of power.
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("SELECT count(*) FROM sqlite_master").fetchall()  # creates the log
            # Some file systems allow no WAL: then there is no log between transactions.
            self._suffixes = (DATABASE, LOG, INDEX) if mode == "wal" else (DATABASE,)
            self._opened_path = self._resolve_path()
            # Before the check, which takes a second a gigabyte: time enough to replace them.
            files = {**self._read_states(self._opened_path), DATABASE: database}
            _require_sound(connection, self._path)
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        self._files = files
        self.remember_files()

    def close(self) -> None:
        """Close the connection; SQLite moves the log into the database."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def require_usable(self) -> None:
        """Call this before a transaction: open again what was replaced.

        Raise StoreUnavailableError or sqlite3.Error if nothing can be stored now.
        """
        if self._path == IN_MEMORY:
            return
        if self._failure is not None and self._monotonic_seconds() < self._retry_at_seconds:
            raise StoreUnavailableError(f"database {self._path}: {self._failure}")
        try:
            self._repair()
        except Exception as error:
            self._failure = error
            self._retry_at_seconds = self._monotonic_seconds() + REOPEN_PAUSE_SECONDS
            raise
        if self._failure is not None:
            logger.warning("database %s: usable again", self._path)
            self._failure = None

    def confirm_commit(self) -> None:
        """Call this after a commit, before anybody gets an acknowledgement.

        Raise StoreUnavailableError if the commit went into files that are no longer those of the database.
        """
        if self._path == IN_MEMORY:
            return
        found = self._read_files()
        for suffix, state in found.items():
            if state is None or not state.is_same_file(self._files.get(suffix)):
                raise StoreUnavailableError(
                    f"database {self._path}: its file {suffix!r} was replaced or deleted in the transaction"
                )
        self._remember(found)

    def remember_files(self) -> None:
        """Call this after maintenance that this connection did, such as VACUUM or a checkpoint.

        It does not accept a file that was replaced or deleted meanwhile: `require_usable` and
        `confirm_commit` find that out.
        """
        if self._path == IN_MEMORY:
            return
        found = self._read_files()
        if all(_is_same_file(state, self._files.get(suffix)) for suffix, state in found.items()):
            self._remember(found)

    def _remember(self, files: "dict[str, _FileState | None]") -> None:
        self._files = files
        self._data_version = self._read_data_version()

    def _read_data_version(self) -> int:
        """Return a number that changes when another connection commits."""
        [(version,)] = self.connection.execute("PRAGMA data_version")
        return int(version)

    def _read_files(self) -> "dict[str, _FileState | None]":
        found = self._read_states(self._opened_path)
        if all(_is_same_file(state, self._files.get(suffix)) for suffix, state in found.items()):
            return found  # The usual case. To resolve the path would take longer than all of this.
        return self._read_states(self._resolve_path())

    def _read_states(self, path: str) -> "dict[str, _FileState | None]":
        """Read the state of what is at the database's path, and of the other files beside `path`."""
        return {
            suffix: _read_state(self._path if suffix == DATABASE else path + suffix)
            for suffix in self._suffixes
        }

    def _resolve_path(self) -> str:
        """Return where the database is: SQLite puts the log beside the file that a symbolic link leads to."""
        return os.path.realpath(self._path)

    def _create_file(self) -> None:
        """Create a missing file. It, and an existing one, is closed to other users."""
        if self._path == IN_MEMORY:
            return
        with suppress(FileExistsError, FileNotFoundError):  # The second: SQLite reports it.
            os.close(os.open(self._resolve_path(), os.O_CREAT | os.O_EXCL | os.O_RDWR, FILE_MODE))
        for suffix in (DATABASE, LOG, INDEX):
            path = Path(self._resolve_path() + suffix)
            with suppress(OSError):
                mode = path.stat().st_mode
                if path.is_file() and mode & 0o007:
                    path.chmod(mode & 0o770)

    def _repair(self) -> None:
        if self._connection is None:
            self.open()
            return
        found = self._read_files()
        database, log = found[DATABASE], found.get(LOG)
        known_database, known_log = self._files[DATABASE], self._files.get(LOG)
        if database is None or not database.is_same_file(known_database):
            logger.error("database %s: was %s", self._path, "deleted" if database is None else "replaced")
            self._release_moved_database()
            self.open()
        elif not all(_is_same_file(state, self._files[suffix]) for suffix, state in found.items()):
            logger.error("database %s: its log was replaced or deleted", self._path)
            self._rescue_log(log)
            self.open()
        elif (database, log) != (known_database, known_log):
            self._check_changes(found)
        if not os.access(self._path, os.W_OK):
            raise StoreUnavailableError(f"database {self._path}: not writable")

    def _release_moved_database(self) -> None:
        """Close a database that is no longer at its path, and remove its log from there.

        SQLite would apply that log to whatever is at the path now.
        """
        connection = self.connection
        with suppress(sqlite3.Error):  # If the database was only renamed, it keeps what its log holds.
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        self.close()
        for suffix in (LOG, INDEX):
            state = _read_state(self._opened_path + suffix)
            if state is not None and state.is_same_file(self._files.get(suffix)):
                os.unlink(self._opened_path + suffix)

    def _rescue_log(self, log: _FileState | None) -> None:
        """Copy what the open but deleted log holds into the database, and close it."""
        if log is not None and log.size > 0 and not log.is_same_file(self._files.get(LOG)):
            # Another process has written a log of its own: a copy would overwrite its records, and so would
            # the checkpoint of a close.
            self._abandoned.append(self.connection)
            self._connection = None
            raise StoreUnavailableError(f"database {self._path}: another process has replaced the log")
        [(busy, _, _)] = self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        if busy:
            raise StoreUnavailableError(f"database {self._path}: its log is deleted, and in use")
        self.close()

    def _check_changes(self, found: "dict[str, _FileState | None]") -> None:
        """Accept changes by another connection of SQLite; check the database after any other change."""
        if self._read_data_version() == self._data_version or self._has_shrunk(found):
            logger.warning("database %s: another program has changed its files; checking it", self._path)
            state = found[DATABASE]
            if state is not None and state.size == 0:  # SQLite would take it for new and delete the log.
                raise StoreUnavailableError(f"database {self._path}: truncated to 0 bytes")
            try:
                with closing(sqlite3.connect(self._path, timeout=self._lock_wait_seconds)) as fresh:
                    _require_sound(fresh, self._path)
            except (sqlite3.Error, StoreUnavailableError):
                if found[DATABASE] != self._files[DATABASE]:
                    raise  # Closing would write the log over what the other program wrote.
                # The log is damaged. What remains is the database without it.
                self.close()
                self.open()
                logger.error("database %s: its log was damaged, records may be lost", self._path)
        self.remember_files()

    def _has_shrunk(self, found: "dict[str, _FileState | None]") -> bool:
        return any(
            state is not None and known is not None and state.size < known.size
            for state, known in ((found.get(suffix), self._files.get(suffix)) for suffix in (DATABASE, LOG))
        )


def _read_state(path: str) -> _FileState | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return _FileState(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def _is_same_file(state: _FileState | None, known: _FileState | None) -> bool:
    return state is not None and state.is_same_file(known)


def _require_sound(connection: sqlite3.Connection, path: str) -> None:
    """Read the whole database. Raise StoreUnavailableError or sqlite3.Error if it is damaged."""
    [(result,)] = connection.execute("PRAGMA quick_check(1)").fetchall()
    if result != "ok":
        raise StoreUnavailableError(f"database {path}: damaged: {result}")
