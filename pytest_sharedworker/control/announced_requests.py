"""The requests that a worker has announced before it sent them."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

_LONGEST_LIST = 1_000
"""On the real clock a worker does not say when a request has ended."""

SERVER_PATIENCE_SECONDS = 5.0
"""A server that has not begun to respond after this long may hold a long poll."""

TRANSIT_PATIENCE_SECONDS = 15.0
"""How long a request or its response may be on its way, in a browser that gets little of the processor."""

_order = itertools.count()


@dataclass(eq=False)
class AnnouncedRequest:
    """A request as the worker's script makes it.

    `number` and `virtual_time` (ms) are None where the request cannot be suspended in virtual time;
    `has_own_referrer`: its Referer may differ from that of the worker's other requests; `is_taken`: it has
    arrived; `asked_at`: when the server was asked for the response, in monotonic seconds; `is_answered`: its
    response has been sent to the end.
    """

    number: int | None
    method: str
    scheme: str
    """`http` or `https`; of a WebSocket `ws` or `wss`."""
    host: str
    target: str
    virtual_time: float | None
    has_own_referrer: bool
    is_taken: bool = False
    on_taken: Callable[[], None] = lambda: None
    asked_at: float | None = None
    is_answered: bool = False
    announced_at: float = field(default_factory=time.monotonic)
    order: int = field(default_factory=lambda: next(_order))

    @property
    def url(self) -> str:
        """The whole URL."""
        return f"{self.scheme}://{self.host}{self.target}"

    def take(self) -> None:
        """Note that it has arrived."""
        self.is_taken = True
        self.on_taken()

    @property
    def is_overdue_at(self) -> float:
        """When a clock stops to wait for it as matters stand, in monotonic seconds."""
        if self.asked_at is not None and not self.is_answered:
            return self.asked_at + SERVER_PATIENCE_SECONDS
        return self.announced_at + TRANSIT_PATIENCE_SECONDS


class AnnouncedRequests:
    """Those of one worker, in the order in which they were announced."""

    def __init__(self) -> None:
        self._requests: list[AnnouncedRequest] = []

    def __iter__(self) -> Iterator[AnnouncedRequest]:
        return iter(self._requests)

    def add(self, message: dict[str, Any]) -> AnnouncedRequest:
        """Add one, as the prologue sends it, and return it."""
        request = AnnouncedRequest(
            message["number"],
            message["method"],
            message["scheme"],
            message["host"],
            message["target"],
            message["virtualMs"],
            message["hasOwnReferrer"],
        )
        self._append(request)
        return request

    def find(self, number: int) -> AnnouncedRequest | None:
        """Return the first request with a number, without the redirects that it follows."""
        return next((each for each in self._requests if each.number == number), None)

    def find_last(self, number: int) -> AnnouncedRequest | None:
        """Return the last request with a number, at the end of its redirects."""
        return next((each for each in reversed(self._requests) if each.number == number), None)

    def add_redirect(
        self, request: AnnouncedRequest, method: str, scheme: str, host: str, target: str
    ) -> AnnouncedRequest:
        """Add the request that follows a redirect, and return it; it has the number of the first."""
        following = AnnouncedRequest(request.number, method, scheme, host, target, request.virtual_time, True)
        self._append(following)
        return following

    def remove(self, number: int | None) -> None:
        """Remove those with a number: the worker has its response, or has abandoned the request.

        None: those without a number, for which the worker stood still.
        """
        self._requests = [each for each in self._requests if each.number != number]

    def _append(self, request: AnnouncedRequest) -> None:
        self._requests = [*self._requests, request][-_LONGEST_LIST:]
