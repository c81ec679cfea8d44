"""Events of the gateway that a timeline shows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class TimelineEvent:
    """An event: when, in real and (where known) the worker's virtual time, and what."""

    at: datetime
    text: str
    virtual_time: float | None = None
