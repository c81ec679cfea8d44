"""Write a file so that a reader never sees a part of it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

READABLE_BY_ALL = 0o644


def write_atomically(path: Path, text: str) -> None:
    """Write UTF-8 text to a temporary file beside `path` and rename it. Raise OSError and leaves no file."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        os.chmod(temporary, READABLE_BY_ALL)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
