"""The lines about clocks in the report of a failed test."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_sharedworker.reporting.clock_summary import MAX_LINES, describe_clocks


def make_state(**changes: Any) -> dict[str, Any]:
    state: dict[str, Any] = {"worker": "worker 'queue'", "closed": False, "kind": "virtual", "now": 0.0}
    return state | {"timers": [{"due": 30_000.0, "interval": 30_000.0}]} | changes


@pytest.mark.parametrize(
    ("state", "line"),
    [
        (make_state(), "0.000 s of virtual time have passed, the next timer is due at 30.000 s"),
        (make_state(now=30.0, timers=[]), "0.030 s of virtual time have passed, no timer is pending"),
        (
            make_state(now=1_500, timers=[{"due": 60_000}, {"due": 2_000}]),
            "1.500 s of virtual time have passed, the next timer is due at 2.000 s",
        ),
    ],
)
def test_worker_on_virtual_time_has_a_line(state: dict[str, Any], line: str) -> None:
    assert describe_clocks([state]) == f"worker 'queue': {line}"


@pytest.mark.parametrize(
    "state",
    [
        make_state(closed=True),
        {"worker": "worker 'queue'", "url": "http://127.0.0.1/w.js", "closed": True},
        {"worker": "worker 'queue'", "closed": False, "error": "is not responding"},
        {"worker": "worker 'queue'", "closed": False, "kind": "real", "now": 1.0},
        {"worker": "worker 'queue'", "closed": False, "kind": "devtools", "now": 1.0, "pending": []},
    ],
)
def test_other_workers_have_none(state: dict[str, Any]) -> None:
    assert describe_clocks([state]) == ""


def test_many_workers_are_counted() -> None:
    lines = describe_clocks([make_state()] * (MAX_LINES + 3)).splitlines()
    assert len(lines) == MAX_LINES + 1
    assert lines[-1] == "3 more in clock.json"
