"""The suite kills every mutant of the worker and the server, and every case kills a mutant.

That the reference itself passes the cases is tested by the cases.
"""

from __future__ import annotations

import pytest

from e2e.mutants.model import Mutant, MutantResult, find_unproven, load_exemptions, load_mutants

MUTANTS = load_mutants()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.name for mutant in MUTANTS])
def test_mutant_is_killed(mutant: Mutant, mutant_results: list[MutantResult]) -> None:
    survived = [
        f"{mutant.name} {'does not apply' if result.stale else 'survives'} {result.case}: {result.reason}"
        for result in mutant_results
        if not result.killed
    ]
    if survived:
        pytest.fail("\n".join(survived), pytrace=False)


def test_every_case_kills_a_mutant_or_is_exempt(case_ids: list[str]) -> None:
    unproven = find_unproven(case_ids, MUTANTS, load_exemptions())
    if unproven:
        pytest.fail("\n".join(unproven), pytrace=False)
