"""What happened in a case, as marks on lanes: the data behind the picture and the lines of text.

A lane is a tab, a worker, the gateway or the server. A mark has a moment, a kind (which has a shape of its
own) and a few words; marks of one exchange carry its number, so that they can be joined.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from e2e.conformance.report.sanitize import clean

MARK_LIMIT = 120
"""Marks that a timeline keeps: the first half and the last half of what happened."""

MAX_TEXT_CHARACTERS = 110
LONGEST_LANE = 18
"""Characters of a lane's name that others make room for."""


class Kind(Enum):
    """What a mark stands for; the value is its symbol, in text and (as a shape) in the picture."""

    OPENED = "▷"
    EVENTS = "●"
    MESSAGE = "✦"
    CLOSED = "☒"
    STARTED = "▶"
    ASKED = "▽"
    FLUSHED = "▲"
    ERROR = "‼"
    ENDED = "◀"
    TOXIC = "◆"
    ANSWERED = "■"
    REFUSED = "□"
    ARRIVED = "◇"
    CUT = "✖"

    @property
    def word(self) -> str:
        """Its name in lower case, which is what the picture calls the shape."""
        return self.name.lower()


@dataclass(frozen=True)
class Mark:
    """Something that happened on a lane. `exchange` is the number of the exchange that it belongs to."""

    seconds: float
    lane: str
    kind: Kind
    text: str
    exchange: int | None = None


@dataclass(frozen=True)
class Timeline:
    """Marks in the order in which they happened. `axis` says whose seconds; `left_out` counts marks cut."""

    axis: str
    lanes: tuple[str, ...]
    marks: tuple[Mark, ...]
    left_out: int = 0

    def to_wire(self) -> dict[str, Any]:
        """As plain values, which travel between processes."""
        marks = [
            [mark.seconds, self.lanes.index(mark.lane), mark.kind.value, mark.text, mark.exchange]
            for mark in self.marks
        ]
        return {"axis": self.axis, "lanes": list(self.lanes), "marks": marks, "left_out": self.left_out}

    @classmethod
    def from_wire(cls, values: dict[str, Any]) -> Timeline:
        """The opposite of `to_wire`."""
        lanes = tuple(values["lanes"])
        marks = tuple(
            Mark(seconds, lanes[lane], Kind(kind), text, exchange)
            for seconds, lane, kind, text, exchange in values["marks"]
        )
        return cls(values["axis"], lanes, marks, values["left_out"])

    def lines(self) -> Iterator[str]:
        """The timeline as text, a line a mark under a heading."""
        half = len(self.marks) // 2
        left_out = f" ({self.left_out} marks between the first {half} and the last {half} are left out)"
        yield f"{self.axis}{left_out if self.left_out else ''}:"
        width = min(max(map(len, self.lanes), default=0), LONGEST_LANE)
        for mark in self.marks:
            yield f"{mark.seconds:10.3f}  {mark.lane:<{width}}  {mark.kind.value} {mark.text}"


def timeline(axis: str, lanes: Sequence[str], marks: Sequence[Mark]) -> Timeline:
    """Put marks in order (those of one moment stay as they come), clean all text and cut what is too much.

    Lanes without a mark are left out.
    """
    ordered = sorted(marks, key=lambda mark: mark.seconds)
    left_out = max(0, len(ordered) - MARK_LIMIT)
    if left_out:
        half = MARK_LIMIT // 2
        ordered = ordered[:half] + ordered[-half:]
    kept = tuple(
        Mark(round(mark.seconds, 3), _one_line(mark.lane), mark.kind, _one_line(mark.text), mark.exchange)
        for mark in ordered
    )
    used = {mark.lane for mark in kept}
    names = dict.fromkeys(_one_line(lane) for lane in lanes)
    return Timeline(axis, tuple(lane for lane in names if lane in used), kept, left_out)


def _one_line(text: str) -> str:
    line = clean(" ".join(text.split()))
    return line if len(line) <= MAX_TEXT_CHARACTERS else f"{line[: MAX_TEXT_CHARACTERS - 1]}…"
