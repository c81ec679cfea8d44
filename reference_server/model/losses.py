"""Counts of what is stored, of what was received, and of events that are missing."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Losses:
    """Counts of events that are not stored. `missing` counts gaps; sessions report `dropped` and `filtered`.

    A tab numbers its events from 0. If its highest number that arrived is n, it has logged n + 1 events;
    those that never arrived are missing. An event that arrived and was deleted later is not missing. A tab
    with a gap that is too large to believe is counted in `implausible_tabs`, and its gap in no other count.
    """

    tabs: int
    tabs_with_gaps: int
    missing: int
    dropped: int
    filtered: int
    implausible_tabs: int = 0

    @property
    def unexplained(self) -> int:
        """The missing events that no session reported, at least 0."""
        return max(0, self.missing - self.dropped - self.filtered)


@dataclass(frozen=True, kw_only=True)
class Totals(Losses):
    """The losses, and the other counters of a store.

    `events`, `dead_letters` and `sessions` (those with a record or a report) count what it holds now; all
    others count since the store exists.
    """

    sessions: int = 0
    events: int = 0
    identified: int = 0
    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0
    deleted: int = 0
    dead_letters: int = 0
    dead_letters_discarded: int = 0
