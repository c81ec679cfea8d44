"""Whether a case has tried anything: one whose fault met nothing must not hold."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from pytest_sharedworker.gateway.toxics import Toxic

NOT_TRIED = "not tried: {what}"


def require_exercised(tried: object, what: str) -> None:
    """Leave the case undecided where it has not tried what it is about; `what` says what never came."""
    if not tried:
        pytest.skip(NOT_TRIED.format(what=what))


def require_applied(faults: Iterable[Toxic]) -> None:
    """Leave the case undecided where one of its faults has met no request."""
    for fault in faults:
        require_exercised(fault.applied, f"no {fault.pattern.method} met the toxic {fault}")
