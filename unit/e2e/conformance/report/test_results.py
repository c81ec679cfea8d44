"""The results of a run: success, merging of several results for a case, order in the file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from e2e.conformance.case import Level, Verdict
from e2e.conformance.report.atomic_write import write_atomically
from e2e.conformance.report.formats.results_json import build_json
from e2e.conformance.report.results import Results
from e2e.conformance.report.verdicts import CaseResult

OK = CaseResult("one", "flush/2/1", Level.MUST, "requirement", "expected", "source", Verdict.OK)


def collect(*found: CaseResult) -> Results:
    results = Results()
    for result in found:
        results.add(result)
    return results


@pytest.mark.parametrize(
    ("result", "successful"),
    [
        (OK, True),
        (replace(OK, level=Level.SHOULD, verdict=Verdict.NON_STRICT), True),
        (replace(OK, verdict=Verdict.UNIMPLEMENTED, id="flush/2/2"), True),
        (replace(OK, verdict=Verdict.FAILED), False),
        (replace(OK, verdict=Verdict.INCONCLUSIVE, id="flush/2/2"), False),
        (replace(OK, verdict=Verdict.INCONCLUSIVE, id="flush/2/2", level=Level.SHOULD), True),
        (replace(OK, verdict=Verdict.FAILED, known_deviation="known"), False),
        (replace(OK, known_deviation="known", stale_deviation=True), False),
        (replace(OK, verdict=Verdict.FAILED, level=Level.MAY, actual="the setup of the case failed"), False),
    ],
)
def test_run_succeeds_if_no_case_failed_and_no_deviation_is_stale(
    result: CaseResult, successful: bool
) -> None:
    assert collect(replace(OK, id="batch/1/1"), result).successful is successful


def test_run_without_a_judged_case_fails() -> None:
    assert not Results().successful
    assert not collect(replace(OK, verdict=Verdict.UNIMPLEMENTED)).successful
    assert not collect(replace(OK, verdict=Verdict.INCONCLUSIVE, level=Level.SHOULD)).successful


def test_incomplete_run_fails() -> None:
    results = collect(OK)
    results.problems.append("interrupted")
    assert not results.successful
    assert build_json(results)["problems"] == ["interrupted"]


@pytest.mark.parametrize("first_is_bad", [True, False])
def test_merged_result_keeps_worst_verdict_and_stale_deviation(first_is_bad: bool) -> None:
    bad = replace(OK, verdict=Verdict.NON_STRICT, actual="bad")
    stale = replace(OK, stale_deviation=True, known_deviation="known")
    results = collect(*((bad, stale) if first_is_bad else (stale, bad)))
    (result,) = results
    assert (result.verdict, result.actual, result.stale_deviation) == (Verdict.NON_STRICT, "bad", True)


def test_result_survives_the_wire_format() -> None:
    result = replace(OK, known_deviation="known", details="text", seconds=1.5, actual="3 POSTs")
    assert CaseResult.from_wire(result.to_wire()) == result
    assert CaseResult.from_wire(replace(OK, verdict=None).to_wire()).verdict is None


def test_add_phase_sums_time_and_keeps_the_failure() -> None:
    start = replace(OK, verdict=None, seconds=1.0)
    call = replace(OK, verdict=Verdict.FAILED, seconds=2.0, details="from the call")
    end = replace(OK, verdict=None, seconds=4.0, details="from the end")
    result = start.add_phase(call).add_phase(end)
    assert (result.verdict, result.seconds, result.details) == (Verdict.FAILED, 7.0, "from the end")


def test_json_sorts_implementations_as_given_and_cases_by_number() -> None:
    results = collect(
        replace(OK, implementation="two", id="flush/10/1"), replace(OK, implementation="two"), OK
    )
    results.sort_implementations(["one", "absent", "two"])
    data = build_json(results)
    assert list(data["implementations"]) == ["one", "two"]
    assert list(data["implementations"]["two"]["cases"]) == ["flush/2/1", "flush/10/1"]
    assert set(data["implementations"]["one"]["cases"]["flush/2/1"]) == {
        "verdict",
        "level",
        "requirement",
        "expected",
        "actual",
        "seconds",
        "source",
    }


def test_failed_write_leaves_no_temporary_file(tmp_path: Path) -> None:
    (tmp_path / "results.json" / "in the way").mkdir(parents=True)
    with pytest.raises(OSError, match=r"results\.json"):
        write_atomically(tmp_path / "results.json", "{}")
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]
