"""Read-only access to the database of a running server, without blocking the server."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from reference_server.errors import StoreUnavailableError
from reference_server.storage.schema import check_schema_version, read_version

LOCK_WAIT_SECONDS = 5.0
"""In WAL mode readers do not wait, except while the last writer closes the database."""


@contextmanager
def open_readonly(database: str | Path, *, any_version: bool = False) -> Iterator[sqlite3.Connection]:
    """Open a store's file read-only, for use in the calling thread.

    any_version: accept a store of an earlier version too.

    Raise StoreUnavailableError if it is not a store of the current schema version, or cannot be read.
    """
    try:
        uri = f"{Path(database).absolute().as_uri()}?mode=ro"
        with closing(
            sqlite3.connect(uri, uri=True, timeout=LOCK_WAIT_SECONDS, isolation_level=None)
        ) as connection:
            (read_version if any_version else check_schema_version)(connection, str(database))
            yield connection
    except sqlite3.Error as error:
        raise StoreUnavailableError(f"database {database}: {error}") from error
