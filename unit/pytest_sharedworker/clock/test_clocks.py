"""Clocks without a browser: how seconds become milliseconds, and real time. Virtual time: e2e/plugin."""

from __future__ import annotations

import time

import pytest

from pytest_sharedworker.clock.base import to_milliseconds
from pytest_sharedworker.clock.real import INTERRUPTION_SECONDS, SETTLE_SECONDS, RealClock
from pytest_sharedworker.errors import ClockError, UnsupportedError


@pytest.mark.parametrize(
    ("seconds", "milliseconds"),
    [(0, 0), (0.001, 1), (0.1 + 0.2, 300), (29.999, 29_999), (3_600, 3_600_000), (86_400.001, 86_400_001)],
)
def test_seconds_become_whole_milliseconds(seconds: float, milliseconds: int) -> None:
    assert to_milliseconds(seconds) == milliseconds


@pytest.mark.parametrize("seconds", [-0.001, 0.0005, 1.00001, float("nan"), float("inf"), -float("inf")])
def test_what_is_negative_too_fine_or_not_finite_is_refused(seconds: float) -> None:
    with pytest.raises(ClockError, match="give whole milliseconds, 0 or more"):
        to_milliseconds(seconds)


def test_real_time_counts_from_the_workers_start() -> None:
    assert RealClock(time.monotonic() - 60).now == pytest.approx(60, abs=5)


def test_real_time_that_has_passed_already_is_not_waited_for_again() -> None:
    clock = RealClock(time.monotonic() - 5)
    begun = time.monotonic()
    clock.advance(3)
    clock.advance(1)
    assert time.monotonic() - begun < 1


def test_real_time_that_a_person_took_in_between_is_not_taken_for_the_tests() -> None:
    clock = RealClock(time.monotonic() - INTERRUPTION_SECONDS - 50)
    begun = clock.now
    clock.advance(0.1)
    assert clock.now >= begun + 0.1


def test_real_time_is_waited_for_together_with_the_time_to_settle() -> None:
    clock = RealClock(time.monotonic())
    clock.advance(0.1)
    assert clock.now >= 0.1 + SETTLE_SECONDS


def test_real_time_does_not_run_backwards() -> None:
    with pytest.raises(ClockError, match="does not run backwards"):
        RealClock(time.monotonic()).advance(-1)


def test_real_timers_cannot_be_listed() -> None:
    with pytest.raises(UnsupportedError, match="use the virtual clock"):
        _ = RealClock(time.monotonic()).pending_timers
