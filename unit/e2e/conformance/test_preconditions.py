"""A case that tried nothing is neither well nor ill."""

from __future__ import annotations

import pytest

from e2e.conformance.preconditions import require_applied, require_exercised
from pytest_sharedworker.gateway.toxics import Toxic, make_toxic


@pytest.mark.parametrize("tried", [1, True, ["an event"]])
def test_a_case_that_tried_something_goes_on(tried: object) -> None:
    require_exercised(tried, "nothing")


@pytest.mark.parametrize("tried", [0, False, []])
def test_a_case_that_tried_nothing_is_left_undecided(tried: object) -> None:
    with pytest.raises(pytest.skip.Exception, match="not tried: no POST met the toxic"):
        require_exercised(tried, "no POST met the toxic")


def fault(applied: int) -> Toxic:
    toxic = make_toxic("status", on="POST *", on_remove=lambda toxic: None, status=503)
    toxic.applied = applied
    return toxic


def test_every_fault_has_to_meet_a_request() -> None:
    require_applied([])
    require_applied([fault(1), fault(7)])
    with pytest.raises(pytest.skip.Exception, match="not tried: no POST met the toxic status status=503"):
        require_applied([fault(1), fault(0)])
