"""Time for a worker that may back off: in steps, so that what has come to its end costs no more."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from e2e.conformance.accounting import Event
from e2e.worker.driver.system import Telemetry
from pytest_sharedworker.gateway.toxics import Toxic

HOUR_SECONDS = 3600
"""A worker that backs off may take its time, but not for ever."""

DAY_SECONDS = 24 * HOUR_SECONDS
MOST_REFUSALS = 16
"""Of one batch, whole or in parts, for the same reason: a worker that goes on so will go on for ever."""


def advance_until(telemetry: Telemetry, enough: Callable[[], bool], seconds: float = HOUR_SECONDS) -> None:
    """Let intervals pass until there has been `enough`, or until `seconds` have passed."""
    for _ in range(int(seconds / telemetry.interval)):
        if enough():
            return
        telemetry.flush()


def until_met(telemetry: Telemetry, fault: Toxic) -> None:
    """Let intervals pass until the fault has met a request, an hour at most."""
    advance_until(telemetry, lambda: fault.applied > 0)


def all_stored(telemetry: Telemetry, events: Iterable[Event] | None = None) -> bool:
    """Whether these events are stored; every one that was logged where none are named."""
    wanted = telemetry.events if events is None else events
    return {event.key for event in wanted} <= set(telemetry.stored)


def refused(telemetry: Telemetry, status: int) -> int:
    """How many POSTs were answered so."""
    return sum(batch.exchange.status == status for batch in telemetry.batches)
