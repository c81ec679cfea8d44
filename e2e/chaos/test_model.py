"""The reference under events, faults, crashes, consent and time in random order, against a simple model.

The promises are in `books.py`, what may happen in `machine.py`. Every step is real: a browser, HTTP, SIGKILL;
only the worker's time is virtual. Not covered here: a browser that is killed (see `scripts/chaos`), two
profiles, answers that have batches dropped for good (400, 415, 422).

A failure prints what happened in words, and hypothesis the shortest sequence of steps that fails. To replay:

    scripts/test e2e/chaos --hypothesis-seed=N      all of a run
    @reproduce_failure(…) above the test            the one sequence, as hypothesis prints it
"""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, Phase, core, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from e2e.chaos.environment import Environment
from e2e.chaos.state_machine import Chaos
from e2e.chaos.tally import Summary

STEPS_PER_WORLD = 60
"""At most: hypothesis ends a world sooner where it has drawn a lot."""
WORLDS_AT_A_TIME = 10
LEAST_STEPS = 2_000
SEED_LIMIT = 1_000_000_000

SETTINGS = settings(
    max_examples=WORLDS_AT_A_TIME,
    stateful_step_count=STEPS_PER_WORLD,
    deadline=None,
    print_blob=True,
    # Explaining takes hundreds of runs, of seconds each.
    phases=(Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink),
    # A step in a browser takes milliseconds, not microseconds; hypothesis takes that for an accident.
    suppress_health_check=(HealthCheck.too_slow, HealthCheck.data_too_large),
)


@pytest.mark.timeout(1200)  # A failure is shrunk, for up to 5 minutes.
def test_nothing_is_lost_or_doubled_or_sent_without_consent(stage: Environment) -> None:
    tally = Summary()
    first = random.randrange(SEED_LIMIT) if core.global_force_seed is None else core.global_force_seed
    print(f"--hypothesis-seed={first}")
    number = first
    while tally.steps < LEAST_STEPS:
        # Hypothesis has no types for this one.
        run_state_machine_as_test(  # type: ignore[no-untyped-call]
            seed(number)(lambda: Chaos(stage, tally)), settings=SETTINGS
        )
        number += 1
    print(tally)
