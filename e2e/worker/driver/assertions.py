"""Which session an event was stored under: one a worker, shared by all its tabs."""

from __future__ import annotations

from e2e.conformance.case import FindingError
from e2e.worker.driver.system import Telemetry
from e2e.worker.driver.tab import Tab


def sessions_by_key(telemetry: Telemetry) -> dict[str, str]:
    """The session under which each event is stored."""
    return {record.key: record.session_id for record in telemetry.stored_records}


def expect_sessions_apart(telemetry: Telemetry, first: Tab, second: Tab) -> None:
    """The events of two tabs are stored in two sessions, one each. Raises FindingError."""
    by_key = sessions_by_key(telemetry)
    sessions = [{by_key[event.key] for event in tab.events if event.key in by_key} for tab in (first, second)]
    if sessions[0] & sessions[1] or any(len(each) > 1 for each in sessions):
        raise FindingError("a session for each of two workers", f"{[sorted(each) for each in sessions]}")


def expect_one_session(telemetry: Telemetry) -> None:
    """All events are stored in one session, which has a name. Raises FindingError."""
    sessions = set(sessions_by_key(telemetry).values())
    if len(sessions) != 1 or "" in sessions:
        raise FindingError("one session", f"{len(sessions)} sessions: {sorted(sessions)[:5]}")
