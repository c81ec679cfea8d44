"""The proof that the model catches what it is for: the reference with one thing broken does not pass it.

Each broken one is driven by one seed after the other until its books do not balance; nothing is shrunk. How
soon that was is printed (`-s`). What a seed draws changes with the sources: hypothesis draws constants that
it finds there, too.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from e2e.chaos.environment import Environment
from e2e.chaos.server import ChaosServer
from e2e.chaos.state_machine import Chaos
from e2e.chaos.system import WORKER_DIRECTORY, PageBrokenError
from e2e.chaos.tally import Summary
from e2e.mutants.model import get_mutant

MOST_SEEDS = 15
SETTINGS = settings(
    max_examples=8,
    stateful_step_count=50,
    deadline=None,
    database=None,
    phases=(Phase.generate,),
    suppress_health_check=(HealthCheck.too_slow, HealthCheck.data_too_large),
)

CONSENT_FORGOTTEN = {
    "telemetry-session.js": ("    closing.abort();\n    queue.clear();\n", "    closing.abort();\n"),
    "telemetry-client.js": ("      stop();\n      deleteOutbox();\n", "      stop();\n"),
}
"""Neither worker nor tab empties the outbox at an opt-out: by file, what stands there, and what instead."""


class _Caught(BaseException):
    """Ends hypothesis's work at once: it has no need to see the same again."""


class _UntilCaught(Chaos):
    def teardown(self) -> None:
        try:
            super().teardown()
        except PageBrokenError as broken:
            raise _Caught(str(broken)) from broken


def _drive(stage: Environment, tally: Summary) -> None:
    for number in range(MOST_SEEDS):
        # Hypothesis has no types for this one.
        run_state_machine_as_test(  # type: ignore[no-untyped-call]
            seed(number)(lambda: _UntilCaught(stage, tally)), settings=SETTINGS
        )


def expect_caught(stage: Environment, word: str) -> None:
    """The books of some world do not balance, and say so by this word."""
    tally = Summary()
    with pytest.raises(_Caught) as caught:
        _drive(stage, tally)
    verdict = str(caught.value).splitlines()[0]
    print(f"after {tally.steps} steps in {tally.worlds} worlds: {verdict}")
    assert word in verdict


@pytest.mark.parametrize("name", ["outbox-never-adopted", "outbox-never-written"])
@pytest.mark.timeout(300)
def test_worker_that_loses_is_caught(stage: Environment, name: str, tmp_path: Path) -> None:
    copy = get_mutant(name).write_copy(tmp_path)
    expect_caught(replace(stage, worker_directory=copy), " lost (")


@pytest.mark.timeout(300)
def test_worker_that_forgets_the_opt_out_is_caught(stage: Environment, tmp_path: Path) -> None:
    for source in WORKER_DIRECTORY.glob("*.js"):
        text = source.read_text(encoding="utf-8")
        wanted, instead = CONSENT_FORGOTTEN.get(source.name, ("", ""))
        assert not wanted or text.count(wanted) == 1, (
            f"{source.name} has moved on: bring this test up to date"
        )
        (tmp_path / source.name).write_text(text.replace(wanted, instead), encoding="utf-8")
    expect_caught(replace(stage, worker_directory=tmp_path), " unexpected (")


@pytest.mark.timeout(300)
def test_server_that_knows_no_identity_is_caught(stage: Environment, tmp_path: Path) -> None:
    server = ChaosServer(tmp_path, get_mutant("server-identity-ignored").write_copy(tmp_path))
    try:
        expect_caught(replace(stage, server=server), " duplicated (")
    finally:
        server.stop()
