"""When a test moved which clock, for the timeline of a failed test."""

from __future__ import annotations

from datetime import datetime, timezone

from pytest_sharedworker.gateway.events import TimelineEvent


class ClockMoves:
    """The moves of all clocks of a test, oldest first."""

    def __init__(self) -> None:
        self.moves: list[TimelineEvent] = []
        """The begin of each: where the clock stood, if that was read, and the call."""

    def add(self, text: str, now: float | None = None) -> None:
        """Note that a move begins."""
        self.moves.append(TimelineEvent(datetime.now(timezone.utc), text, now, kind="clock", lane="test"))
