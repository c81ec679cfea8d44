"""Where the marks of a timeline stand, and on whose lane; with exchanges and workers made up for it.

That a real case has a timeline is tried in test_verdicts.py and by every run of the suite.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest
from multidict import CIMultiDict

from e2e.conformance.report.timeline import Kind, Mark
from e2e.conformance.report.timeline_recorder import MOST_LANES_OF_A_SORT, Recorder
from pytest_sharedworker.gateway.events import TimelineEvent
from pytest_sharedworker.gateway.exchange import Exchange

START = datetime(2026, 1, 2, tzinfo=timezone.utc)
BATCH = b'{"records": [{}, {}]}'


@dataclass
class Stage:
    """The parts of a gateway and of its workers that a recorder looks at; real time is set by hand."""

    clock_kind: str = "virtual"
    real: float = 0.0
    exchanges: list[Exchange] = field(default_factory=list)
    starts: list[Any] = field(default_factory=list)
    notes: list[TimelineEvent] = field(default_factory=list)

    def recorder(self) -> Recorder:
        journal = SimpleNamespace(seconds=lambda: self.real, started_at=START, exchanges=self.exchanges)
        gateway: Any = SimpleNamespace(journal=journal, notes=self.notes)
        workers: Any = self
        return Recorder(gateway, workers)

    def worker(self, worker_id: str, real: float, **values: Any) -> None:
        known = {"id": worker_id, "started_at": at(real), "ended_at": None, "errors": []}
        self.starts.append(SimpleNamespace(**{**known, **values}))


def at(real: float) -> datetime:
    return START + timedelta(seconds=real)


def exchange(**values: Any) -> Exchange:
    """A batch of a worker that was stored."""
    usual = Exchange(
        number=1, method="POST", url="http://127.0.0.1/api/batch", path="/api/batch",
        request_headers=CIMultiDict(), request_body=BATCH, sender="worker", worker_id="w", request_number=1,
        virtual_seconds=30.0, started_at=START, started_seconds=2.0, ended_seconds=2.5, status=200,
        response_body=b"fine", upstream_status=200, upstream_response_body=b"fine",
    )  # fmt: skip
    return replace(usual, **values)


def marks_of(stage: Stage) -> list[Mark]:
    return list(stage.recorder().timeline().marks)


def only(marks: list[Mark], *kinds: Kind) -> list[Mark]:
    return [mark for mark in marks if mark.kind in kinds]


def test_time_stands_between_two_passings_and_runs_evenly_within_one() -> None:
    stage = Stage()
    recorder = stage.recorder()
    for moment in (1.0, 3.0, 6.0):
        stage.real = moment
        if moment == 3.0:
            with recorder.passing(30):
                stage.real = 4.0
                recorder.tab("tab-1", Kind.EVENTS, "within")
                stage.real = 5.0
        else:
            recorder.tab("tab-1", Kind.EVENTS, "outside")
    assert [mark.seconds for mark in recorder.timeline().marks] == [0.0, 15.0, 30.0]


def test_on_the_real_clock_seconds_are_real() -> None:
    stage = Stage(clock_kind="real", real=7.25)
    recorder = stage.recorder()
    recorder.tab("tab-1", Kind.EVENTS, "logs")
    made = recorder.timeline()
    assert (made.axis, made.marks[0].seconds) == ("seconds of real time", 7.25)


def test_a_workers_own_seconds_count_from_its_start() -> None:
    stage = Stage()
    recorder = stage.recorder()
    with recorder.passing(100):
        stage.real = 1.0
    stage.worker("w", 1.5)
    stage.exchanges.append(exchange())
    flushed = only(list(recorder.timeline().marks), Kind.FLUSHED, Kind.STARTED)
    assert [(mark.kind, mark.seconds) for mark in flushed] == [(Kind.STARTED, 100.0), (Kind.FLUSHED, 130.0)]


def test_a_batch_that_is_stored_is_two_marks_of_one_exchange() -> None:
    stage = Stage(exchanges=[exchange()])
    stage.worker("w", 0.0)
    _, flushed, answered = marks_of(stage)
    assert (flushed.lane, flushed.kind, flushed.text) == ("worker", Kind.FLUSHED, "#1 POST batch, 2 records")
    assert (answered.lane, answered.kind, answered.text) == ("server", Kind.ANSWERED, "#1 200 fine")
    assert flushed.exchange == answered.exchange == 1


def test_an_answer_that_a_toxic_keeps_arrives_later() -> None:
    stage = Stage(exchanges=[exchange(toxics=["latency latency_ms=5000"], paused_seconds=5.0)])
    stage.worker("w", 0.0)
    marks = marks_of(stage)
    assert [(mark.seconds, mark.lane) for mark in only(marks, Kind.TOXIC)] == [(30.0, "gateway")]
    assert [(mark.seconds, mark.lane) for mark in only(marks, Kind.ARRIVED)] == [(35.0, "worker")]


def test_an_answer_that_is_lost_was_given_all_the_same() -> None:
    stage = Stage(exchanges=[exchange(toxics=["drop_response"], status=None, cut="reset")])
    stage.worker("w", 0.0)
    marks = marks_of(stage)
    assert [mark.lane for mark in only(marks, Kind.ANSWERED)] == ["server"]
    assert [mark.text for mark in only(marks, Kind.CUT)] == ["#1 no answer (reset)"]


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"ended_seconds": None, "status": None}, "#1 POST batch, 2 records, under way at the end"),
        ({"request_body": b"\xff"}, "#1 POST batch, 1 bytes"),
        ({"request_body": b"[]"}, "#1 POST batch, 2 bytes"),
        ({"request_body": b'{"records": [7]}'}, "#1 POST batch, 1 record"),
    ],
)
def test_a_request_says_what_it_carries(values: dict[str, Any], text: str) -> None:
    stage = Stage(exchanges=[exchange(**values)])
    stage.worker("w", 0.0)
    assert [mark.text for mark in only(marks_of(stage), Kind.FLUSHED)] == [text]


def test_pages_and_scripts_are_not_shown() -> None:
    page = exchange(method="GET", response_headers=CIMultiDict({"Content-Type": "text/html"}))
    assert marks_of(Stage(exchanges=[page])) == []


def test_toxics_and_uncaught_errors_are_marks() -> None:
    stage = Stage(notes=[TimelineEvent(at(0.5), "gateway: toxic down added")])
    stage.worker("w", 0.0, errors=[SimpleNamespace(at=at(1), virtual_seconds=3.0)], ended_at=at(2))
    found = [(mark.lane, mark.kind) for mark in marks_of(stage)]
    assert ("gateway", Kind.TOXIC) in found
    assert ("worker", Kind.ERROR) in found
    assert ("worker", Kind.ENDED) in found


def test_many_workers_share_a_lane() -> None:
    stage = Stage()
    for number in range(50):
        stage.worker(str(number), 0.0)
    lanes = stage.recorder().timeline().lanes
    assert len(lanes) == MOST_LANES_OF_A_SORT
    assert lanes[-1] == "other workers"
