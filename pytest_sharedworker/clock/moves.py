"""When a test moved which clock, for the timeline of a failed test."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone


@dataclass(frozen=True)
class ClockMove:
    """The begin of a move: when (aware, UTC), where the clock stood (ms; None: not read), and the call."""

    at: datetime
    now: float | None
    text: str


class ClockMoves:
    """The moves of all clocks of a test, oldest first."""

    def __init__(self) -> None:
        self.moves: list[ClockMove] = []

    def add(self, text: str, now: float | None = None) -> None:
        """Note that a move begins."""
        self.moves.append(ClockMove(datetime.now(timezone.utc), now, text))
