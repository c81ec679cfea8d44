"""A timeline as data, as lines and as a picture. test_timeline_recorder.py covers how marks are made."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from e2e.conformance.report.timeline import MARK_LIMIT, Kind, Mark, Timeline, build_timeline
from e2e.conformance.report.timeline_svg import MARK_STEP, draw_shapes, draw_timeline

LANES = ("tab-1", "worker", "gateway", "server")
HOSTILE = "</title></svg><script>alert(1)</script>\x00\u202e"
MARKS = [
    Mark(0.0, "tab-1", Kind.EVENTS, "logs tab-1/0"),
    Mark(30.0, "worker", Kind.FLUSHED, "#1 POST", 1),
    Mark(30.0, "server", Kind.RESPONDED, "#1 200", 1),
    Mark(90.5, "worker", Kind.ABORTED, "#2 no response", 2),
]


def draw(timeline: Timeline) -> ElementTree.Element:
    """Return the picture, parsed as XML."""
    return ElementTree.fromstring(str(draw_timeline(timeline)))


def get_positions(timeline: Timeline) -> list[int]:
    """Return the x of each mark."""
    return [int(use.attrib["x"]) for use in draw(timeline).iter("use")]


def test_marks_are_in_order_of_time_then_of_arrival() -> None:
    made = build_timeline("axis", LANES, [MARKS[3], MARKS[1], MARKS[2], MARKS[0]])
    assert list(made.marks) == MARKS


def test_lane_without_mark_is_left_out() -> None:
    assert build_timeline("axis", LANES, MARKS).lanes == ("tab-1", "worker", "server")


def test_wire_values_restore_the_timeline() -> None:
    made = build_timeline("axis", LANES, MARKS)
    assert Timeline.from_wire(json.loads(json.dumps(made.to_wire()))) == made


def test_marks_beyond_the_limit_are_left_out_of_the_middle() -> None:
    made = build_timeline(
        "axis", LANES, [Mark(float(n), "worker", Kind.FLUSHED, str(n)) for n in range(1000)]
    )
    half = MARK_LIMIT // 2
    assert [mark.text for mark in made.marks] == [str(n) for n in (*range(half), *range(1000 - half, 1000))]
    assert made.left_out == 1000 - MARK_LIMIT
    assert f"({1000 - MARK_LIMIT} marks between the first {half} and the last {half} are left out)" in next(
        made.format_lines()
    )


def test_text_has_a_line_for_each_mark() -> None:
    heading, *lines = build_timeline("seconds of virtual time", LANES, MARKS).format_lines()
    assert heading == "seconds of virtual time:"
    assert lines[0].split(maxsplit=3) == ["0.000", "tab-1", "●", "logs tab-1/0"]
    assert lines[3].split(maxsplit=3) == ["90.500", "worker", "✖", "#2 no response"]


def test_hostile_text_is_escaped() -> None:
    made = build_timeline("axis", (HOSTILE,), [Mark(0.0, HOSTILE, Kind.EVENTS, HOSTILE)])
    drawn = draw(made)
    assert {element.tag for element in drawn.iter()} <= {"svg", "text", "path", "use", "title"}
    assert made.marks[0].text == r"</title></svg><script>alert(1)</script>\x00\u202e"
    assert "\x00" not in str(draw_timeline(made)) + "\n".join(made.format_lines())


def test_long_text_is_cut() -> None:
    (mark,) = build_timeline("axis", LANES, [Mark(0.0, "worker", Kind.EVENTS, "x\n" * 10_000)]).marks
    assert len(mark.text) < 120
    assert "\n" not in mark.text


def test_each_kind_has_its_own_symbol_and_shape() -> None:
    drawn = ElementTree.fromstring(str(draw_shapes()))
    groups = {group.attrib["id"]: ElementTree.tostring(group[0]) for group in drawn.iter("g")}
    assert set(groups) == {f"mark-{kind.word}" for kind in Kind}
    assert len(set(groups.values())) == len(Kind)
    assert len({kind.value for kind in Kind}) == len(Kind)


def test_positions_grow_with_time_and_never_overlap() -> None:
    found = get_positions(build_timeline("axis", LANES, MARKS))
    steps = [after - before for before, after in pairwise(found)]
    assert min(steps) >= MARK_STEP
    assert steps[0] > steps[1], "30 s are longer than none"
    assert steps[2] > steps[0], "60.5 s are longer than 30"


@pytest.mark.parametrize("count", [1, 2, MARK_LIMIT])
def test_marks_of_one_time_are_side_by_side(count: int) -> None:
    found = get_positions(build_timeline("axis", LANES, [Mark(5.0, "worker", Kind.FLUSHED, "POST")] * count))
    assert len(set(found)) == count


def test_line_joins_an_exchange_and_the_axis_has_times() -> None:
    drawn = draw(build_timeline("axis", LANES, MARKS))
    joined = [path.attrib["d"] for path in drawn.iter("path") if path.attrib["class"] == "exchange"]
    assert len(joined) == 1
    assert re.fullmatch(r"M\d+ \d+L\d+ \d+", joined[0])
    times = [text.text for text in drawn.iter("text") if text.attrib.get("class") == "time"]
    assert times == ["0 s", "30 s", "90.5 s"]


def test_timeline_without_marks_can_be_drawn() -> None:
    assert draw(build_timeline("axis", LANES, [])).tag == "svg"
