"""Durations, dates and the real clock, without a browser; e2e/plugin tests virtual time."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone

import pytest

from pytest_sharedworker.clock.base import Ticks, parse_ticks, parse_time
from pytest_sharedworker.clock.real import INTERRUPTION_MS, SETTLE_MS, RealClock
from pytest_sharedworker.errors import ClockError, UnsupportedError


@pytest.mark.parametrize(
    ("ticks", "milliseconds"),
    [
        (0, 0),
        (1, 1),
        (29_999.0, 29_999),
        ((0.1 + 0.2) * 1000, 300),
        (86_400_001, 86_400_001),
        ("08", 8_000),
        ("30", 30_000),
        ("01:00", 60_000),
        ("02:34:10", 9_250_000),
        (timedelta(minutes=1, milliseconds=5), 60_005),
    ],
)
def test_ticks_are_parsed_as_milliseconds(ticks: Ticks, milliseconds: int) -> None:
    assert parse_ticks(ticks) == milliseconds


@pytest.mark.parametrize(
    "ticks",
    [
        *(-1, 0.5, 1000.01, float("nan"), float("inf"), -float("inf")),
        *("", "1:2:3:4", "99:99", "soon", "-1"),
        *(timedelta(microseconds=1), timedelta(seconds=-1)),
        *(True, None, [1]),
    ],
)
def test_invalid_ticks_raise_clock_error(ticks: Ticks) -> None:
    with pytest.raises(ClockError, match="give whole milliseconds"):
        parse_ticks(ticks)


@pytest.mark.parametrize(
    "time",
    [
        946_684_800_000,
        946_684_800_000.0,
        "2000-01-01T00:00:00Z",
        "2000-01-01T01:00:00+01:00",
        datetime(2000, 1, 1, tzinfo=timezone.utc),
    ],
)
def test_dates_are_parsed_as_milliseconds_since_1970(time: float | str | datetime) -> None:
    assert parse_time(time) == 946_684_800_000


@pytest.mark.parametrize("time", ["tomorrow", "", float("nan"), True])
def test_invalid_dates_raise_clock_error(time: float | str) -> None:
    with pytest.raises(ClockError, match="is no date"):
        parse_time(time)


def test_real_time_counts_from_the_workers_start() -> None:
    assert RealClock(time.monotonic() - 60).now == pytest.approx(60_000, abs=5_000)


def test_real_clock_does_not_wait_for_time_that_has_passed() -> None:
    clock = RealClock(time.monotonic() - 5)
    started = time.monotonic()
    clock.run_for(3_000)
    clock.run_for(1_000)
    assert time.monotonic() - started < 4, "a wait takes four seconds"


def test_real_clock_starts_over_after_a_pause_in_a_debugger() -> None:
    clock = RealClock(time.monotonic() - INTERRUPTION_MS / 1000 - 50)
    started = clock.now
    clock.run_for(100)
    assert clock.now >= started + 100


def test_real_clock_adds_the_time_to_settle() -> None:
    clock = RealClock(time.monotonic())
    clock.run_for(100)
    assert clock.now >= 100 + SETTLE_MS


def test_real_clock_refuses_negative_time() -> None:
    with pytest.raises(ClockError, match="0 or more"):
        RealClock(time.monotonic()).run_for(-1_000)


def test_real_clock_names_the_methods_it_does_not_have() -> None:
    clock = RealClock(time.monotonic())
    with pytest.raises(UnsupportedError, match="use the virtual clock"):
        _ = clock.pending_timers
    for call in (clock.run_next, lambda: clock.fast_forward(1), lambda: clock.set_system_time(0)):
        with pytest.raises(UnsupportedError, match="use the virtual clock"):
            call()
