"""The events of a test, one type for the timeline of a failed test and for the inspector."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

EventKind = Literal[
    "life", "message", "request", "response", "socket", "console", "error", "storage", "clock", "fault"
]
"""What an event is. `life`: a tab or worker opens or closes; `fault`: a toxic or route comes or goes."""


@dataclass(frozen=True)
class TimelineEvent:
    """An event: when, in real and (where known) the worker's virtual time, and what.

    `lane` is whose event it is: a tab, a worker, the gateway, the server or the test. `details` are what a
    person asks for next, such as headers, body or stack. Events of one exchange have the same `link`.
    """

    at: datetime
    text: str
    virtual_time: float | None = None
    kind: EventKind = "fault"
    lane: str = "gateway"
    details: Mapping[str, str] = field(default_factory=dict)
    link: str = ""
    virtual_offset: float = 0.0
    """The ms of the test's virtual time at which the worker's virtual time began."""
