"""When POSTs leave: whether one has, what none has carried yet, and whether one leaves beside another."""

from __future__ import annotations

import time

from e2e.conformance.accounting import Event
from e2e.conformance.case import FindingError
from e2e.worker.driver.system import Telemetry
from e2e.worker.driver.waiting import advance_until

LOOKS = 60
"""How often `advance_within_post_limit` looks on the way, unless it is told otherwise."""

NOTICE_SECONDS = 1.0
"""How long it may take, in real time, until the gateway notices that a worker has given a POST up."""


def until_posted(telemetry: Telemetry) -> None:
    """Let time pass until a POST has left: none for a worker that sends at once, else an interval or two."""
    telemetry.settle()
    advance_until(telemetry, lambda: bool(telemetry.batches), 2 * telemetry.interval)


def unsent(telemetry: Telemetry) -> list[Event]:
    """The events that no POST has carried yet."""
    sent = {key for batch in telemetry.batches for key in batch.keys}
    return [event for event in telemetry.events if event.key not in sent]


def most_often(telemetry: Telemetry, seconds: float) -> int:
    """How many flush intervals end in so much time: as many POSTs a worker may send at the most."""
    return int(seconds / telemetry.interval)


def advance_within_post_limit(
    telemetry: Telemetry, seconds: float, most_posts: int, *, looks: int = LOOKS
) -> int:
    """Let time pass in which at most so many POSTs may leave, and return how many have left in all.

    Raises FindingError as soon as there are more: a storm may be too much for time to get through it. A look
    asks every tab, which costs some milliseconds each.
    """
    before = len(telemetry.batches)
    for _ in range(looks):
        telemetry.advance(seconds / looks)
        posts = len(telemetry.batches) - before
        if posts > most_posts:
            raise FindingError(f"at most {most_posts} POST in {seconds:g} s", f"{posts} POST, or more")
    return len(telemetry.batches)


def expect_none_beside(telemetry: Telemetry) -> None:
    """Every POST but the last has ended, answered or given up. Raises FindingError."""
    deadline = time.monotonic() + NOTICE_SECONDS
    while beside := [batch for batch in telemetry.batches[:-1] if not batch.ended]:
        if time.monotonic() > deadline:
            numbers = ", ".join(f"#{batch.exchange.number}" for batch in beside)
            last = telemetry.batches[-1].exchange.number
            raise FindingError("one POST until it is answered or given up", f"#{last} while {numbers} is out")
        telemetry.workers.idle()
