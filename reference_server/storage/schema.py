"""The tables of the store, and the migration of a database of an earlier version."""

import sqlite3

from reference_server.errors import StoreUnavailableError

SCHEMA_VERSION = 2
"""Stored in the database's `user_version`. Version 2 added the identity of records, and sessions."""

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
_MIGRATIONS = ((_CREATE,), (*_ADD_IDENTITY, _ADD_SESSIONS))
"""The statements from each version to the next. A new database runs all of them."""


def migrate(connection: sqlite3.Connection, database: str) -> None:
    """Create the tables of a new database, or migrate an earlier version, in one transaction.

    Raise StoreUnavailableError for a database that is not a store, or of a later version, and leaves it
    unchanged.
    """
    connection.execute("BEGIN IMMEDIATE")  # Two servers may open one file at the same time.
    try:
        version = _read_version(connection, database)
        for statements in _MIGRATIONS[version:]:
            for statement in statements:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def check_schema_version(connection: sqlite3.Connection, database: str) -> None:
    """Raise StoreUnavailableError unless the database is a store of the current schema version."""
    version = _read_version(connection, database)
    if version != SCHEMA_VERSION:
        raise StoreUnavailableError(
            f"database {database}: schema version {version}, expected {SCHEMA_VERSION}: "
            "start a server on it to migrate it"
        )


def _read_version(connection: sqlite3.Connection, database: str) -> int:
    """Return the version, 0 for an empty database. Raise StoreUnavailableError if it is not a store."""
    [(version,)] = connection.execute("PRAGMA user_version")
    [(tables,)] = connection.execute("SELECT count(*) FROM sqlite_master")
    if (version == 0) != (tables == 0) or not 0 <= version <= SCHEMA_VERSION:
        raise StoreUnavailableError(
            f"database {database}: not a store of this server "
            f"(schema version {version}, expected {SCHEMA_VERSION})"
        )
    return int(version)
