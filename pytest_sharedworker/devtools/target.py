"""A SharedWorker as DevTools list it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol


class WorkerTransport(Protocol):
    """What sends messages to the workers of one browser."""

    def post(self, session_id: str, message: dict[str, Any]) -> None:
        """Send one message into a worker's session."""

    def detach(self, session_id: str) -> None:
        """End one worker's session."""

    def pump(self) -> None:
        """Receive pending events."""


@dataclass(frozen=True)
class WorkerTarget:
    """One SharedWorker of one browser."""

    id: str
    url: str
    name: str
    context_id: str
    browser: WorkerTransport = field(compare=False, repr=False)
