"""The bound on the requests of a worker: whatever happens to it, it must not flood its server.

After a request that failed a session waits at least a second, and longer with every failure. So an hour has
room for few failures. What makes progress is not limited, because it ends with the records: a batch that the
server confirms, a configuration that arrives.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest

from e2e.chaos.config_gaps import delivers_config, says_disabled
from pytest_sharedworker.gateway.exchange import Exchange

MIN_PAUSE_MS = 1_000
"""Of the worker's time, from a request that failed to the next one."""

HOUR_MS = 3_600_000

MAX_FAILURES_PER_HOUR = 40
"""In a row. Random waits from 1 s to a bound that doubles from 5 s to 15 min make 15 requests in the first
hour on average, and more than 30 in less than one of a million hours. A low size limit, which makes a worker
halve its batches, costs 10 more."""

MAX_CONNECTIONS_PER_STEP = 30
"""Of one tab to workers: a few for every change of consent and every worker that ends."""

CONNECTIONS_PER_SECOND = 2.0
"""Of real time, in addition."""


class RequestBound:
    """Checks a journal that grows. Batches are read once: their bodies are long."""

    def __init__(self) -> None:
        self._sessions: dict[int, str] = {}
        """By number of the exchange: the session of a batch, "" for one without records."""

    def find_floods(
        self, exchanges: Iterable[Exchange], *, sessions_started: int, times_online: int
    ) -> Iterator[str]:
        """Yield a sentence for every place where a worker sent too much.

        `sessions_started`: how often consent was given again, `times_online`: how often the network came
        back; both allow further requests.
        """
        configurations: dict[str | None, list[Exchange]] = defaultdict(list)
        batches: dict[tuple[str | None, str], list[Exchange]] = defaultdict(list)
        for exchange in exchanges:
            if exchange.virtual_time is None:
                continue
            if exchange.method == "GET":
                configurations[exchange.worker_id].append(exchange)
            elif exchange.method == "POST" and exchange.received_seconds is not None:
                session = self._read_session(exchange)
                if session is None:
                    yield f"a batch without records: {exchange}"
                else:
                    batches[exchange.worker_id, session].append(exchange)
        for requests in configurations.values():
            yield from _check_pace(requests, restarts=sessions_started, times_online=times_online)
        for requests in batches.values():
            yield from _check_pace(requests, restarts=0, times_online=times_online)

    def _read_session(self, batch: Exchange) -> str | None:
        """Return the session that posted a batch; None for a batch without records."""
        if batch.number not in self._sessions:
            content = batch.json()
            self._sessions[batch.number] = str(content["session_id"]) if content["records"] else ""
        return self._sessions[batch.number] or None


def _check_pace(requests: Sequence[Exchange], *, restarts: int, times_online: int) -> Iterator[str]:
    """Check the requests of one kind that a worker, or one of its sessions, sent.

    `restarts`: how often a session may have begun in these requests; it does not know the pace of the last.
    """
    too_early = 0
    failures: list[float] = []
    for previous, following in zip_longest(requests, requests[1:]):
        at = previous.virtual_time or 0.0
        if makes_progress(previous):
            failures.clear()
            continue
        failures = [each for each in failures if each > at - HOUR_MS] + [at]
        if len(failures) > MAX_FAILURES_PER_HOUR * (1 + restarts) + times_online:
            yield f"{len(failures)} requests without progress in an hour, the last: {previous}"
        if following is not None:
            too_early += (following.virtual_time or 0.0) - at < MIN_PAUSE_MS
            if too_early > restarts:
                yield f"less than a second after a request without progress: {following}"


def makes_progress(exchange: Exchange) -> bool:
    """Return whether the server's response to what the request was for reached the worker."""
    if exchange.response_body != exchange.upstream_response_body or exchange.cut is not None:
        return False
    if exchange.method == "GET":
        return delivers_config(exchange) or says_disabled(exchange)
    return exchange.status == 200 and (says_disabled(exchange) or b'"success"' in exchange.response_body)
