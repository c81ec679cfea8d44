"""A timeline as data, as lines and as a picture. Where its marks come from is in test_recorder.py."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from e2e.conformance.report.timeline import MARK_LIMIT, Kind, Mark, Timeline, timeline
from e2e.conformance.report.timeline_svg import MARK_STEP, picture, shapes

LANES = ("tab-1", "worker", "gateway", "server")
HOSTILE = "</title></svg><script>alert(1)</script>\x00\u202e"
MARKS = [
    Mark(0.0, "tab-1", Kind.EVENTS, "logs tab-1/0"),
    Mark(30.0, "worker", Kind.FLUSHED, "#1 POST", 1),
    Mark(30.0, "server", Kind.ANSWERED, "#1 200", 1),
    Mark(90.5, "worker", Kind.CUT, "#2 no answer", 2),
]


def elements(drawn: Timeline) -> ElementTree.Element:
    """The picture, read as XML."""
    return ElementTree.fromstring(str(picture(drawn)))


def places(drawn: Timeline) -> list[int]:
    """The x of each mark."""
    return [int(use.attrib["x"]) for use in elements(drawn).iter("use")]


def test_marks_come_in_the_order_of_time_and_those_of_one_moment_as_they_came() -> None:
    made = timeline("axis", LANES, [MARKS[3], MARKS[1], MARKS[2], MARKS[0]])
    assert list(made.marks) == MARKS


def test_a_lane_without_a_mark_is_left_out() -> None:
    assert timeline("axis", LANES, MARKS).lanes == ("tab-1", "worker", "server")


def test_it_survives_the_way_between_processes() -> None:
    made = timeline("axis", LANES, MARKS)
    assert Timeline.from_wire(json.loads(json.dumps(made.to_wire()))) == made


def test_of_too_many_marks_the_first_and_the_last_stay_and_the_rest_is_counted() -> None:
    made = timeline("axis", LANES, [Mark(float(n), "worker", Kind.FLUSHED, str(n)) for n in range(1000)])
    half = MARK_LIMIT // 2
    assert [mark.text for mark in made.marks] == [str(n) for n in (*range(half), *range(1000 - half, 1000))]
    assert made.left_out == 1000 - MARK_LIMIT
    assert f"({1000 - MARK_LIMIT} marks between the first {half} and the last {half} are left out)" in next(
        made.lines()
    )


def test_as_text_every_mark_is_a_line_with_time_lane_shape_and_words() -> None:
    heading, *lines = timeline("seconds of virtual time", LANES, MARKS).lines()
    assert heading == "seconds of virtual time:"
    assert lines[0].split(maxsplit=3) == ["0.000", "tab-1", "●", "logs tab-1/0"]
    assert lines[3].split(maxsplit=3) == ["90.500", "worker", "✖", "#2 no answer"]


def test_hostile_text_stays_text() -> None:
    made = timeline("axis", (HOSTILE,), [Mark(0.0, HOSTILE, Kind.EVENTS, HOSTILE)])
    drawn = elements(made)
    assert {element.tag for element in drawn.iter()} <= {"svg", "text", "path", "use", "title"}
    assert made.marks[0].text == r"</title></svg><script>alert(1)</script>\x00\u202e"
    assert "\x00" not in str(picture(made)) + "\n".join(made.lines())


def test_a_text_without_end_is_cut() -> None:
    (mark,) = timeline("axis", LANES, [Mark(0.0, "worker", Kind.EVENTS, "x\n" * 10_000)]).marks
    assert len(mark.text) < 120
    assert "\n" not in mark.text


def test_every_kind_has_a_symbol_and_a_shape_of_its_own() -> None:
    drawn = ElementTree.fromstring(str(shapes()))
    groups = {group.attrib["id"]: ElementTree.tostring(group[0]) for group in drawn.iter("g")}
    assert set(groups) == {f"mark-{kind.word}" for kind in Kind}
    assert len(set(groups.values())) == len(Kind)
    assert len({kind.value for kind in Kind}) == len(Kind)


def test_no_mark_hides_another_and_time_goes_to_the_right() -> None:
    found = places(timeline("axis", LANES, MARKS))
    steps = [after - before for before, after in pairwise(found)]
    assert min(steps) >= MARK_STEP
    assert steps[0] > steps[1], "30 s are longer than none"
    assert steps[2] > steps[0], "60.5 s are longer than 30"


@pytest.mark.parametrize("count", [1, 2, MARK_LIMIT])
def test_marks_of_one_moment_stand_side_by_side(count: int) -> None:
    found = places(timeline("axis", LANES, [Mark(5.0, "worker", Kind.FLUSHED, "POST")] * count))
    assert len(set(found)) == count


def test_an_exchange_is_joined_by_a_line_and_the_axis_has_the_times() -> None:
    drawn = elements(timeline("axis", LANES, MARKS))
    joined = [path.attrib["d"] for path in drawn.iter("path") if path.attrib["class"] == "exchange"]
    assert len(joined) == 1
    assert re.fullmatch(r"M\d+ \d+L\d+ \d+", joined[0])
    times = [text.text for text in drawn.iter("text") if text.attrib.get("class") == "time"]
    assert times == ["0 s", "30 s", "90.5 s"]


def test_nothing_happened_is_a_picture_too() -> None:
    assert elements(timeline("axis", LANES, [])).tag == "svg"
