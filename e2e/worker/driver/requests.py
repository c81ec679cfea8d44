"""Check when POSTs are sent: which events are still unsent, how many POSTs, and whether two overlap."""

from __future__ import annotations

import time

from e2e.conformance.accounting import Event
from e2e.conformance.case import FindingError
from e2e.worker.driver.system import Telemetry
from e2e.worker.driver.waiting import advance_until

CHECKS = 60
"""How often `advance_within_post_limit` counts the POSTs by default."""

ABORT_NOTICE_SECONDS = 1.0
"""How long the gateway may take, in real time, to notice that a worker has aborted a POST."""


def advance_until_posted(telemetry: Telemetry) -> None:
    """Run until a POST has been sent: at once for an eager worker, else after one interval or two."""
    telemetry.settle()
    advance_until(telemetry, lambda: bool(telemetry.batches), 2 * telemetry.flush_interval)


def get_unsent_events(telemetry: Telemetry) -> list[Event]:
    """Return the events that no POST has carried yet."""
    sent = {key for batch in telemetry.batches for key in batch.keys}
    return [event for event in telemetry.events if event.key not in sent]


def count_flush_intervals(telemetry: Telemetry, ms: float) -> int:
    """Count the flush intervals that end within `ms`; a worker may send one POST in each."""
    return int(ms / telemetry.flush_interval)


def advance_within_post_limit(
    telemetry: Telemetry, ms: float, max_posts: int, *, checks: int = CHECKS
) -> int:
    """Run for `ms`, in which at most `max_posts` POSTs may be sent; return how many there are in all.

    Raise FindingError as soon as there are more: simulated time may never get through a request storm.
    Each check queries every tab, which costs some milliseconds per tab.
    """
    before = len(telemetry.batches)
    for _ in range(checks):
        telemetry.run_for(ms / checks)
        posts = len(telemetry.batches) - before
        if posts > max_posts:
            raise FindingError(f"at most {max_posts} POST in {ms / 1000:g} s", f"{posts} POST, or more")
    return len(telemetry.batches)


def expect_no_concurrent_posts(telemetry: Telemetry) -> None:
    """Require that every POST but the last has ended, with a response or aborted. Raise FindingError."""
    deadline = time.monotonic() + ABORT_NOTICE_SECONDS
    while pending := [batch for batch in telemetry.batches[:-1] if not batch.ended]:
        if time.monotonic() > deadline:
            numbers = ", ".join(f"#{batch.exchange.number}" for batch in pending)
            last = telemetry.batches[-1].exchange.number
            raise FindingError(
                "one POST until it gets a response or is aborted", f"#{last} while {numbers} is in flight"
            )
        telemetry.workers._manager.idle()
