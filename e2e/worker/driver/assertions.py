"""Check the stored and the sent events: their sessions, and the order of each tab's events."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from e2e.conformance.case import FindingError
from e2e.worker.driver.system import Telemetry
from e2e.worker.driver.tab import Tab


def get_sessions_by_key(telemetry: Telemetry) -> dict[str, str]:
    """Return the session under which each event is stored."""
    return {record.key: record.session_id for record in telemetry.stored_records}


def expect_one_session(telemetry: Telemetry) -> None:
    """Require that all events are stored in one session whose id is not empty. Raise FindingError."""
    sessions = set(get_sessions_by_key(telemetry).values())
    if len(sessions) != 1 or "" in sessions:
        raise FindingError("one session", f"{len(sessions)} sessions: {sorted(sessions)[:5]}")


def expect_separate_sessions(telemetry: Telemetry, first: Tab, second: Tab) -> None:
    """Require that the events of two tabs are stored in one session per tab. Raise FindingError."""
    by_key = get_sessions_by_key(telemetry)
    sessions = [{by_key[event.key] for event in tab.events if event.key in by_key} for tab in (first, second)]
    if sessions[0] & sessions[1] or any(len(each) > 1 for each in sessions):
        raise FindingError(
            "a separate session for each of two workers", f"{[sorted(each) for each in sessions]}"
        )


def expect_stored_order(telemetry: Telemetry) -> None:
    """Require that each tab's events are stored in the order in which it logged them. Raise FindingError."""
    _expect_order(telemetry.stored)


def expect_sent_order(telemetry: Telemetry) -> None:
    """Require that each tab's events are sent in the order in which it logged them. Raise FindingError.

    A worker may have several POSTs in flight; the server may then store a later POST first.
    """
    _expect_order(key for batch in telemetry.batches for key in batch.keys)


def group_by_tab(keys: Iterable[str]) -> dict[str, list[int]]:
    """Return the sequence numbers of each tab's events, in the order of the keys."""
    order: dict[str, list[int]] = {}
    for key in keys:
        tab, _, sequence = key.partition("/")
        if sequence.isdecimal():  # The accounting reports keys that belong to no tab.
            order.setdefault(tab, []).append(int(sequence))
    return order


def _expect_order(keys: Iterable[str]) -> None:
    for name, order in group_by_tab(keys).items():
        for earlier, later in pairwise(order):
            if later < earlier:
                raise FindingError(
                    f"{name}'s events in the order in which it logged them",
                    f"{name}/{later} after {name}/{earlier}",
                )
