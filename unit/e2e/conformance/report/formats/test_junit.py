"""junit.xml: suites, failures, errors, and that it is XML for any text of a system under test."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

from e2e.conformance.case import Level, Verdict
from e2e.conformance.report.formats.junit import build_junit
from e2e.conformance.report.results import Results
from e2e.conformance.report.timeline import Kind, Mark, build_timeline
from unit.support.conformance_results import (
    FAILED,
    HOSTILE,
    NON_STRICT,
    OK,
    SKIPPED,
    STALE,
    UNDECIDED,
    collect,
)


def parse_cases(results: Results) -> dict[str, ElementTree.Element]:
    return {
        test.attrib["name"]: test for test in ElementTree.fromstring(build_junit(results)).iter("testcase")
    }


def test_junit_has_a_suite_for_each_implementation() -> None:
    results = collect(OK, FAILED, NON_STRICT, SKIPPED, STALE, replace(OK, implementation="two"))
    suites = {suite.attrib["name"]: suite.attrib for suite in ElementTree.fromstring(build_junit(results))}
    assert list(suites) == ["one", "two"]
    counts = {name: suites["one"][name] for name in ("tests", "failures", "errors", "skipped", "time")}
    assert counts == {"tests": "5", "failures": "2", "errors": "0", "skipped": "1", "time": "2.500"}


def test_junit_failures_are_what_fails_the_run() -> None:
    cases = parse_cases(collect(OK, FAILED, NON_STRICT, SKIPPED, STALE))
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


def test_junit_inconclusive_must_is_a_failure() -> None:
    cases = parse_cases(collect(OK, UNDECIDED, replace(UNDECIDED, id="flush/2/7", level=Level.SHOULD)))
    assert [child.tag for child in cases["flush/2/6"]] == ["properties", "failure"]
    assert [child.tag for child in cases["flush/2/7"]] == ["properties", "skipped"]


def test_junit_failure_has_the_timeline() -> None:
    made = build_timeline(
        "seconds of virtual time", ("worker",), [Mark(30.0, "worker", Kind.FLUSHED, "#1 POST")]
    )
    failure = parse_cases(collect(replace(FAILED, timeline=made)))["flush/2/2"].find("failure")
    assert failure is not None
    assert failure.attrib["message"] == "3 POSTs"
    lines = (failure.text or "").splitlines()
    assert lines[:2] == ["requirement: requirement", "expected: expected"]
    assert lines[-1].split() == ["30.000", "worker", "▲", "#1", "POST"]


def test_junit_has_an_error_for_an_incomplete_run() -> None:
    suites = ElementTree.fromstring(build_junit(collect(OK, problems=("interrupted",))))
    assert (suites[1].attrib["name"], suites[1].attrib["errors"]) == ("the run", "1")


def test_junit_is_xml_for_hostile_text() -> None:
    hostile = replace(
        FAILED, implementation=HOSTILE, actual=HOSTILE, requirement=HOSTILE, known_deviation=HOSTILE
    )
    text = build_junit(collect(hostile, replace(hostile, verdict=Verdict.UNIMPLEMENTED, id="flush/3/1")))
    text.encode()
    test = parse_cases(collect(hostile))["flush/2/2"]
    assert {element.tag for element in test.iter()} == {"testcase", "properties", "property", "failure"}
