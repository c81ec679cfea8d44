"""Reading a store beside the server that writes it: nothing is changed, nobody is held up."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from reference_server.errors import StoreUnavailableError
from reference_server.storage.schema import check_schema_version

LOCK_WAIT_SECONDS = 5.0
"""Readers are not kept waiting in WAL mode, but for the moment in which the last writer closes."""


@contextmanager
def open_readonly(database: str | Path) -> Iterator[sqlite3.Connection]:
    """Open a store's file read-only, for the thread that asks.

    Raises StoreUnavailableError where there is no store of today's version, or it cannot be read.
    """
    try:
        uri = f"{Path(database).absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=LOCK_WAIT_SECONDS)) as connection:
            check_schema_version(connection, str(database))
            yield connection
    except sqlite3.Error as error:
        raise StoreUnavailableError(f"database {database}: {error}") from error
