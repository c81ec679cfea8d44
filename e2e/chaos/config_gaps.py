"""Times without a configuration: a worker drops events from a failed request for it until one succeeds."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator

from pytest_sharedworker.gateway.exchange import Exchange
from pytest_sharedworker.gateway.journal import Journal

MARGIN_SECONDS = 2.0
"""Real time that may pass between the end of an exchange and what the worker does with the response."""

REQUEST_TIMEOUT_SECONDS = 60
"""Of the worker's time: the worker no longer waits for a response that is as late as this."""


def config_gaps(journal: Journal, pattern: str) -> Iterator[tuple[float, float]]:
    """Yield begin and end, on the journal's clock, of each time in which a worker may have no configuration.

    A worker that continues after an opt-out begins a new session without a configuration. The journal does
    not distinguish its request from one that refreshes a known configuration: both may begin a gap.
    """
    by_worker: dict[str | None, list[Exchange]] = defaultdict(list)
    for exchange in journal.select(pattern, sender="worker"):
        by_worker[exchange.worker_id].append(exchange)
    for requests in by_worker.values():
        since: float | None = None
        for exchange in requests:
            if not _delivers_config(exchange):
                since = exchange.started_seconds if since is None else since
            elif since is not None and exchange.ended_seconds is not None:
                yield since, exchange.ended_seconds + MARGIN_SECONDS
                since = None
        if since is not None:
            yield since, math.inf


def end_of_gap(journal: Journal, pattern: str, since: float) -> float:
    """Return when the gap of a session ends that began at `since`, in an offline worker.

    The requests of such a worker do not reach the journal. The gap ends with the next one that succeeds.
    """
    for exchange in journal.select(pattern, sender="worker"):
        if exchange.started_seconds >= since and exchange.ended_seconds is not None:
            if _delivers_config(exchange):
                return exchange.ended_seconds + MARGIN_SECONDS
    return math.inf


def has_config(journal: Journal, pattern: str, worker_id: str) -> bool:
    """Return whether the worker's last request for its configuration has succeeded."""
    requests = journal.select(pattern, worker_id=worker_id)
    return bool(requests) and requests[-1].ended and _delivers_config(requests[-1])


def _delivers_config(exchange: Exchange) -> bool:
    """Return whether the server's complete response reached the worker in time."""
    return (
        exchange.status == 200
        and exchange.cut is None
        and exchange.upstream_status == 200
        and exchange.response_body == exchange.upstream_response_body
        and exchange.paused_seconds < REQUEST_TIMEOUT_SECONDS
    )
