"""The list of differences that are known, each with its reason."""

from __future__ import annotations

from pathlib import Path

import msgspec

LIMIT = 20
"""How many pages the list may have: it is for what nobody can mend."""

DEFAULT_FILE = Path(__file__).with_name("known_differences.toml")


class Known(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A page that differs in `modes` for a physical reason, in `browsers`."""

    path: str
    reason: str
    modes: tuple[str, ...] = ("real", "virtual")
    browsers: tuple[str, ...] = ("chromium", "firefox")


class _File(msgspec.Struct, forbid_unknown_fields=True):
    page: list[Known] = []


def load(file: Path = DEFAULT_FILE) -> list[Known]:
    """Return the entries of a list. Raise ValueError where it is too long or an entry has no reason."""
    entries = msgspec.toml.decode(file.read_bytes(), type=_File).page
    if len({entry.path for entry in entries}) > LIMIT:
        raise ValueError(f"{file.name} has more than {LIMIT} pages")
    for entry in entries:
        if not entry.reason.strip():
            raise ValueError(f"{file.name}: {entry.path} has no reason")
    return entries
