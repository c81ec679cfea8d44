"""Steps of the cases about retries: require virtual time, drain the queue, and check what is stored."""

from __future__ import annotations

import pytest

from e2e.worker.driver.assertions import expect_stored_order
from e2e.worker.driver.system import Telemetry
from e2e.worker.driver.waiting import MAX_BACKOFF_MS


def require_virtual_time(telemetry: Telemetry) -> None:
    """Skip a case that runs for hours if the clock is real."""
    if telemetry.workers.clock.kind == "real":
        pytest.skip("needs hours of real time; run it on the virtual clock")


def drain(telemetry: Telemetry) -> None:
    """Give the worker time to retry, and to send a duplicate if it does so."""
    telemetry.flush(4)
    telemetry.run_for(MAX_BACKOFF_MS)


def expect_all_stored_in_order(telemetry: Telemetry) -> None:
    """Drain the worker's queue, account for all events and check their order. Raise FindingError."""
    drain(telemetry)
    telemetry.account()
    expect_stored_order(telemetry)
