"""Faults of requests for the configuration and of batches, by names for people.

A fault applies to one kind of request, for a number of requests or until it is removed, and counts them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pytest_sharedworker.gateway.gateway import Gateway
from pytest_sharedworker.gateway.route import Route

Method = Literal["GET", "POST"]

SMALL_BODY_BYTES = 1_500
"""The largest body under a low size limit: a few records. A single record is far smaller."""

_HTML = {"Content-Type": "text/html"}
_STATUS = "status"
TOXICS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "status 500": (_STATUS, {"status": 500}),
    "status 503, retry after 2 minutes": (_STATUS, {"status": 503, "headers": {"Retry-After": "120"}}),
    "status 429, retry after 5 seconds": (_STATUS, {"status": 429, "headers": {"Retry-After": "5"}}),
    "login page with status 200": (_STATUS, {"status": 200, "headers": _HTML, "body": "<p>Who are you?"}),
    # The worker sends nothing more after this one; the next worker does.
    "status 404": (_STATUS, {"status": 404}),
    "connection reset": ("reset_peer", {}),
    "no response": ("timeout", {}),
    "connection closed after 5 seconds": ("timeout", {"timeout_ms": 5_000}),
    "response lost": ("drop_response", {}),
    "response cut off": ("limit_data", {"bytes": 5}),
    "response 2 seconds late": ("latency", {"latency_ms": 2_000}),
    "response after the timeout": ("latency", {"latency_ms": 45_000}),
    "request 2 seconds late": ("latency", {"latency_ms": 2_000, "stream": "upstream"}),
}
"""By name: the toxic and its attributes (see `pytest_sharedworker.gateway.toxics`)."""

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
        pattern = f"{method} {self.endpoint}"
        if name == TOO_LARGE:
            self._add_size_limit(pattern)
            return
        toxic_name, attributes = TOXICS[name]
        toxic = self.gateway.toxic(toxic_name, on=pattern, times=times, **attributes)
        self._faults.append(_Fault(f"{method} {name}", toxic.remove, lambda: toxic.applied))

    def _add_size_limit(self, pattern: str) -> None:
        refused: list[Route] = []

        def refuse_large(route: Route) -> None:
            if len(route.request.request_body) > SMALL_BODY_BYTES:
                refused.append(route)
                route.fulfill(status=413)

        rule = self.gateway.route(pattern, refuse_large)
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
