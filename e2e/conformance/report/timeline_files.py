"""Copies of the files timeline.html that the plugin writes for failed cases, in a folder beside the page.

The plugin's own folder is emptied by the next run of pytest; the report is what people share.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

FOLDER = "timelines"
MAX_FILES = 200
MAX_FILE_BYTES = 10 * 1024 * 1024
MAX_TOTAL_BYTES = 50 * 1024 * 1024

_OWN_NAME = re.compile(r"[a-z][a-z0-9-]*-[0-9]+-[0-9]+\.on\.[A-Za-z0-9._-]*\.html")
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9._-]+")


class TimelineFiles:
    """Keeps the files of a run. What cannot be copied, or is too much, has no link in the report."""

    def __init__(self, directory: Path) -> None:
        self._folder = directory / FOLDER
        self._files: dict[tuple[str, str], str] = {}
        self._bytes = 0

    def add(self, implementation: str, case_id: str, source: Path) -> None:
        """Copy the file of a case."""
        name = f"{case_id.replace('/', '-')}.on.{_NOT_IN_A_NAME.sub('-', implementation)}.html"
        is_taken = name in self._files.values()
        if is_taken or len(self._files) >= MAX_FILES:
            return
        try:
            size = source.stat().st_size
            if size > min(MAX_FILE_BYTES, MAX_TOTAL_BYTES - self._bytes):
                return
            self._folder.mkdir(exist_ok=True)
            shutil.copyfile(source, self._folder / name)
        except OSError:
            return
        self._bytes += size
        self._files[implementation, case_id] = name

    def finish(self) -> Mapping[tuple[str, str], str]:
        """Delete the files of earlier runs; return the links of this run by implementation and case."""
        kept = set(self._files.values())
        try:
            for file in list(self._folder.iterdir()) if self._folder.is_dir() else ():
                if file.name not in kept and _OWN_NAME.fullmatch(file.name):
                    file.unlink()
        except OSError:
            pass  # An old file without a link does no harm.
        return {key: f"{FOLDER}/{name}" for key, name in self._files.items()}
