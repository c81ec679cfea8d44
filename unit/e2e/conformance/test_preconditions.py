"""A case that did not exercise its subject is inconclusive; one that does not apply is skipped."""

from __future__ import annotations

import pytest

from e2e.conformance.case import InconclusiveError
from e2e.conformance.preconditions import (
    require_applied,
    require_exercised,
    require_supported,
)
from pytest_sharedworker import AppliedToxic, HttpStatus
from pytest_sharedworker.gateway.patterns import Origin
from pytest_sharedworker.gateway.route import BaseRoute
from pytest_sharedworker.gateway.router import Rules
from pytest_sharedworker.gateway.toxics import AppliedToxics


@pytest.mark.parametrize("exercised", [1, True, ["an event"]])
def test_exercised_case_continues(exercised: object) -> None:
    require_exercised(exercised, "nothing")


@pytest.mark.parametrize("exercised", [0, False, []])
def test_case_that_exercised_nothing_is_inconclusive(exercised: object) -> None:
    with pytest.raises(InconclusiveError, match="not exercised: no POST was affected by the toxic"):
        require_exercised(exercised, "no POST was affected by the toxic")


def test_case_without_the_feature_is_skipped() -> None:
    require_supported("a lock", "the worker holds no locks")
    with pytest.raises(pytest.skip.Exception, match="the worker holds no locks"):
        require_supported("", "the worker holds no locks")


def make_applied_toxic(hits: int) -> AppliedToxic:
    toxics = AppliedToxics(Origin("http://127.0.0.1:1"), lambda _: None)
    toxic = toxics.add(HttpStatus(503), on="POST **")
    toxic.hits = hits
    return toxic


def test_each_toxic_must_apply_to_a_request() -> None:
    require_applied([])
    require_applied([make_applied_toxic(1), make_applied_toxic(7)])
    with pytest.raises(
        InconclusiveError, match="not exercised: no POST was affected by the toxic http_status status=503"
    ):
        require_applied([make_applied_toxic(1), make_applied_toxic(0)])


def test_each_route_must_get_a_request() -> None:
    gateway_rules = Rules[BaseRoute]()
    route = gateway_rules.add("**/api", Origin("http://127.0.0.1:1").compile("**/api"), print)
    with pytest.raises(InconclusiveError, match=r"no request matched the route '\*\*/api'"):
        require_applied([route])
