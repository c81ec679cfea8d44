"""Tell a case that does not apply to an implementation from one whose fault met nothing.

The first is "unimplemented". The second is "inconclusive": it says nothing about its requirement, and a run
in which a MUST is inconclusive is not successful.
"""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from e2e.conformance.case import InconclusiveError
from pytest_sharedworker import AppliedToxic, RouteRule

NOT_EXERCISED = "not exercised: {problem}"


def require_supported(supported: object, reason: str) -> None:
    """Skip the case, which makes it "unimplemented", for this `reason` unless `supported` is true."""
    if not supported:
        pytest.skip(reason)


def require_exercised(exercised: object, problem: str) -> None:
    """Raise InconclusiveError unless `exercised` is true; `problem` is the reason."""
    if not exercised:
        raise InconclusiveError(NOT_EXERCISED.format(problem=problem))


def require_applied(faults: Iterable[AppliedToxic | RouteRule]) -> None:
    """Raise InconclusiveError if one of these toxics and routes applied to no request."""
    for fault in faults:
        if isinstance(fault, AppliedToxic):
            require_exercised(fault.hits, f"no {fault.pattern.method} was affected by the toxic {fault}")
        else:
            require_exercised(fault.routes, f"no request matched the route {fault.url!r}")
