"""The time and the lane of each mark, for fake exchanges and workers.

test_cli.py and every run of the suite cover the timeline of a real case.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest
from multidict import CIMultiDict

from e2e.conformance.report.timeline import Kind, Mark
from e2e.conformance.report.timeline_recorder import MAX_WORKER_LANES, TimelineRecorder
from pytest_sharedworker.gateway.events import TimelineEvent
from pytest_sharedworker.gateway.exchange import Exchange

START = datetime(2026, 1, 2, tzinfo=timezone.utc)
BATCH = b'{"records": [{}, {}]}'


@dataclass
class FakeSystem:
    """The parts of a gateway and of its workers that a recorder reads; the test sets real time."""

    clock_kind: str = "virtual"
    real: float = 0.0
    exchanges: list[Exchange] = field(default_factory=list)
    history: list[Any] = field(default_factory=list)
    notes: list[TimelineEvent] = field(default_factory=list)

    @property
    def clock(self) -> Any:
        return SimpleNamespace(kind=self.clock_kind)

    def make_recorder(self) -> TimelineRecorder:
        journal = SimpleNamespace(seconds=lambda: self.real, started_at=START, exchanges=self.exchanges)
        gateway: Any = SimpleNamespace(journal=journal, _notes=self.notes)
        workers: Any = self
        return TimelineRecorder(gateway, workers)

    def add_worker(self, worker_id: str, real: float, **values: Any) -> None:
        known = {"id": worker_id, "started_at": to_datetime(real), "closed_at": None, "errors": list}
        self.history.append(SimpleNamespace(**{**known, **values}))


def to_datetime(real: float) -> datetime:
    return START + timedelta(seconds=real)


def make_exchange(**values: Any) -> Exchange:
    """Return the exchange of a batch that was stored."""
    usual = Exchange(
        number=1, method="POST", url="http://127.0.0.1/api/batch", path="/api/batch",
        request_headers=CIMultiDict(), request_body=BATCH, sender="worker", worker_id="w", request_number=1,
        virtual_time=30_000, started_at=START, started_seconds=2.0, ended_seconds=2.5, status=200,
        response_body=b"fine", upstream_status=200, upstream_response_body=b"fine",
    )  # fmt: skip
    return replace(usual, **values)


def get_marks(system: FakeSystem) -> list[Mark]:
    return list(system.make_recorder().build_timeline().marks)


def select(marks: list[Mark], *kinds: Kind) -> list[Mark]:
    return [mark for mark in marks if mark.kind in kinds]


def test_axis_advances_only_within_an_advance() -> None:
    system = FakeSystem()
    recorder = system.make_recorder()
    for moment in (1.0, 3.0, 6.0):
        system.real = moment
        if moment == 3.0:
            with recorder.record_advance(30):
                system.real = 4.0
                recorder.record_tab("tab-1", Kind.EVENTS, "within")
                system.real = 5.0
        else:
            recorder.record_tab("tab-1", Kind.EVENTS, "outside")
    assert [mark.seconds for mark in recorder.build_timeline().marks] == [0.0, 15.0, 30.0]


def test_axis_of_a_real_clock_is_real_time() -> None:
    system = FakeSystem(clock_kind="real", real=7.25)
    recorder = system.make_recorder()
    recorder.record_tab("tab-1", Kind.EVENTS, "logs")
    made = recorder.build_timeline()
    assert (made.axis, made.marks[0].seconds) == ("seconds of real time", 7.25)


def test_virtual_time_of_a_worker_count_from_its_start() -> None:
    system = FakeSystem()
    recorder = system.make_recorder()
    with recorder.record_advance(100):
        system.real = 1.0
    system.add_worker("w", 1.5)
    system.exchanges.append(make_exchange())
    flushed = select(list(recorder.build_timeline().marks), Kind.FLUSHED, Kind.STARTED)
    assert [(mark.kind, mark.seconds) for mark in flushed] == [(Kind.STARTED, 100.0), (Kind.FLUSHED, 130.0)]


def test_stored_batch_has_two_marks() -> None:
    system = FakeSystem(exchanges=[make_exchange()])
    system.add_worker("w", 0.0)
    _, flushed, responded = get_marks(system)
    assert (flushed.lane, flushed.kind, flushed.text) == ("worker", Kind.FLUSHED, "#1 POST batch, 2 records")
    assert (responded.lane, responded.kind, responded.text) == ("server", Kind.RESPONDED, "#1 200 fine")
    assert flushed.exchange == responded.exchange == 1


def test_delayed_response_is_received_later() -> None:
    system = FakeSystem(exchanges=[make_exchange(toxics=["latency latency_ms=5000"], paused_seconds=5.0)])
    system.add_worker("w", 0.0)
    marks = get_marks(system)
    assert [(mark.seconds, mark.lane) for mark in select(marks, Kind.TOXIC)] == [(30.0, "gateway")]
    assert [(mark.seconds, mark.lane) for mark in select(marks, Kind.RECEIVED)] == [(35.0, "worker")]


def test_lost_response_has_a_mark_of_the_server() -> None:
    system = FakeSystem(exchanges=[make_exchange(toxics=["drop_response"], status=None, cut="reset")])
    system.add_worker("w", 0.0)
    marks = get_marks(system)
    assert [mark.lane for mark in select(marks, Kind.RESPONDED)] == ["server"]
    assert [mark.text for mark in select(marks, Kind.ABORTED)] == ["#1 no response (reset)"]


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"ended_seconds": None, "status": None}, "#1 POST batch, 2 records, unfinished at the end"),
        ({"request_body": b"\xff"}, "#1 POST batch, 1 bytes"),
        ({"request_body": b"[]"}, "#1 POST batch, 2 bytes"),
        ({"request_body": b'{"records": [7]}'}, "#1 POST batch, 1 record"),
    ],
)
def test_request_mark_says_what_it_contains(values: dict[str, Any], text: str) -> None:
    system = FakeSystem(exchanges=[make_exchange(**values)])
    system.add_worker("w", 0.0)
    assert [mark.text for mark in select(get_marks(system), Kind.FLUSHED)] == [text]


def test_pages_and_scripts_have_no_mark() -> None:
    page = make_exchange(method="GET", response_headers=CIMultiDict({"Content-Type": "text/html"}))
    assert get_marks(FakeSystem(exchanges=[page])) == []


def test_toxics_and_uncaught_errors_have_marks() -> None:
    system = FakeSystem(notes=[TimelineEvent(to_datetime(0.5), "gateway: toxic down added")])
    system.add_worker(
        "w",
        0.0,
        errors=lambda: [SimpleNamespace(at=to_datetime(1), virtual_time=3_000)],
        closed_at=to_datetime(2),
    )
    found = [(mark.lane, mark.kind) for mark in get_marks(system)]
    assert ("gateway", Kind.TOXIC) in found
    assert ("worker", Kind.ERROR) in found
    assert ("worker", Kind.ENDED) in found


def test_workers_beyond_the_limit_share_a_lane() -> None:
    system = FakeSystem()
    for number in range(50):
        system.add_worker(str(number), 0.0)
    lanes = system.make_recorder().build_timeline().lanes
    assert len(lanes) == MAX_WORKER_LANES
    assert lanes[-1] == "other workers"
