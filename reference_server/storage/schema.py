"""The version of a store, and the migration of a store of an earlier version."""

import sqlite3
import time

from reference_server.errors import StoreUnavailableError
from reference_server.storage import accounting, sessions, sizes

SCHEMA_VERSION = 6
"""Stored in the database's `user_version`. Version 2 added the identity of records, and sessions; version 3
the time of arrival, counters, deleted identities and dead letters; version 4 counting by the transaction;
version 5 sizes, and the time of arrival of reports; version 6 the number of sessions."""

APPLICATION_ID = 0x55495446
"""Stored in the database's `application_id` since version 3: the database is a store of this server."""

_CREATE = """
CREATE TABLE records (
    id INTEGER PRIMARY KEY,  -- order of arrival
    installation_id TEXT NOT NULL,
    event_name TEXT NOT NULL,
    timestamp_ns INTEGER NOT NULL,
    session_id TEXT NOT NULL,
    params TEXT NOT NULL  -- JSON
)
"""
_ADD_IDENTITY = (
    "ALTER TABLE records ADD COLUMN tab_id TEXT",
    "ALTER TABLE records ADD COLUMN seq INTEGER",
    "CREATE UNIQUE INDEX records_identity ON records (tab_id, seq) WHERE tab_id IS NOT NULL",
)
_ADD_SESSIONS = """
CREATE TABLE sessions (
    session_id TEXT PRIMARY KEY,
    dropped INTEGER NOT NULL,  -- the highest count that the session has reported
    filtered INTEGER NOT NULL  -- the highest count, too
) WITHOUT ROWID
"""
# Seconds since 1970. The records of an older store count as received at the migration: it is unknown when
# they were, and a client's clock may be wrong by years. A constant as the default rewrites no row.
_ADD_ARRIVAL = "ALTER TABLE records ADD COLUMN received_at INTEGER NOT NULL DEFAULT {now}"

_MIGRATIONS = (
    (_CREATE,),
    (*_ADD_IDENTITY, _ADD_SESSIONS),
    (_ADD_ARRIVAL, *accounting.STATEMENTS),
    accounting.COUNT_TOGETHER_STATEMENTS,
    sizes.STATEMENTS,
    sessions.STATEMENTS,
)
"""The statements from each version to the next. A new database runs all of them."""

_COLUMNS = ("id", "installation_id", "event_name", "timestamp_ns", "session_id", "params")
"""The first columns of `records` in every version."""


def migrate(connection: sqlite3.Connection, database: str) -> None:
    """Create the tables of a new database, or migrate an earlier version, in one transaction.

    From then on the connection overwrites what it deletes. Raise StoreUnavailableError for a database that is
    not a store, or of a later version, and leave it unchanged.
    """
    if _read_version(connection, database) == 0:
        # The file can shrink again, see `retention.shrink_file`. Without effect once there are tables.
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    # Who asks for the deletion of their records relies on it.
    connection.execute("PRAGMA secure_delete = ON").fetchall()
    connection.execute("BEGIN IMMEDIATE")  # Two servers may open one file at the same time.
    try:
        version = _read_version(connection, database)
        if version < SCHEMA_VERSION:
            for statements in _MIGRATIONS[version:]:
                for statement in statements:
                    # Not format(): other statements may contain braces.
                    connection.execute(statement.replace("{now}", str(int(time.time()))))
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def check_schema_version(connection: sqlite3.Connection, database: str) -> None:
    """Raise StoreUnavailableError unless the database is a store of the current schema version."""
    version = read_version(connection, database)
    if version != SCHEMA_VERSION:
        raise StoreUnavailableError(
            f"database {database}: schema version {version}, expected {SCHEMA_VERSION}: "
            "start a server on it to migrate it"
        )


def read_version(connection: sqlite3.Connection, database: str) -> int:
    """Return the version of a store. Raise StoreUnavailableError if the database is not a store, or is
    empty."""
    version = _read_version(connection, database)
    if version == 0:
        raise StoreUnavailableError(f"database {database}: it is empty, not a store of this server")
    return version


def _read_version(connection: sqlite3.Connection, database: str) -> int:
    """Return the version, 0 for an empty database. Raise StoreUnavailableError if it is not a store."""
    [(version,)] = connection.execute("PRAGMA user_version")
    [(application,)] = connection.execute("PRAGMA application_id")
    if application == APPLICATION_ID and version > SCHEMA_VERSION:
        raise StoreUnavailableError(
            f"database {database}: schema version {version} is newer than {SCHEMA_VERSION}, the newest that "
            "this server knows: use the server that wrote it, or a newer one"
        )
    [(tables,)] = connection.execute("SELECT count(*) FROM sqlite_master")
    if version == 0 and tables == 0 and application == 0:
        return 0
    columns = tuple(row[1] for row in connection.execute("PRAGMA table_info(records)"))
    is_store = columns[: len(_COLUMNS)] == _COLUMNS and application == (APPLICATION_ID if version > 2 else 0)
    if not is_store or not 0 < version <= SCHEMA_VERSION:
        raise StoreUnavailableError(
            f"database {database}: not a store of this server "
            f"(schema version {version}, expected {SCHEMA_VERSION})"
        )
    return int(version)
