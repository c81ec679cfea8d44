"""A consistent copy of a store, made while a server writes to it, and verified before it takes its name."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from reference_server.errors import ReferenceServerError
from reference_server.storage.atomic_file import replace_file
from reference_server.storage.check import find_damage
from reference_server.storage.readonly import open_readonly
from reference_server.storage.schema import SCHEMA_VERSION, read_version
from reference_server.storage.stats import read_totals
from reference_server.storage.store_files import find_open_log, require_other_file

STEP_PAGES = 1_000
"""How many pages are copied between two chances to stop."""


class BackupError(ReferenceServerError):
    """There is no backup: its file was not written, and nothing was overwritten."""


def back_up(
    database: str | Path,
    target: str | Path,
    *,
    overwrite: bool,
) -> int:
    """Copy a store, of this schema version or an earlier one, to a single file. Return its number of records.

    Raise BackupError, and the errors of a file that cannot be read or written.
    """
    require_other_file(target, database)
    _require_free(target, overwrite)
    with (
        open_readonly(database, any_version=True) as source,
        replace_file(target, may_exist=overwrite) as temporary,
    ):
        source.execute("BEGIN")
        expected = _describe(
            source, database
        )  # The first read begins the snapshot, which the copy then reads.
        with closing(sqlite3.connect(temporary, isolation_level=None)) as copy:
            _copy(source, copy, database, target)
            copy.execute(
                "PRAGMA journal_mode = DELETE"
            ).fetchall()  # one file, which read-only folders can hold
            problem = next(find_damage(copy), None)
            if problem is not None:
                raise BackupError(
                    f"{database} is damaged, and so is its copy: {problem}; see the command check"
                )
            if _describe(copy, target) != expected:
                raise BackupError(f"the copy of {database} differs from it")
        _require_free(target, overwrite)
    return int(expected[1])


def _copy(
    source: sqlite3.Connection, copy: sqlite3.Connection, database: str | Path, target: str | Path
) -> None:
    try:
        # Between two steps Ctrl-C is noticed: Python runs its handler before the next call of `progress`.
        source.backup(copy, pages=STEP_PAGES, progress=lambda status, remaining, total: None)
    except sqlite3.OperationalError as error:  # such as a full disk
        raise BackupError(f"cannot copy {database} to {target}: {error}") from error


def _describe(connection: sqlite3.Connection, database: str | Path) -> tuple[object, int, int, object]:
    version = read_version(connection, str(database))
    [(count, last)] = connection.execute("SELECT count(*), coalesce(max(id), 0) FROM records")
    return version, count, last, read_totals(connection) if version == SCHEMA_VERSION else None


def _require_free(target: str | Path, overwrite: bool) -> None:
    if os.path.lexists(target) and not overwrite:
        raise BackupError(f"{target} exists; --force replaces it")
    log = find_open_log(Path(target))
    if log is not None:
        raise BackupError(
            f"{log} exists: a server uses {target}, or did not stop cleanly, and SQLite would apply that "
            "file to the copy; stop the server, and move all files of the old store away"
        )
