"""What happened in a case, as marks on lanes: the data behind the picture and the lines of text.

A lane is a tab, a worker, the gateway or the server. A mark has a time, a kind (each kind has its own shape)
and a few words. Marks of one exchange have its number, so that a line can connect them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from e2e.conformance.report.sanitize import clean

MARK_LIMIT = 120
"""Most marks of a timeline: half of them from its start, half from its end."""

MAX_TEXT_CHARACTERS = 110
LONGEST_LANE = 18
"""Most characters of a lane's name that are aligned or drawn."""


class Kind(Enum):
    """What a mark means; the value is its symbol in text, and the picture has the same shape."""

    OPENED = "▷"
    EVENTS = "●"
    MESSAGE = "✦"
    CLOSED = "☒"
    STARTED = "▶"
    REQUESTED = "▽"
    FLUSHED = "▲"
    ERROR = "‼"
    ENDED = "◀"
    TOXIC = "◆"
    RESPONDED = "■"
    REFUSED = "□"
    RECEIVED = "◇"
    ABORTED = "✖"

    @property
    def word(self) -> str:
        """The name in lower case, which is the id of the shape in the picture."""
        return self.name.lower()


@dataclass(frozen=True)
class Mark:
    """One thing that happened on a lane. `exchange` is the number of the exchange that it belongs to."""

    seconds: float
    lane: str
    kind: Kind
    text: str
    exchange: int | None = None


@dataclass(frozen=True)
class Timeline:
    """Marks in order of time. `axis` names the clock of the seconds; `left_out` counts removed marks."""

    axis: str
    lanes: tuple[str, ...]
    marks: tuple[Mark, ...]
    left_out: int = 0

    def to_wire(self) -> dict[str, Any]:
        """Return the timeline as plain values, which can be sent to another process."""
        marks = [
            [mark.seconds, self.lanes.index(mark.lane), mark.kind.value, mark.text, mark.exchange]
            for mark in self.marks
        ]
        return {"axis": self.axis, "lanes": list(self.lanes), "marks": marks, "left_out": self.left_out}

    @classmethod
    def from_wire(cls, values: dict[str, Any]) -> Timeline:
        """Return the timeline of the values of `to_wire`."""
        lanes = tuple(values["lanes"])
        marks = tuple(
            Mark(seconds, lanes[lane], Kind(kind), text, exchange)
            for seconds, lane, kind, text, exchange in values["marks"]
        )
        return cls(values["axis"], lanes, marks, values["left_out"])

    def format_lines(self) -> Iterator[str]:
        """Yield a heading, then one line of text for each mark."""
        half = len(self.marks) // 2
        left_out = f" ({self.left_out} marks between the first {half} and the last {half} are left out)"
        yield f"{self.axis}{left_out if self.left_out else ''}:"
        width = min(max(map(len, self.lanes), default=0), LONGEST_LANE)
        for mark in self.marks:
            yield f"{mark.seconds:10.3f}  {mark.lane:<{width}}  {mark.kind.value} {mark.text}"


def build_timeline(axis: str, lanes: Sequence[str], marks: Sequence[Mark]) -> Timeline:
    """Sort the marks by time (marks of one time keep their order), clean all text and limit its length.

    Lanes without a mark, and marks beyond MARK_LIMIT, are left out.
    """
    ordered = sorted(marks, key=lambda mark: mark.seconds)
    left_out = max(0, len(ordered) - MARK_LIMIT)
    if left_out:
        half = MARK_LIMIT // 2
        ordered = ordered[:half] + ordered[-half:]
    kept = tuple(
        Mark(round(mark.seconds, 3), _to_line(mark.lane), mark.kind, _to_line(mark.text), mark.exchange)
        for mark in ordered
    )
    used = {mark.lane for mark in kept}
    names = dict.fromkeys(_to_line(lane) for lane in lanes)
    return Timeline(axis, tuple(lane for lane in names if lane in used), kept, left_out)


def _to_line(text: str) -> str:
    line = clean(" ".join(text.split()))
    return line if len(line) <= MAX_TEXT_CHARACTERS else f"{line[: MAX_TEXT_CHARACTERS - 1]}…"
