"""GitHub's annotations: their order, their escapes, and when they are written."""

from __future__ import annotations

from dataclasses import replace

import pytest

from e2e.conformance.case import Level
from e2e.conformance.report.formats.github import build_workflow_commands, is_github_actions
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


def test_annotations_begin_with_what_fails_the_run() -> None:
    known = replace(NON_STRICT, id="flush/2/6", known_deviation="because")
    lines = list(
        build_workflow_commands(collect(OK, NON_STRICT, SKIPPED, STALE, FAILED, known, problems=("cut",)))
    )
    assert [line.partition("::")[2].partition("::")[0] for line in lines] == [
        "error title=the run is incomplete",
        "error title=flush/2/2 on one",
        "error title=flush/2/5 on one",
        "warning title=flush/2/3 on one",
        "notice title=flush/2/6 on one",
    ]
    assert lines[1].endswith("::requirement%0Aexpected: expected%0Aactual: 3 POSTs%0Amore")
    assert lines[4].endswith("%0Aknown deviation: because")


def test_inconclusive_must_is_an_error_and_a_should_a_warning() -> None:
    should = replace(UNDECIDED, id="flush/2/7", level=Level.SHOULD)
    error, warning = build_workflow_commands(collect(OK, should, UNDECIDED))
    assert error.startswith("::error title=flush/2/6 on one::")
    assert warning.startswith("::warning title=flush/2/7 on one::")
    assert warning.endswith("actual: not exercised: no POST")


def test_hostile_text_stays_in_its_annotation() -> None:
    (line,) = build_workflow_commands(collect(replace(FAILED, implementation="a:b,c%\nd", actual=HOSTILE)))
    assert "\n" not in line
    assert line.startswith("::error title=flush/2/2 on a%3Ab%2Cc%25%0Ad::requirement%0A")
    assert "%250A" in line


@pytest.mark.parametrize(("value", "expected"), [("true", True), ("", False), ("false", False)])
def test_annotations_are_for_github_actions_only(
    monkeypatch: pytest.MonkeyPatch, value: str, expected: bool
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", value)
    assert is_github_actions() is expected
