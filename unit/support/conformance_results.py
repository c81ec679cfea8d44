"""Results for the tests of report formats."""

from __future__ import annotations

from dataclasses import replace

from e2e.conformance.case import Level, Verdict
from e2e.conformance.report.results import Results
from e2e.conformance.report.verdicts import CaseResult

OK = CaseResult("one", "flush/2/1", Level.MUST, "requirement", "expected", "source", Verdict.OK, seconds=0.5)
FAILED = replace(OK, id="flush/2/2", verdict=Verdict.FAILED, actual="3 POSTs\nmore")
NON_STRICT = replace(OK, id="flush/2/3", verdict=Verdict.NON_STRICT, level=Level.SHOULD, actual="late")
SKIPPED = replace(OK, id="flush/2/4", verdict=Verdict.UNIMPLEMENTED, actual="no such feature")
UNDECIDED = replace(OK, id="flush/2/6", verdict=Verdict.INCONCLUSIVE, actual="not exercised: no POST")
STALE = replace(OK, id="flush/2/5", known_deviation="why", stale_deviation=True)
HOSTILE = "]]>&<a>\"'\ufffe\uffff\U0001f600::error::%0A\n::stop-commands::x"


def collect(*found: CaseResult, problems: tuple[str, ...] = ()) -> Results:
    """Return the results of a run."""
    results = Results()
    for result in found:
        results.add(result)
    results.problems += problems
    return results
