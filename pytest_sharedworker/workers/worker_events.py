"""The event handlers of one worker: they are called while the test is inside a call of the plugin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, Protocol

from pytest_sharedworker.control.messages import ConsoleMessage, WorkerError

EventName = Literal["console", "error", "close"]
Handler = Callable[[Any], object]


class _Worker(Protocol):
    """What has happened to a worker since its start."""

    def console_messages(self) -> list[ConsoleMessage]: ...

    def errors(self) -> list[WorkerError]: ...

    def is_closed(self) -> bool: ...


class WorkerEvents:
    """The event handlers of one worker, and what they have already received."""

    def __init__(self, worker: _Worker) -> None:
        self._worker = worker
        self._handlers: dict[EventName, list[Handler]] = {"console": [], "error": [], "close": []}
        self._seen = {"console": 0, "error": 0}
        self._close_sent = False

    def add(self, event: EventName, handler: Handler) -> None:
        """Call `handler` with what happens from now on. Raise ValueError for an event that does not exist."""
        if event not in self._handlers:
            raise ValueError(f"there is no event {event!r}: the events are {', '.join(self._handlers)}")
        self.dispatch()
        if not self._handlers[event]:
            self._seen |= {event: len(self._history(event))} if event != "close" else {}
        self._handlers[event].append(handler)

    def remove(self, event: EventName, handler: Handler) -> None:
        """Call `handler` no more."""
        self._handlers[event].remove(handler)

    def dispatch(self) -> None:
        """Call the handlers with what has happened since the last time."""
        for event in ("console", "error"):
            if handlers := self._handlers[event]:
                history = self._history(event)
                new, self._seen[event] = history[self._seen[event] :], len(history)
                for value in new:
                    for handler in list(handlers):
                        handler(value)
        if self._handlers["close"] and not self._close_sent and self._worker.is_closed():
            self._close_sent = True
            for handler in list(self._handlers["close"]):
                handler(self._worker)

    def _history(self, event: str) -> list[Any]:
        return self._worker.console_messages() if event == "console" else self._worker.errors()
