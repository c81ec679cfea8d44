"""A case that tried nothing is neither well nor ill."""

from __future__ import annotations

import pytest

from e2e.tried import need_tried


@pytest.mark.parametrize("tried", [1, True, ["an event"]])
def test_a_case_that_tried_something_goes_on(tried: object) -> None:
    need_tried(tried, "nothing")


@pytest.mark.parametrize("tried", [0, False, []])
def test_a_case_that_tried_nothing_is_left_undecided(tried: object) -> None:
    with pytest.raises(pytest.skip.Exception, match="not tried: no POST met the toxic"):
        need_tried(tried, "no POST met the toxic")
