"""The tables of the store, and how a database of an earlier version is brought up to date."""

import sqlite3

from reference_server.errors import StoreUnavailableError

SCHEMA_VERSION = 2
"""Kept in the database's `user_version`. 2 added the identity of records, and sessions."""

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
    dropped INTEGER NOT NULL,  -- the most that the session has reported
    filtered INTEGER NOT NULL  -- likewise
) WITHOUT ROWID
"""
_STEPS = ((_CREATE,), (*_ADD_IDENTITY, _ADD_SESSIONS))
"""What leads from each version to the next; a new database takes all steps."""


def prepare(connection: sqlite3.Connection, database: str) -> None:
    """Make a new database a store, and bring one of an earlier version up to date, in one transaction.

    Raises StoreUnavailableError for a database of someone else, or of a later version, and leaves it as it was.
    """
    connection.execute("BEGIN IMMEDIATE")  # two servers may open one file at once
    try:
        version = _version_of(connection, database)
        for statements in _STEPS[version:]:
            for statement in statements:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def check_schema_version(connection: sqlite3.Connection, database: str) -> None:
    """Raise StoreUnavailableError where a database that is only read is not a store of today's version."""
    version = _version_of(connection, database)
    if version != SCHEMA_VERSION:
        raise StoreUnavailableError(
            f"database {database}: it is of schema version {version}, expected {SCHEMA_VERSION}: "
            "a server that is started on it brings it up to date"
        )


def _version_of(connection: sqlite3.Connection, database: str) -> int:
    """Give the version, 0 for a database that is empty. Raises StoreUnavailableError where it is not a store."""
    [(version,)] = connection.execute("PRAGMA user_version")
    [(tables,)] = connection.execute("SELECT count(*) FROM sqlite_master")
    if (version == 0) != (tables == 0) or not 0 <= version <= SCHEMA_VERSION:
        raise StoreUnavailableError(
            f"database {database}: it is not a store of this server "
            f"(schema version {version}, expected {SCHEMA_VERSION})"
        )
    return int(version)
