"""The clocks of a failed test in a few lines: whoever moved no time sees that none has passed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

MAX_LINES = 10
"""A test may start hundreds of workers; clock.json has all of them."""


def describe_clocks(states: Iterable[Mapping[str, Any]]) -> str:
    """Return a line for each worker that lives on virtual time, "" where there is none.

    A state is a worker's entry of clock.json.
    """
    lines = [_describe(state) for state in states if state.get("kind") == "virtual" and not state["closed"]]
    more = [f"{len(lines) - MAX_LINES} more in clock.json"] if len(lines) > MAX_LINES else []
    return "\n".join([*lines[:MAX_LINES], *more])


def _describe(state: Mapping[str, Any]) -> str:
    timers = state["timers"]
    if timers:
        due = min(timer["due"] for timer in timers)
        next_timer = f"the next timer is due at {_to_seconds(due)}"
    else:
        next_timer = "no timer is pending"
    return f"{state['worker']}: {_to_seconds(state['now'])} of virtual time have passed, {next_timer}"


def _to_seconds(milliseconds: float) -> str:
    return f"{milliseconds / 1000:.3f} s"
