"""Mutants without a browser: they apply to the reference; which verdicts kill; exemptions; the command.

That the suite kills each mutant is tested in `e2e/mutants`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from e2e.conformance.case import Case, Level, Verdict
from e2e.conformance.paths import CHECKOUT
from e2e.conformance.report.verdicts import CaseResult
from e2e.conformance.targets.server import ServerImplementation
from e2e.conformance.targets.toml_file import ImplementationError
from e2e.conformance.targets.worker import Implementation
from e2e.mutants import __main__, case_runner
from e2e.mutants.conftest import RESULTS_PROPERTY
from e2e.mutants.model import (
    Mutant,
    MutantResult,
    StaleMutantError,
    Target,
    build_implementation,
    find_unproven,
    get_mutant,
    load_exemptions,
    load_mutants,
)

MUTANTS = load_mutants()
WORKER_MUTANT = Mutant(
    "late",
    Target.WORKER,
    "flushes too late",
    "protocol.js",
    "export const ",
    "export const",
    ("flush/1/1", "flush/1/2"),
)
SERVER_MUTANT = replace(
    WORKER_MUTANT,
    target=Target.SERVER,
    file="api/telemetry.py",
    find="ENDPOINT = ",
    replace="ENDPOINT: str = ",
)


@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.name for mutant in MUTANTS])
def test_mutant_applies_to_the_reference(mutant: Mutant) -> None:
    mutant.check_applies()


def test_names_of_mutants_are_unique() -> None:
    names = [mutant.name for mutant in MUTANTS]
    assert len(set(names)) == len(names)


def judge(verdict: str | None, *, aborted: bool = False) -> MutantResult:
    case = Case("flush/1/1", Level.MUST, "flush", expected="1 POST", source="here")
    result = CaseResult(
        "late",
        case.id,
        case.level,
        case.requirement,
        case.expected,
        case.source,
        verdict=Verdict(verdict) if verdict else None,
        actual="3 POSTs",
        aborted=aborted,
    )
    return case_runner._judge("late", "flush/1/1", result)


@pytest.mark.parametrize(
    ("result", "killed"),
    [
        (judge("failed"), True),
        (judge("non-strict"), True),
        (judge("ok"), False),
        (judge("unimplemented"), False),
        (judge(None), False),
        (judge("failed", aborted=True), False),
        (case_runner._judge("late", "flush/1/1", None), False),
    ],
)
def test_judge_counts_a_found_deviation_as_killed(result: MutantResult, killed: bool) -> None:
    assert result.killed is killed


def test_only_failed_and_non_strict_kill_a_mutant() -> None:
    schema = json.loads((CHECKOUT / "docs" / "results.schema.json").read_text(encoding="utf-8"))
    words = schema["$defs"]["case"]["properties"]["verdict"]["enum"]
    assert {word for word in words if judge(word).killed} == {"failed", "non-strict"}


def test_case_needs_either_a_mutant_or_an_exemption() -> None:
    cases = ["flush/1/1", "flush/1/2", "flush/2/1", "flush/2/2"]
    assert find_unproven(cases, [WORKER_MUTANT], {"flush/2/1": "why", "flush/2/2": "why"}) == []
    exemptions = {"flush/1/1": "why", "flush/2/1": "why", "flush/9/1": "why"}
    assert find_unproven(cases, [WORKER_MUTANT], exemptions) == [
        "flush/2/2 kills no mutant: add a mutant, or a reason to exemptions.toml",
        "flush/1/1 kills a mutant: remove it from exemptions.toml",
        "flush/9/1 is not a case: remove it from exemptions.toml",
    ]


def test_exemptions_load_as_reasons_by_case_id(tmp_path: Path) -> None:
    file = tmp_path / "exemptions.toml"
    file.write_text('"flush/1/1" = "why"\n')
    assert load_exemptions(file) == {"flush/1/1": "why"}
    file.write_text('flush = "why"\n')
    with pytest.raises(ImplementationError, match="flush: expected a case id"):
        load_exemptions(file)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("killed_by = []", "killed_by: expected at least one case id"),
        ('killed_by = ["flush"]', "killed_by: expected a list of case ids"),
        ("", "killed_by: is missing"),
        ('killed_by = ["flush/1/1"]\ncaught_by = []', "caught_by: is not known"),
    ],
)
def test_wrong_key_of_a_mutant_is_named(tmp_path: Path, line: str, problem: str) -> None:
    (tmp_path / "workers").mkdir()
    file = tmp_path / "workers" / "late.toml"
    file.write_text(f'description = "is late"\nfile = "protocol.js"\nfind = "x"\n{line}\n')
    with pytest.raises(ImplementationError, match=f"late.toml: {problem}"):
        load_mutants(tmp_path)


def test_worker_mutant_changes_one_file(tmp_path: Path) -> None:
    mutant = next(mutant for mutant in MUTANTS if mutant.target is Target.WORKER)
    built = build_implementation(mutant, tmp_path)
    assert isinstance(built, Implementation)
    assert built.worker.directory is not None
    assert built.worker.script.parent == built.worker.directory
    assert find_changed_files(CHECKOUT / "worker", built.worker.directory, "*.js") == [mutant.file]


def test_server_mutant_changes_one_file(tmp_path: Path) -> None:
    built = build_implementation(SERVER_MUTANT, tmp_path)
    assert isinstance(built, ServerImplementation)
    assert built.package is not None
    assert find_changed_files(CHECKOUT / "reference_server", built.package, "*.py") == [SERVER_MUTANT.file]
    assert "ENDPOINT: str = " in (built.package / SERVER_MUTANT.file).read_text()


def find_changed_files(original: Path, copy: Path, pattern: str) -> list[str]:
    names = [path.relative_to(original).as_posix() for path in original.rglob(pattern)]
    return [name for name in names if (original / name).read_text() != (copy / name).read_text()]


@pytest.mark.parametrize(
    ("mutant", "problem"),
    [
        (replace(WORKER_MUTANT, find="no such text"), r"late: .*protocol\.js, found it 0 times"),
        (WORKER_MUTANT, r"late: .*protocol\.js, found it \d+ times"),
        (replace(WORKER_MUTANT, file="no-such.js"), r"late: there is no file no-such\.js in worker/"),
    ],
    ids=["missing text", "repeated text", "missing file"],
)
def test_stale_mutant_raises(tmp_path: Path, mutant: Mutant, problem: str) -> None:
    with pytest.raises(StaleMutantError, match=problem):
        mutant.check_applies()
    with pytest.raises(StaleMutantError, match=problem):
        build_implementation(mutant, tmp_path)


def test_get_mutant_raises_for_unknown_name() -> None:
    with pytest.raises(LookupError, match="no-such-mutant"):
        get_mutant("no-such-mutant")


def test_command_refuses_unknown_name(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        __main__.main(["no-such-mutant"])
    assert "no mutant matches no-such-mutant" in capsys.readouterr().err


def test_select_matches_names_by_pattern() -> None:
    mutants = [replace(WORKER_MUTANT, name=name) for name in ("flush-late", "flush-never", "batch-late")]
    assert [each.name for each in __main__.select(mutants, ["flush-*"])] == ["flush-late", "flush-never"]
    assert __main__.select(mutants, []) == mutants


def test_help_names_options_and_exit_statuses(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        __main__.main(["--help"])
    text = capsys.readouterr().out
    for word in ("NAME", "-n N", "default: 2", "exit status", "130"):
        assert word in text


RESULTS = (
    MutantResult("late", "flush/1/1", True, "3\nPOSTs"),
    MutantResult("late", "batch/10/1", False, "x" * 500),
)


def test_printer_formats_one_line_per_case() -> None:
    lines = list(__main__.Printer([WORKER_MUTANT]).format_results(RESULTS))
    assert lines[0].split()[:3] == ["late", "flush/1/1", "killed"]
    assert lines[0].endswith("3 POSTs")
    assert lines[1].split()[:2] == ["batch/10/1", "SURVIVED"]
    assert len(lines[1]) < 120


def test_stale_mutant_is_printed_as_stale() -> None:
    stale = MutantResult("late", "flush/1/1", False, "found it 0 times", stale=True)
    (line,) = __main__.Printer([WORKER_MUTANT]).format_results([stale])
    assert line.split()[:3] == ["late", "flush/1/1", "STALE"]
    assert "SURVIVED" not in line


def test_stale_mutant_is_run_on_no_case() -> None:
    item: Any = None
    mutant = replace(WORKER_MUTANT, find="no such text")
    results = case_runner.run_cases(item, mutant, {})
    assert [(each.case, each.killed, each.stale) for each in results] == [
        ("flush/1/1", False, True),
        ("flush/1/2", False, True),
    ]


def make_report(outcome: Any, longrepr: Any, results: Sequence[MutantResult]) -> pytest.TestReport:
    return pytest.TestReport(
        "test_mutant_is_killed[late]",
        ("", 0, ""),
        {},
        outcome,
        longrepr,
        "call",
        user_properties=[(RESULTS_PROPERTY, [vars(result) for result in results])],
        start=math.nan,
        stop=math.nan,
    )


def test_printer_keeps_killed_mutants_and_failures(capsys: pytest.CaptureFixture[str]) -> None:
    printer = __main__.Printer([WORKER_MUTANT])
    printer.pytest_runtest_logreport(make_report("passed", None, RESULTS[:1]))
    printer.pytest_runtest_logreport(make_report("failed", "late survives batch/10/1: 5", RESULTS))
    assert printer.killed == {"late"}
    assert printer.problems == ["late survives batch/10/1: 5"]
    assert capsys.readouterr().out.count("flush/1/1") == 2
