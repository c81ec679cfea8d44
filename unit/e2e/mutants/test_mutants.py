"""What counts as caught, and which cases count as proven. That all are caught is a test among the cases."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from e2e.conformance.paths import CHECKOUT
from e2e.conformance.targets.server import load_server
from e2e.conformance.targets.toml_file import ImplementationError
from e2e.conformance.targets.worker import load_implementation
from e2e.mutants import __main__
from e2e.mutants.__main__ import MutantResult, matrix, reasons, survivors, unproven
from e2e.mutants.model import EXEMPTIONS_FILE, Mutant, build, load_mutants
from e2e.mutants.server_model import SERVER_MUTANTS_FOLDER, build_server

DEFECT = Mutant("late", "is late", "record-queue.js", "x", "y", ("flush/1/1", "flush/1/2"))


def judged_as(verdict: str, **optional: object) -> MutantResult:
    return __main__._meeting("late", "flush/1/1", {"verdict": verdict, "actual": "3 POSTs", **optional})


@pytest.mark.parametrize(
    ("meeting", "caught"),
    [
        (judged_as("failed"), True),
        (judged_as("non-strict"), True),
        (judged_as("ok"), False),
        (judged_as("unimplemented"), False),
        (judged_as("failed", broke_off=True), False),
        (__main__._meeting("late", "flush/1/1", None), False),
    ],
)
def test_caught_is_a_case_that_ran_and_does_not_hold(meeting: MutantResult, caught: bool) -> None:
    assert meeting.caught is caught
    assert bool(survivors([meeting])) is not caught


def test_a_case_needs_a_partner_or_a_reason_and_not_both() -> None:
    cases = ["flush/1/1", "flush/1/2", "flush/2/1", "flush/2/2"]
    assert unproven(cases, [DEFECT], {"flush/2/1": "why", "flush/2/2": "why"}) == []
    assert unproven(cases, [DEFECT], {"flush/1/1": "why", "flush/2/1": "why", "flush/9/1": "why"}) == [
        "flush/2/2 kills nothing: give it a broken partner, or a reason",
        f"flush/1/1 has a broken partner: remove it from {EXEMPTIONS_FILE}",
        f"flush/9/1 is no case: remove it from {EXEMPTIONS_FILE}",
    ]


def test_the_matrix_names_a_defect_once_and_each_of_its_cases() -> None:
    lines = list(
        matrix(
            [
                MutantResult("late", "flush/1/1", True, "3\nPOSTs"),
                MutantResult("late", "batch/10/1", False, "x" * 500),
                MutantResult("early", "flush/1/1", True, "none"),
            ]
        )
    )
    assert [line.split()[:3] for line in lines[::2]] == [
        ["late", "flush/1/1", "caught"],
        ["early", "flush/1/1", "caught"],
    ]
    assert lines[0].endswith("3 POSTs")
    assert lines[1].split()[:2] == ["batch/10/1", "SURVIVED"]
    assert len(lines[1]) < 120


def test_the_file_of_reasons_is_no_defect_and_names_cases(tmp_path: Path) -> None:
    file = tmp_path / EXEMPTIONS_FILE
    file.write_text('"flush/1/1" = "why"\n')
    assert load_mutants(tmp_path) == []
    assert reasons(file) == {"flush/1/1": "why"}
    file.write_text('flush = "why"\n')
    with pytest.raises(ImplementationError, match="flush: expected a case id"):
        reasons(file)


def test_every_defect_in_the_tree_can_be_made(tmp_path: Path) -> None:
    workers, servers = load_mutants(), load_mutants(SERVER_MUTANTS_FOLDER)
    names = [defect.name for defect in [*workers, *servers]]
    assert len(set(names)) == len(names)
    for defect in workers:
        assert load_implementation(str(build(defect, tmp_path))).only_cases == set(defect.killed_by)
    for defect in servers:
        assert load_server(str(build_server(defect, tmp_path))).only_cases == set(defect.killed_by)


def test_a_broken_server_is_the_server_with_one_change(tmp_path: Path) -> None:
    defect = Mutant(
        "mute", "says nothing", "api/telemetry.py", "ENDPOINT = ", "ENDPOINT: str = ", ("flush/1/1",)
    )
    server = load_server(str(build_server(defect, tmp_path)))
    assert server.package is not None
    assert "ENDPOINT: str = " in (server.package / "api/telemetry.py").read_text()


def test_a_defect_whose_place_has_moved_is_told(tmp_path: Path) -> None:
    moved = Mutant("moved", "x", "record-queue.js", "no such text", "", ("flush/1/1",))
    with pytest.raises(ValueError, match=r"stands 0 times in record-queue\.js"):
        build(moved, tmp_path)


def test_an_unknown_name_is_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        __main__.main(["no-such-defect"])
    assert "no broken one is called no-such-defect" in capsys.readouterr().err


def test_results_are_read_as_they_are_written(tmp_path: Path) -> None:
    """The words of the verdicts stand in results.json, which has a schema of its own."""
    schema = json.loads((CHECKOUT / "docs" / "results.schema.json").read_text(encoding="utf-8"))
    words = schema["$defs"]["case"]["properties"]["verdict"]["enum"]
    assert {word for word in words if judged_as(word).caught} == {"failed", "non-strict"}
