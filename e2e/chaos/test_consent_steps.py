"""Steps about consent that the random ones seldom meet, and what the model must know of them."""

from __future__ import annotations

import pytest

from e2e.chaos.checks import check
from e2e.chaos.environment import Environment


@pytest.mark.parametrize("turns", [1, 3])
def test_session_that_begins_offline_has_no_configuration(environment: Environment, turns: int) -> None:
    """An opt-out deletes the configuration on disk, and an offline worker cannot read it again."""
    with environment.open_system(f"offline-{turns}") as system:
        system.tabs.open()
        tab = system.tabs.open()
        system.pass_time(31)
        system.set_offline(True)
        system.flip_consent(tab, 2, turns, 1)
        system.log_events(tab, 5)
        system.pass_time(60)
        check(system)
