"""The files of a store, by whatever name a person gives them: no command may write onto one.

SQLite keeps a database in up to four files: the database, and beside it `-wal`, `-shm` and `-journal`.
"""

import os
import stat
from pathlib import Path

from reference_server.errors import ReferenceServerError

SUFFIXES = ("-wal", "-shm", "-journal")

_DATABASE_HEADER = b"SQLite format 3\0"
_LOG_HEADERS = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83", b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7")
"""The first bytes of a write-ahead log, in both byte orders, and of a rollback journal
(sqlite.org/fileformat.html)."""


class StoreFileError(ReferenceServerError):
    """A command was asked to write onto a file of a store."""


def get_store_files(database: str | Path) -> list[Path]:
    """Return the paths of all files that a database has or may have, without symbolic links."""
    path = os.path.realpath(database)
    return [Path(path), *(Path(path + suffix) for suffix in SUFFIXES)]


def require_no_store_file(target: str | Path, database: str | Path) -> None:
    """Raise StoreFileError if `target` is a file of this database, or of another SQLite database.

    Symbolic links, hard links and relative paths lead to the same file and are found out.
    """
    require_other_file(target, database)
    resolved = Path(os.path.realpath(target))
    if is_sqlite_file(resolved):
        raise StoreFileError(f"{target} is a file of an SQLite database; nothing was written")


def require_other_file(target: str | Path, database: str | Path) -> None:
    """Raise StoreFileError if `target` is a file of this database."""
    resolved = Path(os.path.realpath(target))
    for file in get_store_files(database):
        if resolved == file or _is_same_file(resolved, file):
            raise StoreFileError(f"{target} is a file of the database {database}; nothing was written")


def is_sqlite_file(path: Path) -> bool:
    """Return whether a file is an SQLite database, or a file that SQLite keeps or may create beside one."""
    if _read_header(path).startswith((_DATABASE_HEADER, *_LOG_HEADERS)):
        return True
    return any(
        path.name.endswith(suffix) and _read_header(Path(str(path).removesuffix(suffix))) == _DATABASE_HEADER
        for suffix in SUFFIXES
    )


def find_open_log(path: Path) -> Path | None:
    """Return the first of the files beside a database that SQLite would apply to whatever replaces it."""
    for file in get_store_files(path)[1:]:
        if os.path.lexists(file):
            return file
    return None


def _read_header(path: Path) -> bytes:
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe would block
            return b""
        with path.open("rb") as file:
            return file.read(len(_DATABASE_HEADER))
    except OSError:
        return b""


def _is_same_file(first: Path, second: Path) -> bool:
    try:
        return os.path.samefile(first, second)
    except OSError:
        return False
