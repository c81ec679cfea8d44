"""Files that appear complete or not at all: written beside their place, then renamed."""

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from reference_server.errors import ReferenceServerError
from reference_server.storage.store_files import SUFFIXES

FILE_MODE = 0o600
"""The permissions of a new file: records are personal data. A file that is replaced keeps its permissions."""


class OutputError(ReferenceServerError):
    """A file cannot be written. What was at its place is unchanged."""


@contextmanager
def write_file(target: str | Path) -> Iterator[BinaryIO]:
    """Open a file to replace `target` when the block ends without an exception; a device or pipe is written
    directly.

    Raise OutputError.
    """
    if _is_special(Path(target)):
        with _convert_errors(target), open(target, "wb") as file:
            yield file
        return
    with replace_file(target) as temporary, _convert_errors(target), open(temporary, "wb") as file:
        yield file


@contextmanager
def replace_file(target: str | Path, *, may_exist: bool = True) -> Iterator[Path]:
    """Yield the path of an empty temporary file, which takes the place of `target` when the block ends well.

    After an exception, Ctrl-C included, the temporary file is removed. A symbolic link stays one: the file
    that it leads to is replaced. Raise OutputError if the file cannot be written, or exists although it may
    not.
    """
    resolved = Path(os.path.realpath(target))
    temporary = resolved.parent / f".{secrets.token_hex(8)}.tmp"
    try:  # Before the file exists: Ctrl-C may come at any moment.
        with _convert_errors(target):
            if resolved.is_dir():
                raise OutputError(f"cannot write {target}: it is a directory")
            os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, FILE_MODE))
            if resolved.exists():
                temporary.chmod(stat.S_IMODE(resolved.stat().st_mode))
        yield temporary
        with _convert_errors(target):
            _move(temporary, resolved, may_exist=may_exist)
    finally:
        for suffix in ("", *SUFFIXES):
            with suppress(OSError):
                os.unlink(f"{temporary}{suffix}")


def _move(temporary: Path, resolved: Path, *, may_exist: bool) -> None:
    _synchronize(temporary)
    if may_exist:
        os.replace(temporary, resolved)
    else:
        _move_without_overwriting(temporary, resolved)
    _synchronize(resolved.parent)


def _move_without_overwriting(temporary: Path, resolved: Path) -> None:
    try:
        os.link(temporary, resolved)  # Unlike a rename, it fails if the file appeared meanwhile.
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if os.path.lexists(resolved):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from None
        os.replace(temporary, resolved)


def _synchronize(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_special(path: Path) -> bool:
    with suppress(OSError):
        mode = path.stat().st_mode
        return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)
    return False


@contextmanager
def _convert_errors(target: str | Path) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(f"cannot write {target}: {error.strerror or error}") from error
