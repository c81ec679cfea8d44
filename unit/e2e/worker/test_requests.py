"""Check how the driver counts POSTs, with a simulated worker that posts on a schedule."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any, cast

import pytest
from multidict import CIMultiDict

from e2e.conformance.accounting import Event
from e2e.conformance.case import FindingError
from e2e.worker.driver.batch import Batch
from e2e.worker.driver.requests import (
    advance_until_posted,
    advance_within_post_limit,
    count_flush_intervals,
    expect_no_concurrent_posts,
    get_unsent_events,
)
from e2e.worker.driver.system import Telemetry
from e2e.worker.driver.waiting import HOUR_MS
from pytest_sharedworker import Exchange


class Scheduled:
    """A stand-in for `Telemetry` whose worker posts every `pace` milliseconds, starting at `first`."""

    flush_interval = 30_000

    def __init__(self, *, first: float = 30_000, pace: float = 30_000) -> None:
        self.batches: list[Batch] = []
        self.events = [Event("tab-1/0", "tab-1", 0), Event("tab-1/1", "tab-1", 1)]
        self.workers = self
        self.passed = 0.0
        self.idled = 0
        self._next, self._pace = first, pace

    def run_for(self, ms: float) -> None:
        self.passed += ms
        while self._next <= self.passed:
            self.post("tab-1/0")
            self._next += self._pace

    def settle(self) -> None:
        self.run_for(0)

    def flush(self) -> None:
        self.run_for(self.flush_interval)

    def idle(self) -> None:
        self.idled += 1

    def post(self, *keys: str, ended: bool = True) -> None:
        number = len(self.batches) + 1
        records: list[dict[str, Any]] = [{"params": {"componentViewId": key}} for key in keys]
        now = datetime.now(timezone.utc)
        exchange = Exchange(number, "POST", "", "/", CIMultiDict(), b"", "worker", None, None, None, now, 0.0)
        self.batches.append(Batch(exchange, records, ended))


def system(scheduled: Scheduled) -> Telemetry:
    return cast(Telemetry, scheduled)


@pytest.mark.parametrize(("first", "passed"), [(0, 0), (30_000, 30_000), (60_000, 60_000)])
def test_advance_until_posted_stops_at_the_first_post(first: float, passed: float) -> None:
    scheduled = Scheduled(first=first)
    advance_until_posted(system(scheduled))
    assert scheduled.passed == passed
    assert scheduled.batches


def test_unsent_events_are_those_in_no_post() -> None:
    scheduled = Scheduled()
    assert [event.key for event in get_unsent_events(system(scheduled))] == ["tab-1/0", "tab-1/1"]
    scheduled.post("tab-1/1")
    assert [event.key for event in get_unsent_events(system(scheduled))] == ["tab-1/0"]


def test_request_storm_raises_before_the_time_is_over() -> None:
    steady = system(Scheduled())
    assert advance_within_post_limit(steady, HOUR_MS, count_flush_intervals(steady, HOUR_MS)) == 120
    stormy = Scheduled(pace=100)
    with pytest.raises(FindingError, match="at most 120 POST in 3600 s"):
        advance_within_post_limit(system(stormy), HOUR_MS, 120)
    assert stormy.passed < 120_000


def test_concurrent_posts_are_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("e2e.worker.driver.requests.ABORT_NOTICE_SECONDS", 0.0)
    scheduled = Scheduled()
    scheduled.post("tab-1/0", ended=False)
    expect_no_concurrent_posts(system(scheduled))
    scheduled.post("tab-1/1")
    with pytest.raises(FindingError, match="#2 while #1 is in flight"):
        expect_no_concurrent_posts(system(scheduled))
