"""What leaves a run beside the page and results.json: junit.xml, GitHub's annotations, the table of costs."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

import pytest

from e2e.conformance.case import Level, Verdict
from e2e.conformance.report.durations import SLOWEST, costs
from e2e.conformance.report.github import is_reading, workflow_commands
from e2e.conformance.report.junit import junit
from e2e.conformance.report.results import Results
from e2e.conformance.report.timeline import Kind, Mark, timeline
from e2e.conformance.report.verdicts import CaseResult

OK = CaseResult("one", "flush/2/1", Level.MUST, "requirement", "expected", "source", Verdict.OK, seconds=0.5)
FAILED = replace(OK, id="flush/2/2", verdict=Verdict.FAILED, actual="3 POSTs\nmore")
NON_STRICT = replace(OK, id="flush/2/3", verdict=Verdict.NON_STRICT, level=Level.SHOULD, actual="late")
SKIPPED = replace(OK, id="flush/2/4", verdict=Verdict.UNIMPLEMENTED, actual="no such feature")
STALE = replace(OK, id="flush/2/5", known_deviation="why", stale_deviation=True)
HOSTILE = "]]>&<a>\"'\ufffe\uffff\U0001f600::error::%0A\n::stop-commands::x"


def book_of(*judgements: CaseResult, problems: tuple[str, ...] = ()) -> Results:
    book = Results()
    for judged in judgements:
        book.add(judged)
    book.problems += problems
    return book


def cases_in(book: Results) -> dict[str, ElementTree.Element]:
    return {test.attrib["name"]: test for test in ElementTree.fromstring(junit(book)).iter("testcase")}


def test_junit_has_a_suite_an_implementation_with_its_counts() -> None:
    book = book_of(OK, FAILED, NON_STRICT, SKIPPED, STALE, replace(OK, implementation="two"))
    suites = {suite.attrib["name"]: suite.attrib for suite in ElementTree.fromstring(junit(book))}
    assert list(suites) == ["one", "two"]
    counts = {name: suites["one"][name] for name in ("tests", "failures", "errors", "skipped", "time")}
    assert counts == {"tests": "5", "failures": "2", "errors": "0", "skipped": "1", "time": "2.500"}


def test_junit_fails_what_makes_the_run_fail_and_nothing_else() -> None:
    cases = cases_in(book_of(OK, FAILED, NON_STRICT, SKIPPED, STALE))
    children = {name: [child.tag for child in test] for name, test in cases.items()}
    assert children == {
        "flush/2/1": ["properties"],
        "flush/2/2": ["properties", "failure"],
        "flush/2/3": ["properties", "system-out"],
        "flush/2/4": ["properties", "skipped"],
        "flush/2/5": ["properties", "failure"],
    }
    properties = {each.attrib["name"]: each.attrib["value"] for each in cases["flush/2/3"][0]}
    assert (properties["verdict"], properties["level"]) == ("non-strict", "SHOULD")


def test_junit_tells_the_failure_with_its_timeline() -> None:
    told = timeline("seconds of virtual time", ("worker",), [Mark(30.0, "worker", Kind.FLUSHED, "#1 POST")])
    failure = cases_in(book_of(replace(FAILED, timeline=told)))["flush/2/2"].find("failure")
    assert failure is not None
    assert failure.attrib["message"] == "3 POSTs"
    lines = (failure.text or "").splitlines()
    assert lines[:2] == ["requirement: requirement", "expected: expected"]
    assert lines[-1].split() == ["30.000", "worker", "▲", "#1", "POST"]


def test_junit_has_an_error_for_a_run_that_is_not_whole() -> None:
    suites = ElementTree.fromstring(junit(book_of(OK, problems=("interrupted",))))
    assert (suites[1].attrib["name"], suites[1].attrib["errors"]) == ("the run", "1")


def test_junit_is_xml_whatever_a_system_says() -> None:
    hostile = replace(
        FAILED, implementation=HOSTILE, actual=HOSTILE, requirement=HOSTILE, known_deviation=HOSTILE
    )
    text = junit(book_of(hostile, replace(hostile, verdict=Verdict.UNIMPLEMENTED, id="flush/3/1")))
    text.encode()
    test = cases_in(book_of(hostile))["flush/2/2"]
    assert {element.tag for element in test.iter()} == {"testcase", "properties", "property", "failure"}


def test_annotations_tell_what_fails_first_and_what_is_known_last() -> None:
    known = replace(NON_STRICT, id="flush/2/6", known_deviation="because")
    lines = list(workflow_commands(book_of(OK, NON_STRICT, SKIPPED, STALE, FAILED, known, problems=("cut",))))
    assert [line.partition("::")[2].partition("::")[0] for line in lines] == [
        "error title=the run is not whole",
        "error title=flush/2/2 on one",
        "error title=flush/2/5 on one",
        "warning title=flush/2/3 on one",
        "notice title=flush/2/6 on one",
    ]
    assert lines[1].endswith("::requirement%0Aexpected: expected%0Aactual: 3 POSTs%0Amore")
    assert lines[4].endswith("%0Aknown deviation: because")


def test_a_hostile_text_stays_in_its_annotation() -> None:
    (line,) = workflow_commands(book_of(replace(FAILED, implementation="a:b,c%\nd", actual=HOSTILE)))
    assert "\n" not in line
    assert line.startswith("::error title=flush/2/2 on a%3Ab%2Cc%25%0Ad::requirement%0A")
    assert "%250A" in line


@pytest.mark.parametrize(("value", "reading"), [("true", True), ("", False), ("false", False)])
def test_annotations_are_for_github_alone(monkeypatch: pytest.MonkeyPatch, value: str, reading: bool) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", value)
    assert is_reading() is reading


def test_costs_are_the_slowest_cases_and_the_total_of_each_family() -> None:
    many = [replace(OK, id=f"flush/2/{number}", seconds=float(number)) for number in range(1, 14)]
    lines = list(costs(book_of(*many, replace(OK, id="batch/1/1", seconds=100.0))))
    assert lines[0] == f"the slowest {SLOWEST} of 14 cases:"
    assert [line.split()[2] for line in lines[1:4]] == ["batch/1/1", "flush/2/13", "flush/2/12"]
    assert [line.split() for line in lines[SLOWEST + 2 :]] == [
        ["100.00", "s", "batch", "(1)"],
        ["91.00", "s", "flush", "(13)"],
        ["191.00", "s", "all", "(14)"],
    ]
