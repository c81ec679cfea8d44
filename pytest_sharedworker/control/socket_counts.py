"""Count the messages of a worker's WebSocket or EventSource in the gateway, so that time waits for them.

The worker compares the counts with what it has sent and received (`injected/messages.js`).
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable

from pytest_sharedworker.control.state_notifier import StateNotifier
from pytest_sharedworker.integration.time_limits import time_limit

PASS_SECONDS = 1.0
"""How long a message of the worker may take to the server, or to a route's handler and through it."""

ANSWER_SECONDS = 0.25
"""How long a server may take for an answer that comes at once."""

SILENT_MOMENTS = 16
"""How often in a row a server gives no answer before it is taken for one that gives none."""

SILENT_ANSWER_SECONDS = 0.01
"""What such a server may take."""

_TURNS = 3
"""So often the event loop reads what has come."""


class SocketCounts:
    """The messages of one WebSocket or EventSource."""

    def __init__(self, changes: StateNotifier) -> None:
        self.is_mocked = False
        """Whether a route stands for the server: its answers are sent when its handler has returned."""
        self._changes = changes
        self._events: Counter[str] = Counter()
        self._passed = 0
        self._started = 0
        self._passed_at = 0.0
        self._unanswered = 0
        self._silent_moments = 0

    def count_passed(self) -> None:
        """Count a message of the worker that is delivered, or that a toxic delays or drops."""
        self._passed += 1
        self._changes.notify()

    def count_delivered(self) -> None:
        """Count a message of the worker that the server, or a route's handler, has got."""
        self._unanswered += 1
        self._passed_at = time.monotonic()
        self._changes.notify()

    def count_started(self, change: int = 1) -> None:
        """Count a message that a route sends to the worker, until it is sent, delayed or dropped."""
        self._started += change
        self._changes.notify()

    def count_lost_answer(self) -> None:
        """Count a message to the worker that a toxic has dropped: time does not wait for that answer."""
        self._unanswered = max(0, self._unanswered - 1)
        self._changes.notify()

    def count_event(self, kind: str = "message") -> None:
        """Count an event that the worker is about to get, by its type; a WebSocket also gets `close`."""
        self._events[kind] += 1
        if self._unanswered > 0:
            self._unanswered -= 1
            self._silent_moments = 0
        self._changes.notify()

    async def settle(self, sent: int) -> dict[str, int]:
        """Wait until all messages that the worker has sent have passed, and for the answers.

        Return the numbers of events, by their types.
        """
        await self._wait(lambda: self._has_passed(sent) or "close" in self._events, PASS_SECONDS)
        if self._unanswered and not self.is_mocked:
            is_silent = self._silent_moments >= SILENT_MOMENTS
            patience = SILENT_ANSWER_SECONDS if is_silent else ANSWER_SECONDS
            left = self._passed_at + patience - time.monotonic()
            if not await self._wait(lambda: self._unanswered == 0 or "close" in self._events, left):
                self._silent_moments += 1
        self._unanswered = 0
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        return dict(self._events)

    def _has_passed(self, sent: int) -> bool:
        return self._passed >= sent and not self._started

    async def _wait(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Wait until a condition holds; return whether it does."""
        try:
            async with time_limit(max(0.0, seconds)):
                await self._changes.wait_until(condition)
        except asyncio.TimeoutError:
            return condition()
        return True
