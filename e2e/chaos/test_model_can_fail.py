"""The model detects what it is for: mutants of the reference do not pass it.

Each mutant is driven by one seed after the other until its check fails; nothing is shrunk. The number of
steps until then is printed (`-s`). What a seed draws changes with the sources: hypothesis also draws
constants that it finds there. `scripts/chaos --mutants` finds the others, which takes minutes for each.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from e2e.chaos.environment import Environment
from e2e.chaos.mutant_runs import MutantRuns
from e2e.chaos.mutants import load_mutants
from e2e.chaos.server import ChaosServer
from e2e.chaos.state_machine import ChaosMachine
from e2e.chaos.step_log import BrokenPromiseError
from e2e.chaos.summary import Summary
from e2e.mutants.model import get_mutant

QUICK_MUTANTS = ["false-success-accepted", "stolen-lock-storm", "unreadable-configuration-disables"]
MAX_SECONDS = 240.0
MAX_SEEDS = 15
SETTINGS = settings(
    max_examples=8,
    stateful_step_count=50,
    deadline=None,
    database=None,
    phases=(Phase.generate,),
    suppress_health_check=(HealthCheck.too_slow, HealthCheck.data_too_large),
)


class _MutantKilled(BaseException):
    """Ends the run of hypothesis at once: it would try to see the same failure again."""


class _KillingMachine(ChaosMachine):
    def teardown(self) -> None:
        try:
            super().teardown()
        except BrokenPromiseError as error:
            raise _MutantKilled(str(error)) from error


def run_machines(environment: Environment, summary: Summary) -> None:
    for number in range(MAX_SEEDS):
        # Hypothesis has no types for this one.
        run_state_machine_as_test(  # type: ignore[no-untyped-call]
            seed(number)(lambda: _KillingMachine(environment, summary)), settings=SETTINGS
        )


def expect_killed(environment: Environment, word: str) -> None:
    """Expect that the check of a system fails, with this word in its verdict."""
    summary = Summary()
    with pytest.raises(_MutantKilled) as killed:
        run_machines(environment, summary)
    verdict = str(killed.value).splitlines()[0]
    print(f"after {summary.steps} steps in {summary.systems} systems: {verdict}")
    assert word in verdict


@pytest.mark.parametrize("name", ["outbox-never-adopted", "outbox-never-written"])
@pytest.mark.timeout(300)
def test_worker_that_loses_events_is_detected(environment: Environment, name: str, tmp_path: Path) -> None:
    copy = get_mutant(name).write_copy(tmp_path)
    expect_killed(replace(environment, worker_directory=copy), " lost (")


@pytest.mark.timeout(300)
def test_server_that_ignores_identities_is_detected(environment: Environment, tmp_path: Path) -> None:
    server = ChaosServer(tmp_path, get_mutant("server-identity-ignored").write_copy(tmp_path))
    try:
        expect_killed(replace(environment, server=server), " duplicated (")
    finally:
        server.stop()


@pytest.mark.parametrize("name", QUICK_MUTANTS)
@pytest.mark.timeout(300)
def test_random_steps_find_a_fault_of_the_past(
    environment: Environment, name: str, browser_type_launch_args: dict[str, Any]
) -> None:
    (mutant,) = load_mutants([name])
    runs = MutantRuns(environment, 1, MAX_SECONDS, browser_type_launch_args, is_focused=True)
    finding = runs.run(mutant)
    print(finding.format(len(name)))
    assert finding.is_found
