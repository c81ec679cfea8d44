"""Which session an event was sent under: one a worker, shared by all its tabs."""

from __future__ import annotations

from e2e.case import Finding
from e2e.tab import Tab
from e2e.telemetry import Telemetry


def sessions_by_key(telemetry: Telemetry) -> dict[str, str]:
    """The session under which each event was sent last."""
    return {
        key: str(record.get("session_id"))
        for batch in telemetry.batches
        for key, record in zip(batch.keys, batch.records, strict=True)
    }


def expect_sessions_apart(telemetry: Telemetry, first: Tab, second: Tab) -> None:
    """The events of two tabs were sent in two sessions, one each. Raises Finding."""
    by_key = sessions_by_key(telemetry)
    sessions = [{by_key[event.key] for event in tab.events if event.key in by_key} for tab in (first, second)]
    if sessions[0] & sessions[1] or any(len(each) > 1 for each in sessions):
        raise Finding("a session for each of two workers", f"{[sorted(each) for each in sessions]}")


def expect_one_session(telemetry: Telemetry) -> None:
    """All events were sent in one session. Raises Finding."""
    sessions = set(sessions_by_key(telemetry).values())
    if len(sessions) != 1:
        raise Finding("one session", f"{len(sessions)} sessions")
