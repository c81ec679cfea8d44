"""Named faults for configuration requests and batch POSTs.

A fault applies to one kind of request, for a number of requests or until it is removed, and counts them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from pytest_sharedworker import (
    DropResponse,
    Gateway,
    HttpStatus,
    Latency,
    LimitData,
    ResetPeer,
    Route,
    Stream,
    Timeout,
    Toxic,
)

Method = Literal["GET", "POST"]

SMALL_BODY_BYTES = 1_500
"""The largest body under a low size limit: a few records. A single record is far smaller."""

_HTML = {"Content-Type": "text/html"}
TOXICS: Mapping[str, tuple[Toxic, Stream | None]] = {
    "status 500": (HttpStatus(500), None),
    "status 503, retry after 2 minutes": (HttpStatus(503, headers={"Retry-After": "120"}), None),
    "status 429, retry after 5 seconds": (HttpStatus(429, headers={"Retry-After": "5"}), None),
    "login page with status 200": (HttpStatus(200, "<p>Who are you?", headers=_HTML), None),
    # The worker sends nothing more after this one; the next worker does.
    "status 404": (HttpStatus(404), None),
    "connection reset": (ResetPeer(), None),
    "no response": (Timeout(), None),
    "connection closed after 5 seconds": (Timeout(5_000), None),
    "response lost": (DropResponse(), None),
    "response cut off": (LimitData(bytes=5), None),
    "response 2 seconds late": (Latency(2_000), None),
    "response after the timeout": (Latency(45_000), None),
    "request 2 seconds late": (Latency(2_000), "upstream"),
}
"""By name: the toxic and its stream, None for the default."""

TOO_LARGE = "status 413 for a large batch"
NAMES: Mapping[Method, tuple[str, ...]] = {"GET": tuple(TOXICS), "POST": (*TOXICS, TOO_LARGE)}


@dataclass
class _Fault:
    name: str
    remove: Callable[[], None]
    count: Callable[[], int]


@dataclass
class RequestFaults:
    """The faults of one gateway's endpoint."""

    gateway: Gateway
    endpoint: str
    _faults: list[_Fault] = field(default_factory=list)

    def add(self, name: str, method: Method, times: int | None) -> None:
        """Add a fault to the next `times` requests (None: to all, until it is removed)."""
        pattern = f"{method} {self.endpoint}{{,?**}}"
        if name == TOO_LARGE:
            self._add_size_limit(pattern)
            return
        toxic, stream = TOXICS[name]
        applied = self.gateway.add_toxic(toxic, on=pattern, stream=stream, times=times, optional=True)
        self._faults.append(_Fault(f"{method} {name}", applied.remove, lambda: applied.hits))

    def _add_size_limit(self, pattern: str) -> None:
        refused: list[Route] = []

        def refuse_large(route: Route) -> None:
            if len(route.exchange.request_body) > SMALL_BODY_BYTES:
                refused.append(route)
                route.fulfill(status=413)
            else:
                route.fallback()

        rule = self.gateway.route(pattern, refuse_large, optional=True)
        self._faults.append(_Fault(TOO_LARGE, rule.remove, lambda: len(refused)))

    def remove_all(self) -> None:
        """Remove all faults. A request that one already suspends stays suspended."""
        for fault in self._faults:
            fault.remove()

    def count(self) -> Counter[str]:
        """Return the number of requests to which each fault was applied."""
        counts: Counter[str] = Counter()
        for fault in self._faults:
            counts[fault.name] += fault.count()
        return counts
