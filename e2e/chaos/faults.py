"""Named faults for configuration requests and batch POSTs.

A fault applies to one kind of request, for a number of requests or until it is removed, and counts them. None
of them is an answer of the server: not one says that telemetry is disabled, or that a batch is stored.
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

DISABLED_PATH = "/login/configuration.json"
"""Where a redirect leads: a document that reads like a configuration, and is not the server's."""
DISABLED_DOCUMENT = '{"disable_ui_telemetry": true, "status": "disabled"}'

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
    "response 20 seconds late": (Latency(20_000), None),
    "response after the timeout": (Latency(45_000), None),
    "request 2 seconds late": (Latency(2_000), "upstream"),
}
"""By name: the toxic and its stream, None for the default. These hit requests of both methods."""

_STRANGE_BODIES: Mapping[str, tuple[Toxic, Stream | None]] = {
    "redirect to a document": (HttpStatus(302, headers={"Location": DISABLED_PATH}), None),
    "empty body": (HttpStatus(200), None),
    "body []": (HttpStatus(200, "[]"), None),
    "body null": (HttpStatus(200, "null"), None),
    "body {}": (HttpStatus(200, "{}"), None),
}
GLITCHES: Mapping[str, tuple[Toxic, Stream | None]] = {
    **_STRANGE_BODIES,
    "half a configuration": (HttpStatus(200, '{"disable_ui_telemetry": tr'), None),
    "configuration without the switch": (HttpStatus(200, '{"ui_rollout_percentage": 100}'), None),
    "switch that is a text": (HttpStatus(200, '{"disable_ui_telemetry": "true"}'), None),
    "switch that is null": (HttpStatus(200, '{"disable_ui_telemetry": null}'), None),
    "error with a configuration": (HttpStatus(500, DISABLED_DOCUMENT), None),
}
"""What is no configuration, in the place of one."""

FALSE_SUCCESSES: Mapping[str, tuple[Toxic, Stream | None]] = {
    **_STRANGE_BODIES,
    "status 204": (HttpStatus(204), None),
    "status 202, body {}": (HttpStatus(202, "{}"), None),
    'body "ok"': (HttpStatus(200, '"ok"'), None),
    "body success: false": (HttpStatus(200, '{"success": false}'), None),
    "body status: error": (HttpStatus(200, '{"status": "error"}'), None),
    "none accepted": (HttpStatus(200, '{"status": "success", "accepted": 0}'), None),
}
"""What confirms no record, with a status of success."""

TOO_LARGE = "status 413 for a large batch"
ALL_BUT_ONE = "all but one accepted"
STORED_UNCONFIRMED = "batch stored, body {}"
NAMES: Mapping[Method, tuple[str, ...]] = {"GET": tuple(TOXICS), "POST": (*TOXICS, TOO_LARGE)}
"""Faults of the network and of servers that are busy, broken or not there."""

FALSE_NAMES: Mapping[Method, tuple[str, ...]] = {
    "GET": tuple(GLITCHES),
    "POST": (*FALSE_SUCCESSES, ALL_BUT_ONE, STORED_UNCONFIRMED),
}
"""Responses that look like one of the server, and are none."""


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

    def __post_init__(self) -> None:
        self.gateway.serve(DISABLED_PATH, DISABLED_DOCUMENT, content_type="application/json")

    def add(self, name: str, method: Method, times: int | None) -> None:
        """Add a fault to the next `times` requests (None: to all, until it is removed)."""
        pattern = f"{method} **{self.endpoint}{{,?**}}"
        decide = _DECISIONS.get(name)
        if decide is not None:
            # A size limit is a property of a proxy: it does not go away after so many requests.
            self._add_route(name, pattern, decide, None if name == TOO_LARGE else times)
            return
        toxic, stream = {**TOXICS, **GLITCHES, **FALSE_SUCCESSES}[name]
        applied = self.gateway.add_toxic(toxic, on=pattern, stream=stream, times=times, optional=True)
        self._faults.append(_Fault(f"{method} {name}", applied.remove, lambda: applied.hits))

    def _add_route(self, name: str, pattern: str, decide: Callable[[Route], bool], times: int | None) -> None:
        hits: list[Route] = []

        def handle(route: Route) -> None:
            if decide(route):
                hits.append(route)
            else:
                route.fallback()

        rule = self.gateway.route(pattern, handle, times=times, optional=True)
        self._faults.append(_Fault(f"POST {name}", rule.remove, lambda: len(hits)))

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


def _refuse_large(route: Route) -> bool:
    is_large = len(route.exchange.request_body) > SMALL_BODY_BYTES
    if is_large:
        route.fulfill(status=413)
    return is_large


def _accept_all_but_one(route: Route) -> bool:
    accepted = len(route.exchange.json()["records"]) - 1
    route.fulfill(json={"status": "success", "accepted": accepted})
    return True


def _store_unconfirmed(route: Route) -> bool:
    response = route.fetch()
    route.fulfill(response=response, json={})
    return True


_DECISIONS: Mapping[str, Callable[[Route], bool]] = {
    TOO_LARGE: _refuse_large,
    ALL_BUT_ONE: _accept_all_but_one,
    STORED_UNCONFIRMED: _store_unconfirmed,
}
"""By name: takes a decision on a request, or none and returns False."""
