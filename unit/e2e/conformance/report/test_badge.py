"""The badge: its words and color, as JSON and as SVG."""

from __future__ import annotations

import json
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from e2e.conformance.case import Level, Verdict
from e2e.conformance.report.badge import build_badge
from e2e.conformance.report.formats.badge_json import build_badge_json
from e2e.conformance.report.formats.badge_svg import build_badge_svg
from e2e.conformance.report.results import Results
from unit.support.conformance_results import FAILED, NON_STRICT, OK, SKIPPED, STALE, UNDECIDED, collect

TWO = replace(OK, implementation="two")


@pytest.mark.parametrize(
    ("results", "message", "color"),
    [
        (collect(OK, TWO, SKIPPED, NON_STRICT), "2 of 2 MUST", "brightgreen"),
        (collect(NON_STRICT), "no MUST", "brightgreen"),
        (collect(OK, FAILED, UNDECIDED), "1 of 3 MUST", "red"),
        (collect(OK, FAILED, problems=("cut",)), "1 of 2 MUST, incomplete", "red"),
        (
            collect(OK, replace(FAILED, level=Level.MAY, aborted=True)),
            "1 of 1 MUST, 1 other failed",
            "red",
        ),
        (collect(OK, STALE), "2 of 2 MUST, 1 stale", "orange"),
        (collect(OK, problems=("cut",)), "1 of 1 MUST, incomplete", "orange"),
        (collect(), "no verdict", "lightgrey"),
        (collect(SKIPPED, UNDECIDED), "no verdict", "lightgrey"),
    ],
)
def test_badge_says_which_musts_hold(results: Results, message: str, color: str) -> None:
    assert json.loads(build_badge_json(results)) == {
        "schemaVersion": 1,
        "label": "conformance",
        "message": message,
        "color": color,
    }
    assert (build_badge(results).color.value == "brightgreen") == results.successful


def test_svg_has_the_words_and_fits_them() -> None:
    results = collect(*(replace(OK, id=f"flush/1/{number}") for number in range(1, 1_001)))
    picture = ElementTree.fromstring(build_badge_svg(results))
    assert picture.attrib["aria-label"] == "conformance: 1000 of 1000 MUST"
    texts = list(picture.iter("{http://www.w3.org/2000/svg}text"))
    assert [each.text for each in texts] == ["conformance", "1000 of 1000 MUST"]
    last = texts[-1].attrib
    assert int(last["x"]) + int(last["textLength"]) < int(picture.attrib["width"])


def test_svg_refers_to_nothing_outside() -> None:
    text = build_badge_svg(collect(replace(OK, verdict=Verdict.FAILED)))
    assert text.replace('xmlns="http://www.w3.org/2000/svg"', "").count("http") == 0
    assert "#b3261e" in text
