"""When a worker lawfully drops events: once a request for its configuration failed, until one does not."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator

from pytest_sharedworker.journal import Exchange, Journal

MARGIN_SECONDS = 2.0
"""What may pass, in real time, between the end of an exchange and what the worker makes of it."""

GIVEN_UP_SECONDS = 60
"""Of the worker's time: an answer as late as this has not been waited for."""


def blind_times(journal: Journal, pattern: str) -> Iterator[tuple[float, float]]:
    """Begin and end, on the journal's clock, of each time in which a worker had no configuration."""
    by_worker: dict[str | None, list[Exchange]] = defaultdict(list)
    for exchange in journal.select(pattern, sender="worker"):
        by_worker[exchange.worker_id].append(exchange)
    for asked in by_worker.values():
        if _was_told(asked[0]):
            continue
        told = next((exchange for exchange in asked if _was_told(exchange)), None)
        ended = None if told is None else told.ended_seconds
        yield asked[0].started_seconds, math.inf if ended is None else ended + MARGIN_SECONDS


def is_told(journal: Journal, pattern: str, worker_id: str) -> bool:
    """Whether a worker has its configuration by now."""
    return any(map(_was_told, journal.select(pattern, worker_id=worker_id)))


def _was_told(exchange: Exchange) -> bool:
    """Whether the server's whole answer came to the worker in time."""
    return (
        exchange.status == 200
        and exchange.cut is None
        and exchange.upstream_status == 200
        and exchange.answer == exchange.upstream_answer
        and exchange.paused_seconds < GIVEN_UP_SECONDS
    )
