"""A case that did not exercise its subject is left undecided."""

from __future__ import annotations

import pytest

from e2e.conformance.preconditions import require_applied, require_exercised
from pytest_sharedworker import AppliedToxic, HttpStatus
from pytest_sharedworker.gateway.patterns import Origin
from pytest_sharedworker.gateway.toxics import AppliedToxics


@pytest.mark.parametrize("exercised", [1, True, ["an event"]])
def test_exercised_case_continues(exercised: object) -> None:
    require_exercised(exercised, "nothing")


@pytest.mark.parametrize("exercised", [0, False, []])
def test_case_that_exercised_nothing_is_skipped(exercised: object) -> None:
    with pytest.raises(pytest.skip.Exception, match="not exercised: no POST was affected by the toxic"):
        require_exercised(exercised, "no POST was affected by the toxic")


def make_applied_toxic(hits: int) -> AppliedToxic:
    toxics = AppliedToxics(Origin("http://127.0.0.1:1"), lambda _: None)
    toxic = toxics.add(HttpStatus(503), on="POST **")
    toxic.hits = hits
    return toxic


def test_each_toxic_must_apply_to_a_request() -> None:
    require_applied([])
    require_applied([make_applied_toxic(1), make_applied_toxic(7)])
    with pytest.raises(
        pytest.skip.Exception, match="not exercised: no POST was affected by the toxic http_status status=503"
    ):
        require_applied([make_applied_toxic(1), make_applied_toxic(0)])
