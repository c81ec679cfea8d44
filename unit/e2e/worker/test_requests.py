"""How the cases look at when POSTs leave; with a worker made up of a plan."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any, cast

import pytest
from multidict import CIMultiDict

from e2e.conformance.accounting import Event
from e2e.conformance.case import FindingError
from e2e.worker.driver.batch import Batch
from e2e.worker.driver.requests import (
    advance_within_post_limit,
    expect_none_beside,
    most_often,
    unsent,
    until_posted,
)
from e2e.worker.driver.system import Telemetry
from pytest_sharedworker.gateway.exchange import Exchange


class Planned:
    """Stands in for a system whose worker posts once every `pace` seconds, from `first` on."""

    interval = 30.0

    def __init__(self, *, first: float = 30.0, pace: float = 30.0) -> None:
        self.batches: list[Batch] = []
        self.events = [Event("tab-1/0", "tab-1", 0), Event("tab-1/1", "tab-1", 1)]
        self.workers = self
        self.passed = 0.0
        self.idled = 0
        self._next, self._pace = first, pace

    def advance(self, seconds: float) -> None:
        self.passed += seconds
        while self._next <= self.passed:
            self.post("tab-1/0")
            self._next += self._pace

    def settle(self) -> None:
        self.advance(0)

    def flush(self) -> None:
        self.advance(self.interval)

    def idle(self) -> None:
        self.idled += 1

    def post(self, *keys: str, ended: bool = True) -> None:
        number = len(self.batches) + 1
        records: list[dict[str, Any]] = [{"params": {"componentViewId": key}} for key in keys]
        now = datetime.now(timezone.utc)
        exchange = Exchange(number, "POST", "", "/", CIMultiDict(), b"", "worker", None, None, None, now, 0.0)
        self.batches.append(Batch(exchange, records, ended))


def system(planned: Planned) -> Telemetry:
    return cast(Telemetry, planned)


@pytest.mark.parametrize(("first", "passed"), [(0.0, 0.0), (30.0, 30.0), (60.0, 60.0)])
def test_time_passes_only_until_a_post_has_left(first: float, passed: float) -> None:
    planned = Planned(first=first)
    until_posted(system(planned))
    assert planned.passed == passed
    assert planned.batches


def test_what_no_post_has_carried_is_unsent() -> None:
    planned = Planned()
    assert [event.key for event in unsent(system(planned))] == ["tab-1/0", "tab-1/1"]
    planned.post("tab-1/1")
    assert [event.key for event in unsent(system(planned))] == ["tab-1/0"]


def test_a_storm_is_found_on_the_way() -> None:
    assert advance_within_post_limit(system(Planned()), 3600, most_often(system(Planned()), 3600)) == 120
    stormy = Planned(pace=0.1)
    with pytest.raises(FindingError, match="at most 120 POST in 3600 s"):
        advance_within_post_limit(system(stormy), 3600, 120)
    assert stormy.passed < 120


def test_a_post_beside_another_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("e2e.worker.driver.requests.NOTICE_SECONDS", 0.0)
    planned = Planned()
    planned.post("tab-1/0", ended=False)
    expect_none_beside(system(planned))
    planned.post("tab-1/1")
    with pytest.raises(FindingError, match="#2 while #1 is out"):
        expect_none_beside(system(planned))
