"""One text timeline of a test: workers and tabs, their console, exchanges and messages, toxics, clocks."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from pytest_sharedworker.gateway.events import TimelineEvent

_HEADER = f"{'real s':>9} {'virtual s':>11}  what"
_INDENT = " " * (9 + 1 + 11 + 2)


def timeline(events: Iterable[TimelineEvent], origin: datetime) -> str:
    """Return all events as one text, one line each; stacks continue on indented lines."""
    return "\n".join([_HEADER, *(line(event, origin) for event in events)]) + "\n"


def line(event: TimelineEvent, origin: datetime) -> str:
    """Return an event as text, with real seconds since `origin`."""
    virtual = "" if event.virtual_time is None else f"{event.virtual_time / 1000:.3f}"
    text = event.text.rstrip().replace("\n", "\n" + _INDENT)
    return f"{(event.at - origin).total_seconds():9.3f} {virtual:>11}  {text}"
