"""Advance time in flush intervals until a condition holds; a worker may back off in between."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from e2e.conformance.accounting import Event
from e2e.worker.driver.system import Telemetry
from pytest_sharedworker import AppliedToxic

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
MAX_BACKOFF_MS = HOUR_MS
"""How long a worker may back off before it sends what is left."""
MAX_REFUSALS = 16
"""How often one batch may be rejected, complete or in parts, before the case gives up on the worker."""


def advance_until(
    telemetry: Telemetry, condition: Callable[[], bool], limit_ms: float = MAX_BACKOFF_MS
) -> None:
    """Run for flush intervals until `condition()` is true, or until `limit_ms` have passed."""
    for _ in range(int(limit_ms / telemetry.flush_interval)):
        if condition():
            return
        telemetry.flush()


def advance_until_applied(telemetry: Telemetry, fault: AppliedToxic) -> None:
    """Run for flush intervals, MAX_BACKOFF_MS at most, until the fault has been applied to a request."""
    advance_until(telemetry, lambda: fault.hits > 0)


def are_all_stored(telemetry: Telemetry, events: Iterable[Event] | None = None) -> bool:
    """Return whether these events (default: all that were logged) are stored."""
    expected = telemetry.events if events is None else events
    return {event.key for event in expected} <= set(telemetry.stored)


def count_responses(telemetry: Telemetry, status: int) -> int:
    """Count the POSTs that got a response of this status."""
    return sum(batch.exchange.status == status for batch in telemetry.batches)
