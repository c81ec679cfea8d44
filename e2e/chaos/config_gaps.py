"""When a worker lawfully drops events: once a request for its configuration failed, until one does not."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator

from pytest_sharedworker.gateway.exchange import Exchange
from pytest_sharedworker.gateway.journal import Journal

MARGIN_SECONDS = 2.0
"""What may pass, in real time, between the end of an exchange and what the worker makes of it."""

GIVEN_UP_SECONDS = 60
"""Of the worker's time: an answer as late as this has not been waited for."""


def config_gaps(journal: Journal, pattern: str) -> Iterator[tuple[float, float]]:
    """Begin and end, on the journal's clock, of each time in which a worker may have had no configuration.

    A worker that lives on after an opt-out begins a session anew, which knows nothing. The journal does not
    tell that request from one that refreshes what is known: both may have left it blind.
    """
    by_worker: dict[str | None, list[Exchange]] = defaultdict(list)
    for exchange in journal.select(pattern, sender="worker"):
        by_worker[exchange.worker_id].append(exchange)
    for asked in by_worker.values():
        since: float | None = None
        for exchange in asked:
            if not _was_told(exchange):
                since = exchange.started_seconds if since is None else since
            elif since is not None and exchange.ended_seconds is not None:
                yield since, exchange.ended_seconds + MARGIN_SECONDS
                since = None
        if since is not None:
            yield since, math.inf


def has_config(journal: Journal, pattern: str, worker_id: str) -> bool:
    """Whether the worker's last request for its configuration was answered."""
    asked = journal.select(pattern, worker_id=worker_id)
    return bool(asked) and asked[-1].ended and _was_told(asked[-1])


def _was_told(exchange: Exchange) -> bool:
    """Whether the server's whole answer came to the worker in time."""
    return (
        exchange.status == 200
        and exchange.cut is None
        and exchange.upstream_status == 200
        and exchange.response_body == exchange.upstream_response_body
        and exchange.paused_seconds < GIVEN_UP_SECONDS
    )
