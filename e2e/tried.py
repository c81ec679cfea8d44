"""Whether a case has tried anything: one whose fault met nothing must not hold."""

from __future__ import annotations

import pytest

NOT_TRIED = "not tried: {what}"


def need_tried(tried: object, what: str) -> None:
    """Leave the case undecided where it has not tried what it is about; `what` says what never came."""
    if not tried:
        pytest.skip(NOT_TRIED.format(what=what))
