"""A timeline as a picture: SVG with a row for each lane, a shape for each kind, and a time axis below.

Colors come from the page's variables. Each mark is one step to the right of the mark before, and the rest of
the width is proportional to time: marks of one time are side by side in their order, and long waits are long.
The words of the marks are not in the picture but in the lines of text below it.
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
"""Least width that is proportional to time, in addition to the steps."""
TOTAL_WIDTH = 760
RIGHT = 24
LABEL_DISTANCE = 52
"""Least distance between two labels of the axis."""

SHAPES = {
    Kind.OPENED: '<path d="M-4-5 5 0-4 5z" class="shape-hollow"/>',
    Kind.EVENTS: '<circle r="4.5"/>',
    Kind.MESSAGE: '<path d="M0-6 1.6-1.6 6 0 1.6 1.6 0 6-1.6 1.6-6 0-1.6-1.6z"/>',
    Kind.CLOSED: '<path d="M-4-4 4 4M4-4-4 4" class="shape-stroke"/>',
    Kind.STARTED: '<path d="M-4-5 5 0-4 5z"/>',
    Kind.REQUESTED: '<path d="M-5-4H5L0 5z" class="shape-hollow"/>',
    Kind.FLUSHED: '<path d="M-5.5 5H5.5L0-5.5z"/>',
    Kind.ERROR: '<path d="M-2-6V2M2-6V2M-2 4.5V6M2 4.5V6" class="shape-stroke"/>',
    Kind.ENDED: '<path d="M4-5-5 0 4 5z"/>',
    Kind.TOXIC: '<path d="M0-6 6 0 0 6-6 0z"/>',
    Kind.RESPONDED: '<path d="M-4.5-4.5h9v9h-9z"/>',
    Kind.REFUSED: '<path d="M-4.5-4.5h9v9h-9z" class="shape-hollow"/>',
    Kind.RECEIVED: '<path d="M0-5.5 5.5 0 0 5.5-5.5 0z" class="shape-hollow"/>',
    Kind.ABORTED: '<path d="M-4.5-4.5 4.5 4.5M4.5-4.5-4.5 4.5" class="shape-stroke shape-thick"/>',
}


def draw_shapes() -> Markup:
    """Return an SVG element that defines the shapes; all pictures of a page refer to it."""
    symbols = "".join(
        f'<g id="mark-{kind.word}" class="mark mark-{kind.word}">{SHAPES[kind]}</g>' for kind in Kind
    )
    return Markup(f'<svg class="shapes" aria-hidden="true" width="0" height="0"><defs>{symbols}</defs></svg>')


def draw_timeline(timeline: Timeline) -> Markup:
    """Return the SVG element of a timeline; all text in it is escaped."""
    labels = {lane: _shorten(lane) for lane in timeline.lanes}
    left = round(max(map(len, labels.values()), default=0) * CHARACTER_WIDTH + 14)
    positions = _compute_positions(timeline, left)
    right = max(positions, default=left) + RIGHT
    heights = {lane: TOP + LANE_HEIGHT * row + LANE_HEIGHT // 2 for row, lane in enumerate(timeline.lanes)}
    bottom = TOP + LANE_HEIGHT * len(timeline.lanes)
    parts: list[str] = []
    for lane, y in heights.items():
        parts.append(f'<text x="0" y="{y + 4}">{escape(labels[lane])}</text>')
        parts.append(f'<path d="M{left} {y}H{right}" class="lane"/>')
    parts += _draw_axis(timeline.marks, positions, bottom)
    parts += _draw_exchanges(timeline.marks, positions, heights)
    for mark, x in zip(timeline.marks, positions, strict=True):
        parts.append(f'<use href="#mark-{mark.kind.word}" x="{x}" y="{heights[mark.lane]}"/>')
    size = f'viewBox="0 0 {right} {bottom + AXIS_HEIGHT}" width="{right}" height="{bottom + AXIS_HEIGHT}"'
    return Markup(f'<svg class="timeline" aria-hidden="true" {size}>{"".join(parts)}</svg>')


def _shorten(lane: str) -> str:
    return lane if len(lane) <= LONGEST_LANE else f"{lane[: LONGEST_LANE - 1]}…"


def _compute_positions(timeline: Timeline, left: int) -> list[int]:
    """Return the x of every mark: its steps plus its share of the width that is proportional to time."""
    marks = timeline.marks
    if not marks:
        return []
    steps = MARK_STEP * (len(marks) - 1)
    time_width = max(TIME_WIDTH, TOTAL_WIDTH - left - RIGHT - steps)
    first, last = marks[0].seconds, marks[-1].seconds
    scale = time_width / (last - first) if last > first else 0.0
    start = left + MARK_STEP
    return [
        round(start + number * MARK_STEP + (mark.seconds - first) * scale)
        for number, mark in enumerate(marks)
    ]


def _draw_axis(marks: tuple[Mark, ...], positions: list[int], bottom: int) -> list[str]:
    """Return a tick for each new time, with a label if the one before is far enough."""
    parts: list[str] = []
    last_seconds: float | None = None
    last_label = -LABEL_DISTANCE
    for mark, x in zip(marks, positions, strict=True):
        if mark.seconds == last_seconds:
            continue
        last_seconds = mark.seconds
        parts.append(f'<path d="M{x} {TOP}V{bottom + 4}" class="tick"/>')
        if x - last_label >= LABEL_DISTANCE:
            last_label = x
            parts.append(f'<text x="{x}" y="{bottom + 16}" class="time">{_format_time(mark.seconds)}</text>')
    return parts


def _format_time(seconds: float) -> str:
    return f"{seconds:.3f}".rstrip("0").rstrip(".") + " s"


def _draw_exchanges(marks: tuple[Mark, ...], positions: list[int], heights: dict[str, int]) -> list[str]:
    """Return a line through the marks of each exchange."""
    lines: dict[int, list[str]] = {}
    for mark, x in zip(marks, positions, strict=True):
        if mark.exchange is not None:
            lines.setdefault(mark.exchange, []).append(f"{x} {heights[mark.lane]}")
    return [
        f'<path d="M{"L".join(points)}" class="exchange"/>' for points in lines.values() if len(points) > 1
    ]
