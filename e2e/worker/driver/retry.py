"""What a case expects in the end of a worker that sends again what failed, and how long it waits for it."""

from __future__ import annotations

import pytest

from e2e.worker.driver.order import expect_order
from e2e.worker.driver.system import Telemetry
from e2e.worker.driver.waiting import HOUR_SECONDS


def need_virtual_time(telemetry: Telemetry) -> None:
    """Skip a case that lets hours pass where they would be real ones."""
    if telemetry.workers.clock_kind == "real":
        pytest.skip("needs hours of real time; run it on the virtual clock")


def drain(telemetry: Telemetry) -> None:
    """Give the worker time to send again, and to send once too often."""
    telemetry.flush(4)
    telemetry.advance(HOUR_SECONDS)


def expect_all_stored_in_order(telemetry: Telemetry) -> None:
    """Let the worker come to rest, close the books and look at the order. Raises FindingError."""
    drain(telemetry)
    telemetry.account()
    expect_order(telemetry)
