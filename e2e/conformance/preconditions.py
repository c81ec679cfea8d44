"""Leave a case undecided when it did not exercise its subject, such as a fault that applied to no request."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from pytest_sharedworker import AppliedToxic

NOT_EXERCISED = "not exercised: {problem}"


def require_exercised(exercised: object, problem: str) -> None:
    """Skip the case, which makes it "unimplemented", unless `exercised` is true; `problem` is the reason."""
    if not exercised:
        pytest.skip(NOT_EXERCISED.format(problem=problem))


def require_applied(toxics: Iterable[AppliedToxic]) -> None:
    """Skip the case if one of its toxics applied to no request."""
    for toxic in toxics:
        require_exercised(toxic.hits, f"no {toxic.pattern.method} was affected by the toxic {toxic}")
