"""The list of differences that are known, each with its reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from e2e.wpt.comparison import Comparison

LIMIT = 20
"""How many pages the list may have: it is for what nobody can mend."""

DEFAULT_FILE = Path(__file__).with_name("known_differences.toml")


class Known(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A page that differs in `modes` for a physical reason, in `browsers`."""

    path: str
    reason: str
    modes: tuple[Literal["real", "virtual"], ...] = ("real", "virtual")
    browsers: tuple[Literal["chromium", "firefox"], ...] = ("chromium", "firefox")
    varies: bool = False
    """Whether the page also varies without the plugin, so that some runs agree."""


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


@dataclass(frozen=True)
class Verdict:
    """What a run says about the list; each difference is the path of a page and a mode."""

    known: list[tuple[str, str]]
    new: list[tuple[str, str]]
    """Differences that are not in the list."""
    gone: list[tuple[str, str]]
    """Differences of the list that the run has not found, though it ran these pages."""

    @property
    def is_ok(self) -> bool:
        """Whether the run agrees with the list."""
        return not self.new and not self.gone


def judge(comparisons: Sequence[Comparison], entries: Sequence[Known], browser: str) -> Verdict:
    """Compare a run in a browser with the list."""
    listed = {(each.path, mode): each for each in entries if browser in each.browsers for mode in each.modes}
    run = {(each.page, each.mode) for each in comparisons}
    different = {(each.page, each.mode) for each in comparisons if each.differences}
    strict = {key for key, entry in listed.items() if not entry.varies}
    return Verdict(
        known=sorted(different & listed.keys()),
        new=sorted(different - listed.keys()),
        gone=sorted((strict & run) - different),
    )
