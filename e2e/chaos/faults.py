"""Faults on the wire: what can befall requests for the configuration and batches, by names for people.

Each is put on one kind of request, for so many of them or until it is lifted, and counts those that it met.
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
"""What a server that takes little takes at once: a few records. One alone is smaller by far."""

_HTML = {"Content-Type": "text/html"}
_STATUS = "status"
TOXICS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "answered 500": (_STATUS, {"status": 500}),
    "answered 503, try again in 2 minutes": (_STATUS, {"status": 503, "headers": {"Retry-After": "120"}}),
    "answered 429, try again in 5 seconds": (_STATUS, {"status": 429, "headers": {"Retry-After": "5"}}),
    "answered by a login page": (_STATUS, {"status": 200, "headers": _HTML, "body": "<p>Who are you?"}),
    "answered 404": (_STATUS, {"status": 404}),
    "reset": ("reset_peer", {}),
    "never answered": ("timeout", {}),
    "closed after 5 seconds": ("timeout", {"timeout_ms": 5_000}),
    "taken, its answer lost": ("drop_response", {}),
    "taken, its answer cut off": ("limit_data", {"bytes": 5}),
    "taken, its answer 2 seconds late": ("latency", {"latency_ms": 2_000}),
    "taken, its answer too late": ("latency", {"latency_ms": 45_000}),
    "2 seconds on its way": ("latency", {"latency_ms": 2_000, "stream": "upstream"}),
}
"""By name: the toxic and its attributes (see `pytest_sharedworker.gateway.toxics`)."""

TOO_LARGE = "answered 413 where it is large"
NAMES: Mapping[Method, tuple[str, ...]] = {"GET": tuple(TOXICS), "POST": (*TOXICS, TOO_LARGE)}

SENT_AWAY = "answered 404"
"""After this one a worker sends nothing more; the next one does."""


@dataclass
class _Fault:
    name: str
    lift: Callable[[], None]
    applied: Callable[[], int]


@dataclass
class Wire:
    """The faults of one gateway's endpoint. `met`: how many requests each has met so far."""

    gateway: Gateway
    endpoint: str
    _faults: list[_Fault] = field(default_factory=list)

    def put(self, name: str, method: Method, times: int | None) -> None:
        """Have a fault befall the next `times` requests (None: all, until it is lifted)."""
        pattern = f"{method} {self.endpoint}"
        if name == TOO_LARGE:
            refused: list[Route] = []

            def refuse(route: Route) -> None:
                if len(route.request.request_body) > SMALL_BODY_BYTES:
                    refused.append(route)
                    route.fulfill(status=413)

            rule = self.gateway.route(pattern, refuse)
            self._faults.append(_Fault(name, rule.remove, lambda: len(refused)))
            return
        toxic_name, attributes = TOXICS[name]
        toxic = self.gateway.toxic(toxic_name, on=pattern, times=times, **attributes)
        self._faults.append(_Fault(f"{method} {name}", toxic.remove, lambda: toxic.applied))

    def lift(self) -> None:
        """Remove all faults; requests that one holds already stay held."""
        for fault in self._faults:
            fault.lift()

    @property
    def met(self) -> Counter[str]:
        """Requests met, by fault."""
        met: Counter[str] = Counter()
        for fault in self._faults:
            met[fault.name] += fault.applied()
        return met
