"""The reference under events, faults, crashes, consent and time in random order, compared with a model.

The promises are in `model.py`, the steps in `rules/`. Every step is real: a browser, HTTP, SIGKILL; only
the worker's time is virtual. Not covered here: a browser that is killed (see `scripts/chaos`), two profiles,
responses after which the worker drops a batch (400, 415, 422).

A failure prints all steps in words, and hypothesis prints the shortest failing sequence. To replay:

    scripts/test e2e/chaos --hypothesis-seed=N      a whole run
    @reproduce_failure(…) above the test            one sequence, as hypothesis prints it
"""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import HealthCheck, Phase, core, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from e2e.chaos.environment import Environment
from e2e.chaos.state_machine import ChaosMachine
from e2e.chaos.summary import Summary

STEPS_PER_SYSTEM = 30
"""At most: hypothesis ends a system sooner where it has drawn many values."""
SYSTEMS_PER_SEED = 3
"""The first one that hypothesis draws takes the simplest steps."""
SECONDS = 15.0
"""Then no further seed begins. `scripts/chaos` runs as long as you like."""
SEED_LIMIT = 1_000_000_000

SETTINGS = settings(
    max_examples=SYSTEMS_PER_SEED,
    stateful_step_count=STEPS_PER_SYSTEM,
    deadline=None,
    print_blob=True,
    # The phase "explain" would take hundreds of runs of seconds each.
    phases=(Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink),
    # A step in a browser takes milliseconds, not microseconds; hypothesis regards that as an accident.
    suppress_health_check=(HealthCheck.too_slow, HealthCheck.data_too_large),
)


@pytest.mark.timeout(1200)  # A failure is shrunk, for up to 5 minutes.
def test_no_event_is_lost_duplicated_or_sent_without_consent(environment: Environment) -> None:
    summary = Summary()
    first = random.randrange(SEED_LIMIT) if core.global_force_seed is None else core.global_force_seed
    print(f"--hypothesis-seed={first}")
    number = first
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        # Hypothesis has no types for this one.
        run_state_machine_as_test(  # type: ignore[no-untyped-call]
            seed(number)(lambda: ChaosMachine(environment, summary)), settings=SETTINGS
        )
        number += 1
    print(summary)
