"""Where a timeline's marks come from: what tabs do, the journal, the workers and the gateway's toxics.

On the virtual clock the axis is the sum of all time that the case let pass. A worker's own seconds count
from its start; a mark of which only the real moment is known stands where time stood at that moment.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from e2e.conformance.report.timeline import Kind, Mark, Timeline, timeline
from pytest_sharedworker.gateway.exchange import Exchange
from pytest_sharedworker.gateway.gateway import Gateway
from pytest_sharedworker.workers.shared_worker import SharedWorker
from pytest_sharedworker.workers.shared_workers import SharedWorkers

GATEWAY_LANE = "gateway"
SERVER_LANE = "server"
MOST_LANES_OF_A_SORT = 8
VIRTUAL_AXIS = "seconds of virtual time"
REAL_AXIS = "seconds of real time"
_SHOWN_ANSWER_CHARACTERS = 60


@dataclass(frozen=True)
class _Act:
    """Something that a tab did. `real` counts like the journal."""

    real: float
    tab: str
    kind: Kind
    text: str


class Recorder:
    """Notes what the journal cannot know, and makes the timeline of it all."""

    def __init__(self, gateway: Gateway, workers: SharedWorkers) -> None:
        self._gateway = gateway
        self._workers = workers
        self._virtual = workers.clock_kind == "virtual"
        self._acts: list[_Act] = []
        self._passed = 0.0
        self._anchors: list[tuple[float, float]] = []

    def tab(self, name: str, kind: Kind, text: str) -> None:
        """A tab does something now."""
        self._acts.append(_Act(self._gateway.journal.seconds(), name, kind, text))

    @contextmanager
    def passing(self, seconds: float) -> Iterator[None]:
        """Around letting this much time pass in all workers."""
        self._anchor()
        yield
        self._passed += seconds
        self._anchor()

    def _anchor(self) -> None:
        self._anchors.append((self._gateway.journal.seconds(), self._passed))

    def timeline(self) -> Timeline:
        """All that has happened until now."""
        workers = self._workers.starts
        worker_lanes = _lanes(
            [worker.id for worker in workers],
            ["worker"] if len(workers) == 1 else [f"worker {number + 1}" for number in range(len(workers))],
            "other workers",
        )
        tabs = list(dict.fromkeys(act.tab for act in self._acts))
        tab_lanes = _lanes(tabs, tabs, "other tabs")
        marks: list[tuple[float, Mark]] = [
            (act.real, Mark(self._at(act.real), tab_lanes[act.tab], act.kind, act.text)) for act in self._acts
        ]
        starts = {worker.id: self._at(self._real(worker.started_at)) for worker in workers}
        for worker in workers:
            marks += self._of_worker(worker, worker_lanes[worker.id], starts[worker.id])
        for note in self._gateway.notes:
            real = self._real(note.at)
            marks.append(
                (real, Mark(self._at(real), GATEWAY_LANE, Kind.TOXIC, note.text.removeprefix("gateway: ")))
            )
        for exchange in self._gateway.journal.exchanges:
            if exchange.path_is_data:
                marks += self._of_exchange(exchange, worker_lanes, starts)
        marks.sort(key=lambda pair: pair[0])
        lanes = dict.fromkeys([*tab_lanes.values(), *worker_lanes.values(), GATEWAY_LANE, SERVER_LANE])
        axis = VIRTUAL_AXIS if self._virtual else REAL_AXIS
        return timeline(axis, list(lanes), [mark for _, mark in marks])

    def _real(self, at: datetime) -> float:
        return (at - self._gateway.journal.started_at).total_seconds()

    def _at(self, real: float) -> float:
        """The axis at a real moment: time stands between two passings, and runs evenly within one."""
        if not self._virtual:
            return real
        index = bisect_right(self._anchors, (real, float("inf")))
        if index == 0:
            return 0.0
        before, passed = self._anchors[index - 1]
        if index == len(self._anchors):
            return passed
        after, then = self._anchors[index]
        return passed + (then - passed) * (real - before) / (after - before) if after > before else passed

    def _of_worker(self, worker: SharedWorker, lane: str, start: float) -> Iterator[tuple[float, Mark]]:
        began = self._real(worker.started_at)
        yield began, Mark(start, lane, Kind.STARTED, "starts")
        for error in worker.errors:
            real = self._real(error.at) if error.at else began
            seconds = start + error.virtual_seconds if error.virtual_seconds is not None else self._at(real)
            yield real, Mark(seconds, lane, Kind.ERROR, f"uncaught {error}")
        if worker.ended_at is not None:
            real = self._real(worker.ended_at)
            yield real, Mark(self._at(real), lane, Kind.ENDED, "ends")

    def _of_exchange(
        self, exchange: Exchange, lanes: dict[str, str], starts: dict[str, float]
    ) -> Iterator[tuple[float, Mark]]:
        number, real = exchange.number, exchange.started_seconds
        lane = lanes.get(
            exchange.worker_id or "", _only(lanes) if exchange.sender == "worker" else GATEWAY_LANE
        )
        asked = self._asked_at(exchange, starts)
        kind = Kind.FLUSHED if exchange.method == "POST" else Kind.ASKED
        yield real, Mark(asked, lane, kind, _request_text(exchange), number)
        causes = [*exchange.toxics, *([f"route: {exchange.route}"] if exchange.route else [])]
        if causes:
            yield real, Mark(asked, GATEWAY_LANE, Kind.TOXIC, f"#{number} {', '.join(causes)}", number)
        if exchange.upstream_status is not None:
            text = f"#{number} {exchange.upstream_status} {_text(exchange.upstream_response_body)}"
            yield real, Mark(asked, SERVER_LANE, _answer_kind(exchange.upstream_status), text, number)
        if exchange.ended_seconds is None:
            return
        end = max(exchange.ended_seconds, real)
        ended = asked + exchange.paused_seconds if exchange.virtual_seconds is not None else self._at(end)
        if exchange.status is None:
            how = f" ({exchange.cut})" if exchange.cut else ""
            # One that was held for ever ended with its worker: nobody but real time knows when.
            moment = max(ended, self._at(end)) if exchange.cut is None else ended
            yield end, Mark(moment, lane, Kind.CUT, f"#{number} no answer{how}", number)
        elif causes or exchange.upstream_status != exchange.status:
            text = f"#{number} {exchange.status} {_text(exchange.response_body)} arrives"
            yield end, Mark(ended, lane, Kind.ARRIVED, text, number)

    def _asked_at(self, exchange: Exchange, starts: dict[str, float]) -> float:
        start = starts.get(exchange.worker_id or "")
        if self._virtual and start is not None and exchange.virtual_seconds is not None:
            return start + exchange.virtual_seconds
        return self._at(exchange.started_seconds)


def _lanes(keys: Sequence[str], names: Sequence[str], rest: str) -> dict[str, str]:
    """A lane a key; where there are too many, the last ones share one."""
    if len(keys) <= MOST_LANES_OF_A_SORT:
        return dict(zip(keys, names, strict=True))
    own = MOST_LANES_OF_A_SORT - 1
    return {
        key: name if number < own else rest
        for number, (key, name) in enumerate(zip(keys, names, strict=True))
    }


def _only(lanes: dict[str, str]) -> str:
    names = set(lanes.values())
    return names.pop() if len(names) == 1 else GATEWAY_LANE


def _request_text(exchange: Exchange) -> str:
    under_way = "" if exchange.ended else ", under way at the end"
    what = f"#{exchange.number} {exchange.method} {exchange.path.rsplit('/', 1)[-1]}"
    if not exchange.request_body:
        return what + under_way
    try:
        records = exchange.json()["records"]
    except (ValueError, KeyError, TypeError):
        return f"{what}, {len(exchange.request_body)} bytes{under_way}"
    count = len(records) if isinstance(records, list) else 0
    return f"{what}, {count} record{'' if count == 1 else 's'}{under_way}"


def _answer_kind(status: int) -> Kind:
    return Kind.ANSWERED if 200 <= status < 300 else Kind.REFUSED


def _text(body: bytes) -> str:
    return body[:_SHOWN_ANSWER_CHARACTERS].decode("utf-8", "backslashreplace")
