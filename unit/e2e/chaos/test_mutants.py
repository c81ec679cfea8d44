"""The mutants of the chaos apply to the reference as it is now, and name rules that exist."""

from __future__ import annotations

from pathlib import Path

import pytest

from e2e.chaos.mutant_runs import MutantFinding
from e2e.chaos.mutants import Change, ChaosMutant, load_mutants
from e2e.chaos.rules import RULES
from e2e.mutants.model import StaleMutantError, Target

MUTANTS = load_mutants()


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_mutant_applies_to_the_reference(mutant: ChaosMutant, tmp_path: Path) -> None:
    copy = mutant.write_copy(tmp_path)
    for file in {change.file for change in mutant.changes}:
        assert (copy / file).read_bytes() != (mutant.target.source_folder / file).read_bytes()


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_mutant_names_rules_of_timed_runs(mutant: ChaosMutant) -> None:
    assert mutant.rules
    assert set(mutant.rules) <= {rule.name for rule in RULES if rule.weight}


def test_stale_mutant_says_what_it_did_not_find(tmp_path: Path) -> None:
    change = Change(file="uuid.js", find="no such text")
    mutant = ChaosMutant("stale", "changes nothing", Target.WORKER, ("opt_out",), (change,))
    with pytest.raises(StaleMutantError, match=r"stale: expected 'no such text' exactly once in uuid\.js"):
        mutant.write_copy(tmp_path)


def test_patterns_select_mutants() -> None:
    assert [mutant.name for mutant in load_mutants(["kill-switch-*"])] == ["kill-switch-storm"]
    assert load_mutants(["no-such-mutant"]) == []


def test_finding_is_a_line_of_a_table() -> None:
    found = MutantFinding("storm", True, 12.3, 45, "too many\n  requests " + "x" * 200)
    line = found.format(8)
    assert line.startswith("storm     found        12 s     45 steps  too many requests xxx")
    assert line.endswith("…")
    assert "NOT FOUND" in MutantFinding("storm", False, 600, 2_000, "").format(8)
