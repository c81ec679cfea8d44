"""The table of durations."""

from __future__ import annotations

from dataclasses import replace

from e2e.conformance.report.durations import SLOWEST, format_durations
from unit.support.conformance_results import OK, collect


def test_durations_are_the_slowest_cases_and_family_totals() -> None:
    many = [replace(OK, id=f"flush/2/{number}", seconds=float(number)) for number in range(1, 14)]
    lines = list(format_durations(collect(*many, replace(OK, id="batch/1/1", seconds=100.0))))
    assert lines[0] == f"the slowest {SLOWEST} of 14 cases:"
    assert [line.split()[2] for line in lines[1:4]] == ["batch/1/1", "flush/2/13", "flush/2/12"]
    assert [line.split() for line in lines[SLOWEST + 2 :]] == [
        ["100.00", "s", "batch", "(1)"],
        ["91.00", "s", "flush", "(13)"],
        ["191.00", "s", "all", "(14)"],
    ]
