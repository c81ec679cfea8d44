"""The model detects what it is for: mutants of the reference do not pass it.

Each mutant is driven by one seed after the other until its check fails; nothing is shrunk. The number of
steps until then is printed (`-s`). What a seed draws changes with the sources: hypothesis also draws
constants that it finds there.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from e2e.chaos.environment import Environment
from e2e.chaos.server import ChaosServer
from e2e.chaos.state_machine import ChaosMachine
from e2e.chaos.step_log import BrokenPromiseError
from e2e.chaos.summary import Summary
from e2e.chaos.system import WORKER_DIRECTORY
from e2e.mutants.model import get_mutant

MAX_SEEDS = 15
SETTINGS = settings(
    max_examples=8,
    stateful_step_count=50,
    deadline=None,
    database=None,
    phases=(Phase.generate,),
    suppress_health_check=(HealthCheck.too_slow, HealthCheck.data_too_large),
)

CONSENT_MUTANT = {
    "telemetry-session.js": ("    closing.abort();\n    queue.clear();\n", "    closing.abort();\n"),
    "telemetry-client.js": ("      stop();\n      deleteOutbox();\n", "      stop();\n"),
}
"""By file: text to find, text to put there. Neither worker nor tab empties the outbox at an opt-out."""


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
def test_worker_that_ignores_an_opt_out_is_detected(environment: Environment, tmp_path: Path) -> None:
    for source in WORKER_DIRECTORY.glob("*.js"):
        text = source.read_text(encoding="utf-8")
        find, replacement = CONSENT_MUTANT.get(source.name, ("", ""))
        assert not find or text.count(find) == 1, f"adapt the mutant to {source.name}: expected {find!r} once"
        (tmp_path / source.name).write_text(text.replace(find, replacement), encoding="utf-8")
    expect_killed(replace(environment, worker_directory=tmp_path), " unexpected (")


@pytest.mark.timeout(300)
def test_server_that_ignores_identities_is_detected(environment: Environment, tmp_path: Path) -> None:
    server = ChaosServer(tmp_path, get_mutant("server-identity-ignored").write_copy(tmp_path))
    try:
        expect_killed(replace(environment, server=server), " duplicated (")
    finally:
        server.stop()
