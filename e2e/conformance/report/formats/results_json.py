"""results.json: the results as data, for programs. docs/results.schema.json describes the file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from e2e.conformance.report.report_format import FileFormat, ReportContext
from e2e.conformance.report.results import Results
from e2e.conformance.report.results_file import RESULTS_FILE, SCHEMA
from e2e.conformance.report.verdicts import CaseResult


def build_json(results: Results, environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the contents of results.json; keys without a value are left out."""
    contents: dict[str, Any] = {
        "schema": SCHEMA,
        **({"environment": dict(environment)} if environment else {}),
        "implementations": {
            name: {"cases": {result.id: _build_case(result) for result in results.get_results(name)}}
            for name in results.implementations
        },
    }
    return {**contents, "problems": results.problems} if results.problems else contents


def _build_case(result: CaseResult) -> dict[str, Any]:
    values = {
        "verdict": result.verdict.value if result.verdict else None,
        "level": result.level.value,
        "requirement": result.requirement,
        "expected": result.expected,
        "actual": result.actual,
        "seconds": round(result.seconds, 3),
        "source": result.source,
    }
    optional = {
        "known_deviation": result.known_deviation,
        "stale_deviation": result.stale_deviation or None,
        "broke_off": result.aborted or None,
        "details": result.details,
    }
    return values | {key: value for key, value in optional.items() if value is not None}


def _render(results: Results, context: ReportContext) -> str:
    return json.dumps(build_json(results, context.environment), ensure_ascii=False, indent=2) + "\n"


FORMAT = FileFormat("json", RESULTS_FILE, _render)
