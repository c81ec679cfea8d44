"""Counts of events that are missing from the store, and of what is stored."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Losses:
    """Counts of events that are not stored. `missing` counts gaps; sessions report the other two.

    A tab numbers its events from 0. If its highest stored number is n, it has logged n + 1 events; those
    that are not stored are missing.
    """

    tabs: int
    tabs_with_gaps: int
    missing: int
    dropped: int
    filtered: int

    @property
    def unexplained(self) -> int:
        """The missing events that no session reported, at least 0."""
        return max(0, self.missing - self.dropped - self.filtered)


@dataclass(frozen=True)
class StoreSummary(Losses):
    """The losses, and what is stored: events, how many of them have an identity, and sessions."""

    events: int
    identified: int
    sessions: int
