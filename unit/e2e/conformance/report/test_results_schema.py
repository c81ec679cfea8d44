"""results.json is valid by docs/results.schema.json, and the schema refuses other contents."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from e2e.conformance.case import Level, Verdict
from e2e.conformance.paths import CHECKOUT
from e2e.conformance.report.formats.results_json import build_json
from e2e.conformance.report.results import Results
from e2e.conformance.report.results_file import SCHEMA
from e2e.conformance.report.verdicts import CaseResult
from unit.support.schema_rules import list_errors

SCHEMA_FILE = CHECKOUT / "docs" / "results.schema.json"
OK = CaseResult("one", "flush/2/1", Level.MUST, "requirement", "expected", "source", Verdict.OK, seconds=0.5)

Change = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    text: dict[str, Any] = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    return text


def make_contents() -> dict[str, Any]:
    """Return the contents of results.json with every optional key."""
    results = Results()
    for number, verdict in enumerate(Verdict, start=1):
        results.add(replace(OK, id=f"server/ingest/1/{number}", verdict=verdict, level=Level.SHOULD))
    results.add(replace(OK, known_deviation="why", stale_deviation=True))
    results.add(
        replace(OK, implementation="two", known_deviation="why", details="text", verdict=Verdict.FAILED)
    )
    results.problems.append("interrupted")
    contents: dict[str, Any] = json.loads(json.dumps(build_json(results, {"chromium": "156.0"})))
    return contents


def test_schema_has_the_version_of_the_file(schema: dict[str, Any]) -> None:
    assert schema["properties"]["schema"]["const"] == SCHEMA


def test_contents_of_a_run_are_valid(schema: dict[str, Any]) -> None:
    assert list_errors(schema, make_contents()) == []
    assert list_errors(schema, build_json(Results())) == []


def get_one_case(data: dict[str, Any]) -> dict[str, Any]:
    """Return one of the cases, to be changed."""
    found: dict[str, Any] = data["implementations"]["one"]["cases"]["flush/2/1"]
    return found


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda data: data.update(schema=2), "$.schema: 2 is not 1"),
        (lambda data: data.update(schema=True), "$.schema: True is not 1"),
        (lambda data: data.pop("implementations"), "$: implementations is missing"),
        (lambda data: data.update(color="red"), "$: color is not known"),
        (lambda data: data.update(environment={"chromium": ""}), "too short"),
        (lambda data: data.update(problems=[]), "$.problems: too few items"),
        (
            lambda data: data["implementations"].update(one=[]),
            "$.implementations.one: [] is not of type object",
        ),
        (lambda data: get_one_case(data).update(verdict="fine"), "'fine' is not one of"),
        (lambda data: get_one_case(data).update(level=None), "None is not one of"),
        (lambda data: get_one_case(data).update(seconds=-1), "-1 is too small"),
        (lambda data: get_one_case(data).update(seconds="1"), "'1' is not of type number"),
        (lambda data: get_one_case(data).update(actual=""), "actual: too short"),
        (lambda data: get_one_case(data).update(stale_deviation=False), "False is not True"),
        (lambda data: get_one_case(data).pop("source"), "source is missing"),
        (
            lambda data: data["implementations"]["one"]["cases"].update({"flush/0/1": get_one_case(data)}),
            "'flush/0/1' does not match",
        ),
    ],
)
def test_other_contents_are_invalid(schema: dict[str, Any], change: Change, error: str) -> None:
    data = copy.deepcopy(make_contents())
    change(data)
    (found,) = list_errors(schema, data)
    assert error in found
