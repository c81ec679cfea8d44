"""The model detects what it is for: mutants of the reference do not pass it.

Each mutant is driven by random steps, among them more of those that meet its fault, until its check fails.
`scripts/chaos --mutants` finds the others, which takes minutes for each.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from e2e.chaos.environment import Environment
from e2e.chaos.mutant_runs import MutantRuns
from e2e.chaos.mutants import load_mutants
from e2e.chaos.runner import Run
from e2e.chaos.server import ChaosServer
from e2e.mutants.model import get_mutant

QUICK_MUTANTS = {"false-success-accepted": 3, "stolen-lock-storm": 1, "unreadable-configuration-disables": 1}
"""Each with a seed that finds it soon, as the seeds below."""
MAX_SECONDS = 240.0
STEPS_PER_SYSTEM = 8
"""Few: in focus the fault comes soon, and a loss is seen only at the end of a system."""
LOSS_SEED = 4
DUPLICATE_SEED = 1


def expect_found(
    environment: Environment, launch_arguments: dict[str, Any], seed: int, focus: Collection[str], word: str
) -> None:
    """Expect that the check of a system fails, with this word in its verdict."""
    run = Run(
        environment, seed, MAX_SECONDS, launch_arguments,
        is_stopped=lambda: False, print_line=print, focus=focus,
        steps_per_system=STEPS_PER_SYSTEM,
    )  # fmt: skip
    summary = run.run()
    assert [word in problem.splitlines()[0] for problem in summary.problems] == [True], summary.problems


@pytest.mark.parametrize("name", ["outbox-never-adopted", "outbox-never-written"])
@pytest.mark.timeout(300)
def test_worker_that_loses_events_is_detected(
    environment: Environment, name: str, tmp_path: Path, browser_type_launch_args: dict[str, Any]
) -> None:
    copy = get_mutant(name).write_copy(tmp_path)
    expect_found(
        replace(environment, worker_directory=copy),
        browser_type_launch_args,
        LOSS_SEED,
        ["log_and_settle", "terminate_worker", "kill_browser"],
        " lost (",
    )


@pytest.mark.timeout(300)
def test_server_that_ignores_identities_is_detected(
    environment: Environment, tmp_path: Path, browser_type_launch_args: dict[str, Any]
) -> None:
    server = ChaosServer(tmp_path, get_mutant("server-identity-ignored").write_copy(tmp_path))
    try:
        expect_found(
            replace(environment, server=server),
            browser_type_launch_args,
            DUPLICATE_SEED,
            ["log_and_settle", "confirm_falsely", "kill_server_at_work"],
            " duplicated (",
        )
    finally:
        server.stop()


@pytest.mark.parametrize(("name", "seed"), QUICK_MUTANTS.items(), ids=QUICK_MUTANTS)
@pytest.mark.timeout(300)
def test_random_steps_find_a_fault_of_the_past(
    environment: Environment, name: str, seed: int, browser_type_launch_args: dict[str, Any]
) -> None:
    (mutant,) = load_mutants([name])
    runs = MutantRuns(
        environment, seed, MAX_SECONDS, browser_type_launch_args,
        is_focused=True, steps_per_system=STEPS_PER_SYSTEM,
    )  # fmt: skip
    finding = runs.run(mutant)
    print(finding.format(len(name)))
    assert finding.is_found
