"""Respond to all requests of a kind in one way, for as long as a worker keeps within a limit.

A worker in a storm sends its next request as soon as it has the last response: no virtual time passes, and a
clock that waits for the worker to settle waits forever. Such requests, and all beyond the limit, stay
pending, but only a few at a time: a browser holds back further ones, and the clock waits for those.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count

from e2e.conformance.case import FindingError
from e2e.conformance.preconditions import require_exercised
from e2e.worker.driver.system import Telemetry
from pytest_sharedworker import ClockError, GatewayError, Route

BURST_MS = 10_000
MAX_BURST = 15
"""How many requests may leave in BURST_MS. A worker that splits a batch needs several in a row."""

MAX_PENDING = 3
"""How many requests may be without a response at the same time. A browser sends six to an origin."""
STORM_REQUESTS = 1_500
"""How many requests are ended at most: one for each event of a case, and not those of a storm in parallel."""

Respond = Callable[[Route], object]
"""Decides on a request."""


def hang(route: Route) -> None:
    """Leave a request pending; the guard knows this function and ends the oldest of several such requests."""


class StormGuard:
    """Responds to the requests that match `pattern`, at most `max_requests` of them."""

    def __init__(self, telemetry: Telemetry, pattern: str, respond: Respond, max_requests: int) -> None:
        self._max_requests = max_requests
        self._sent: dict[tuple[str | None, int], float] = {}
        self._lock = threading.Lock()
        numbers = count(1)
        pending: deque[Route] = deque()

        def suspend(route: Route) -> None:
            """Leave the request pending; end the oldest pending one if there are many."""
            pending.append(route)
            while pending and pending[0].exchange.ended:
                pending.popleft()
            if len(pending) > MAX_PENDING:
                with suppress(GatewayError):
                    pending.popleft().abort()

        def decide(route: Route) -> None:
            exchange = route.exchange
            with self._lock:
                key = exchange.worker_id, exchange.request_number or -exchange.number
                self._sent[key] = exchange.virtual_time or 0.0
                number = next(numbers)
                if number > STORM_REQUESTS:
                    return
                if number > max_requests or respond is hang or _find_burst(list(self._sent.values())):
                    suspend(route)
                    return
            respond(route)

        telemetry.gateway.route(pattern, decide, optional=True)

    @property
    def times(self) -> list[float]:
        """The virtual time of each request so far, in milliseconds; a browser's own repeats do not count."""
        with self._lock:
            return list(self._sent.values())

    @contextmanager
    def judge_clock_errors(self, what: str) -> Iterator[None]:
        """Raise FindingError where the clock fails in a storm: no virtual time passes in one."""
        try:
            yield
        except ClockError:
            if self.times:
                self.expect_no_storm(what)
            raise

    def expect_no_storm(self, what: str) -> int:
        """Require requests, few in all and few in a row; return how many.

        Raise FindingError, or InconclusiveError if there was none at all.
        """
        times = self.times
        require_exercised(times, f"the worker sent no {what}")
        self.expect_few(what)
        return len(times)

    def expect_few(self, what: str) -> None:
        """Require few requests so far. Raise FindingError."""
        times = self.times
        if len(times) > self._max_requests:
            raise FindingError(f"at most {self._max_requests} {what}", f"{len(times)} {what}, or more")
        if burst := _find_burst(times):
            first, last = burst
            raise FindingError(
                f"at most {MAX_BURST} {what} in {BURST_MS // 1000} s",
                f"{MAX_BURST + 1} {what} from {first / 1000:.3f} to {last / 1000:.3f} s",
            )


def _find_burst(times: list[float]) -> tuple[float, float] | None:
    """Return the begin and the end of the first series of more requests than may leave in BURST_MS."""
    bursts = zip(times, times[MAX_BURST:], strict=False)
    return next(((first, last) for first, last in bursts if last - first < BURST_MS), None)
