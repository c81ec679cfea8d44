"""The events of a test, numbered, as the inspector's page takes them: in batches, and only the newest."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from pytest_sharedworker.gateway.events import TimelineEvent

MAX_EVENTS = 20_000
"""How many events the inspector keeps; of more, the newest."""
MAX_BATCH = 2_000
"""How many events one message holds: the page draws between two of them."""


def to_json(event: TimelineEvent, origin: datetime) -> dict[str, Any]:
    """Return an event for the page: times in ms, real ones since `origin`, virtual ones of the test."""
    virtual = None if event.virtual_time is None else round(event.virtual_time + event.virtual_offset, 3)
    value: dict[str, Any] = {
        "at": round((event.at - origin).total_seconds() * 1000, 3),
        "virtual": virtual,
        "kind": event.kind,
        "lane": event.lane,
        "text": _replace_surrogates(event.text),
        "details": {name: _replace_surrogates(text) for name, text in event.details.items()},
    }
    return value | ({"link": event.link} if event.link else {})


def _replace_surrogates(text: str) -> str:
    """Return text that UTF-8 can hold: JavaScript allows lone surrogates."""
    return text.encode("utf-8", "backslashreplace").decode()


class EventFeed:
    """Keeps the newest events and hands them out in batches."""

    def __init__(self, read_new: Callable[[], Iterable[TimelineEvent]], origin: datetime) -> None:
        self._read_new = read_new
        self._origin = origin
        self._events: deque[dict[str, Any]] = deque(maxlen=MAX_EVENTS)
        self._count = 0

    def update(self) -> None:
        """Read what has happened since the last call."""
        new = [to_json(event, self._origin) for event in self._read_new()]
        self._events.extend(new)
        self._count += len(new)

    def get_batch(self, position: int) -> tuple[list[dict[str, Any]], int, int]:
        """Return the events behind a position, the new position, and how many are lost in between.

        A position is the number of events before it. One that never was starts over.
        """
        if not 0 <= position <= self._count:
            position = 0
        first = self._count - len(self._events)
        lost = max(0, first - position)
        start = max(0, position - first)
        batch = [self._events[index] for index in range(start, min(len(self._events), start + MAX_BATCH))]
        return batch, first + start + len(batch), lost
