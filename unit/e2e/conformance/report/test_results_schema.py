"""results.json is what docs/results.schema.json says, whatever a run found out; nothing else is."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from e2e.conformance.case import Level, Verdict
from e2e.conformance.paths import CHECKOUT
from e2e.conformance.report.results import SCHEMA, Results
from e2e.conformance.report.verdicts import CaseResult
from unit.support.schema_rules import complaints

SCHEMA_FILE = CHECKOUT / "docs" / "results.schema.json"
OK = CaseResult("one", "flush/2/1", Level.MUST, "requirement", "expected", "source", Verdict.OK, seconds=0.5)

Change = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    text: dict[str, Any] = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    return text


def results() -> dict[str, Any]:
    """All that a run can have found out."""
    book = Results()
    for number, verdict in enumerate(Verdict, start=1):
        book.add(replace(OK, id=f"server/ingest/1/{number}", verdict=verdict, level=Level.SHOULD))
    book.add(replace(OK, known_deviation="why", stale_deviation=True))
    book.add(replace(OK, implementation="two", known_deviation="why", details="text", verdict=Verdict.FAILED))
    book.problems.append("interrupted")
    whole: dict[str, Any] = json.loads(json.dumps(book.to_json()))
    return whole


def test_the_schema_has_the_version_that_is_written(schema: dict[str, Any]) -> None:
    assert schema["properties"]["schema"]["const"] == SCHEMA


def test_what_a_run_writes_fits(schema: dict[str, Any]) -> None:
    assert complaints(schema, results()) == []
    assert complaints(schema, Results().to_json()) == []


def case_of(data: dict[str, Any]) -> dict[str, Any]:
    """One of the cases, for a change."""
    found: dict[str, Any] = data["implementations"]["one"]["cases"]["flush/2/1"]
    return found


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda data: data.update(schema=2), "$.schema: 2 is not 1"),
        (lambda data: data.update(schema=True), "$.schema: True is not 1"),
        (lambda data: data.pop("implementations"), "$: implementations is missing"),
        (lambda data: data.update(colour="red"), "$: colour is not known"),
        (lambda data: data.update(problems=[]), "$.problems: too few items"),
        (lambda data: data["implementations"].update(one=[]), "$.implementations.one: [] is no object"),
        (lambda data: case_of(data).update(verdict="fine"), "'fine' is none of"),
        (lambda data: case_of(data).update(level=None), "None is none of"),
        (lambda data: case_of(data).update(seconds=-1), "-1 is too small"),
        (lambda data: case_of(data).update(seconds="1"), "'1' is no number"),
        (lambda data: case_of(data).update(actual=""), "actual: too short"),
        (lambda data: case_of(data).update(stale_deviation=False), "False is not True"),
        (lambda data: case_of(data).pop("source"), "source is missing"),
        (
            lambda data: data["implementations"]["one"]["cases"].update({"flush/0/1": case_of(data)}),
            "'flush/0/1' does not match",
        ),
    ],
)
def test_anything_else_does_not_fit(schema: dict[str, Any], change: Change, complaint: str) -> None:
    data = copy.deepcopy(results())
    change(data)
    (found,) = complaints(schema, data)
    assert complaint in found
