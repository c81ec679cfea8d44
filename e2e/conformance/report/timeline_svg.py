"""A timeline as a picture: SVG with a lane a row, a shape a kind, and a time axis beneath.

Colours come from the page's variables. Every mark takes a step of its own to the right, and time takes the
rest of the width: marks of one moment stand side by side in their order, and long waits are seen as such.
The words of the marks are not in the picture: the lines of the same timeline stand beneath it.
"""

from __future__ import annotations

from markupsafe import Markup, escape

from e2e.conformance.report.timeline import LONGEST_LANE, Kind, Mark, Timeline

LANE_HEIGHT = 26
TOP = 8
AXIS_HEIGHT = 22
CHARACTER_WIDTH = 6.4
MARK_STEP = 11
TIME_WIDTH = 420
"""Least width that time itself gets, beside the steps of the marks."""
WHOLE_WIDTH = 760
RIGHT = 24
LABEL_DISTANCE = 52
"""Least distance of two times on the axis."""

SHAPES = {
    Kind.OPENED: '<path d="M-4-5 5 0-4 5z" class="shape-hollow"/>',
    Kind.EVENTS: '<circle r="4.5"/>',
    Kind.MESSAGE: '<path d="M0-6 1.6-1.6 6 0 1.6 1.6 0 6-1.6 1.6-6 0-1.6-1.6z"/>',
    Kind.CLOSED: '<path d="M-4-4 4 4M4-4-4 4" class="shape-stroke"/>',
    Kind.STARTED: '<path d="M-4-5 5 0-4 5z"/>',
    Kind.ASKED: '<path d="M-5-4H5L0 5z" class="shape-hollow"/>',
    Kind.FLUSHED: '<path d="M-5.5 5H5.5L0-5.5z"/>',
    Kind.ERROR: '<path d="M-2-6V2M2-6V2M-2 4.5V6M2 4.5V6" class="shape-stroke"/>',
    Kind.ENDED: '<path d="M4-5-5 0 4 5z"/>',
    Kind.TOXIC: '<path d="M0-6 6 0 0 6-6 0z"/>',
    Kind.ANSWERED: '<path d="M-4.5-4.5h9v9h-9z"/>',
    Kind.REFUSED: '<path d="M-4.5-4.5h9v9h-9z" class="shape-hollow"/>',
    Kind.ARRIVED: '<path d="M0-5.5 5.5 0 0 5.5-5.5 0z" class="shape-hollow"/>',
    Kind.CUT: '<path d="M-4.5-4.5 4.5 4.5M4.5-4.5-4.5 4.5" class="shape-stroke shape-thick"/>',
}


def shapes() -> Markup:
    """The shapes, once a page; every picture refers to them."""
    symbols = "".join(
        f'<g id="mark-{kind.word}" class="mark mark-{kind.word}">{SHAPES[kind]}</g>' for kind in Kind
    )
    return Markup(f'<svg class="shapes" aria-hidden="true" width="0" height="0"><defs>{symbols}</defs></svg>')


def picture(timeline: Timeline) -> Markup:
    """The SVG element of a timeline; all text in it is escaped."""
    labels = {lane: _label(lane) for lane in timeline.lanes}
    left = round(max(map(len, labels.values()), default=0) * CHARACTER_WIDTH + 14)
    places = _places(timeline, left)
    right = max(places, default=left) + RIGHT
    heights = {lane: TOP + LANE_HEIGHT * row + LANE_HEIGHT // 2 for row, lane in enumerate(timeline.lanes)}
    bottom = TOP + LANE_HEIGHT * len(timeline.lanes)
    parts: list[str] = []
    for lane, y in heights.items():
        parts.append(f'<text x="0" y="{y + 4}">{escape(labels[lane])}</text>')
        parts.append(f'<path d="M{left} {y}H{right}" class="lane"/>')
    parts += _axis(timeline.marks, places, bottom)
    parts += _exchanges(timeline.marks, places, heights)
    for mark, x in zip(timeline.marks, places, strict=True):
        parts.append(f'<use href="#mark-{mark.kind.word}" x="{x}" y="{heights[mark.lane]}"/>')
    size = f'viewBox="0 0 {right} {bottom + AXIS_HEIGHT}" width="{right}" height="{bottom + AXIS_HEIGHT}"'
    return Markup(f'<svg class="timeline" aria-hidden="true" {size}>{"".join(parts)}</svg>')


def _label(lane: str) -> str:
    return lane if len(lane) <= LONGEST_LANE else f"{lane[: LONGEST_LANE - 1]}…"


def _places(timeline: Timeline, left: int) -> list[int]:
    """The x of every mark: a step each, and its share of the width that is left for time."""
    marks = timeline.marks
    if not marks:
        return []
    steps = MARK_STEP * (len(marks) - 1)
    time_width = max(TIME_WIDTH, WHOLE_WIDTH - left - RIGHT - steps)
    first, last = marks[0].seconds, marks[-1].seconds
    scale = time_width / (last - first) if last > first else 0.0
    start = left + MARK_STEP
    return [
        round(start + number * MARK_STEP + (mark.seconds - first) * scale)
        for number, mark in enumerate(marks)
    ]


def _axis(marks: tuple[Mark, ...], places: list[int], bottom: int) -> list[str]:
    """A tick where time has moved on, with the time where there is room for it."""
    parts: list[str] = []
    last_seconds: float | None = None
    last_label = -LABEL_DISTANCE
    for mark, x in zip(marks, places, strict=True):
        if mark.seconds == last_seconds:
            continue
        last_seconds = mark.seconds
        parts.append(f'<path d="M{x} {TOP}V{bottom + 4}" class="tick"/>')
        if x - last_label >= LABEL_DISTANCE:
            last_label = x
            parts.append(f'<text x="{x}" y="{bottom + 16}" class="time">{_time(mark.seconds)}</text>')
    return parts


def _time(seconds: float) -> str:
    return f"{seconds:.3f}".rstrip("0").rstrip(".") + " s"


def _exchanges(marks: tuple[Mark, ...], places: list[int], heights: dict[str, int]) -> list[str]:
    """A line through the marks of each exchange."""
    lines: dict[int, list[str]] = {}
    for mark, x in zip(marks, places, strict=True):
        if mark.exchange is not None:
            lines.setdefault(mark.exchange, []).append(f"{x} {heights[mark.lane]}")
    return [
        f'<path d="M{"L".join(points)}" class="exchange"/>' for points in lines.values() if len(points) > 1
    ]
