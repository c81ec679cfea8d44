"""Times without a configuration: a worker drops events from a failed request for it until one succeeds."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence

from pytest_sharedworker.gateway.exchange import Exchange
from pytest_sharedworker.gateway.journal import Journal

Span = tuple[float, float]
"""Begin and end, in seconds on the journal's clock."""

MARGIN_SECONDS = 2.0
"""Real time that may pass between the end of an exchange and what the worker does with the response."""

REQUEST_TIMEOUT_SECONDS = 60
"""Of the worker's time: the worker no longer waits for a response that is as late as this."""


def config_gaps(journal: Journal, pattern: str, consents: Sequence[Span] = ()) -> Iterator[Span]:
    """Yield each time span in which a worker may have no configuration.

    A session keeps its configuration when a later request for it fails. A worker begins a new session without
    a configuration where consent is given again: `consents` are the spans in which that happened.
    """
    by_worker: dict[str | None, list[Exchange]] = defaultdict(list)
    for exchange in journal.select(pattern, sender="worker"):
        by_worker[exchange.worker_id].append(exchange)
    for requests in by_worker.values():
        since: float | None = None
        is_configured = False
        last_request = -math.inf
        for exchange in requests:
            started = exchange.started_seconds
            if any(begin <= started and last_request <= end for begin, end in consents):
                is_configured = False
            last_request = started
            if _delivers_config(exchange) and exchange.ended_seconds is not None:
                is_configured = True
                if since is not None:
                    yield since, exchange.ended_seconds + MARGIN_SECONDS
                    since = None
            elif not is_configured and since is None:
                since = started
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
