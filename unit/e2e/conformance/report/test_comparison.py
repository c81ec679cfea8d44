"""What has changed since an earlier run."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from e2e.conformance.case import Level, Verdict
from e2e.conformance.report.comparison import ChangeKind, Comparison, compare
from e2e.conformance.report.formats.results_json import build_json
from e2e.conformance.report.results import Results
from e2e.conformance.report.results_file import EarlierResults, load_earlier_results
from unit.support.conformance_results import FAILED, NON_STRICT, OK, SKIPPED, STALE, UNDECIDED, collect


def save(folder: Path, results: Results, **environment: str) -> EarlierResults:
    file = folder / "earlier.json"
    file.write_text(json.dumps(build_json(results, environment)), encoding="utf-8")
    return load_earlier_results(file, "earlier.json")


def describe(comparison: Comparison) -> list[str]:
    return [f"{change.id} {change}" for change in comparison.changes]


def test_same_run_has_no_changes(tmp_path: Path) -> None:
    results = collect(OK, FAILED, NON_STRICT, SKIPPED, STALE, UNDECIDED)
    comparison = compare(save(tmp_path, results, chromium="1"), results, {"chromium": "1"})
    assert comparison.changes == []
    assert comparison.environment == []
    assert comparison.counts == "0 worse, 0 better, 0 new, 0 gone, 6 unchanged"


def test_changes_are_worse_better_new_gone(tmp_path: Path) -> None:
    earlier = save(
        tmp_path,
        collect(OK, FAILED, replace(OK, id="flush/2/7"), replace(UNDECIDED, id="flush/2/10"), STALE),
    )
    now = collect(
        replace(OK, verdict=Verdict.FAILED),
        replace(FAILED, verdict=Verdict.OK),
        replace(OK, id="flush/2/7", known_deviation="why", stale_deviation=True),
        replace(STALE, stale_deviation=False, known_deviation=None),
        replace(OK, id="batch/1/1"),
    )
    comparison = compare(earlier, now, {})
    assert describe(comparison) == [
        "flush/2/1 worse, was ok",
        "flush/2/7 worse, was ok",
        "flush/2/2 better, was failed",
        "flush/2/5 better, was ok, stale",
        "batch/1/1 new: ok",
        "flush/2/10 gone, was inconclusive",
    ]
    assert comparison.counts == "2 worse, 2 better, 1 new, 1 gone, 0 unchanged"
    assert [change.requirement for change in comparison.get_changes(ChangeKind.GONE)] == ["requirement"]


def test_implementation_of_one_run_alone_is_not_compared(tmp_path: Path) -> None:
    earlier = save(tmp_path, collect(OK, replace(FAILED, implementation="before")))
    comparison = compare(earlier, collect(OK, replace(FAILED, implementation="now")), {})
    assert (comparison.changes, comparison.unchanged) == ([], 1)
    assert (comparison.only_before, comparison.only_now) == (["before"], ["now"])


def test_case_that_the_run_did_not_select_is_not_gone(tmp_path: Path) -> None:
    earlier = save(tmp_path, collect(OK, replace(OK, id="batch/1/1"), NON_STRICT))
    comparison = compare(
        earlier,
        collect(FAILED),
        {},
        lambda case_id, level: case_id.startswith("flush") and level is Level.MUST,
    )
    assert describe(comparison) == ["flush/2/2 new: failed", "flush/2/1 gone, was ok"]


def test_environment_of_both_runs_is_compared(tmp_path: Path) -> None:
    earlier = save(tmp_path, collect(OK), chromium="1", seed="7")
    comparison = compare(earlier, collect(OK), {"chromium": "2", "firefox": "3"})
    assert comparison.environment == [("chromium", "1", "2"), ("seed", "7", ""), ("firefox", "", "3")]
