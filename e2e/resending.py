"""What a case expects in the end of a worker that sends again what failed, and how long it waits for it."""

from __future__ import annotations

import pytest

from e2e.case import Finding
from e2e.telemetry import Telemetry, order_by_tab

PATIENCE_SECONDS = 3600
"""A worker that backs off may take its time, but not for ever."""


def need_virtual_time(telemetry: Telemetry) -> None:
    """Skip a case that lets hours pass where they would be real ones."""
    if telemetry.workers.clock_kind == "real":
        pytest.skip("needs hours of real time; run it on the virtual clock")


def expect_all_stored_in_order(telemetry: Telemetry) -> None:
    """Give the worker time to send again, close the books and look at the order. Raises Finding."""
    telemetry.flush(4)
    telemetry.advance(PATIENCE_SECONDS)
    telemetry.account()
    taken = [batch for batch in telemetry.batches if batch.taken]
    for name, order in order_by_tab(taken).items():
        if order != sorted(order):
            raise Finding(f"{name}'s events in the order in which it logged them", f"{order}")
