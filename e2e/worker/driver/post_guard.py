"""Stop a request storm: let a number of POSTs through, and suspend every later one.

A worker in a storm sends its next request as soon as the last one has its response: no virtual time passes,
and a clock that waits for the worker to settle waits forever. A suspended POST lets time go on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from e2e.conformance.case import FindingError
from e2e.worker.driver.system import Telemetry
from pytest_sharedworker import Route


class PostGuard:
    """Lets `max_posts` POSTs through and suspends later ones; counts while `is_counting()`."""

    def __init__(
        self, telemetry: Telemetry, max_posts: int, is_counting: Callable[[], bool] = lambda: True
    ) -> None:
        self.posts = 0
        """How many POSTs have been counted."""
        self._max_posts = max_posts
        self._is_counting = is_counting
        self._lock = threading.Lock()
        telemetry.gateway.route(telemetry.posts_pattern, self._decide, optional=True)

    def _decide(self, route: Route) -> None:
        with self._lock:
            self.posts += self._is_counting()
            is_allowed = self.posts <= self._max_posts
        if is_allowed:
            route.fallback()
        # Without a decision the request stays suspended, and its worker waits.

    def expect_not_exceeded(self, when: str) -> None:
        """Require at most `max_posts` POSTs; `when` ends the sentence. Raise FindingError."""
        if self.posts > self._max_posts:
            raise FindingError(f"at most {self._max_posts} POST {when}", f"{self.posts} POST, or more")
