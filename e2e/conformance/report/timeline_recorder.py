"""Builds a timeline from the actions of tabs, the journal, the workers and the gateway's toxics.

On the virtual clock the axis is the sum of all advances of the case. A worker's virtual seconds count from
its start. A mark of which only the real time is known gets the axis's time at that real time.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from e2e.conformance.report.timeline import Kind, Mark, Timeline, build_timeline
from pytest_sharedworker.gateway.exchange import Exchange
from pytest_sharedworker.gateway.gateway import Gateway
from pytest_sharedworker.workers.shared_worker import SharedWorker
from pytest_sharedworker.workers.shared_workers import SharedWorkers

GATEWAY_LANE = "gateway"
SERVER_LANE = "server"
MAX_TAB_LANES = MAX_WORKER_LANES = 8
VIRTUAL_AXIS = "seconds of virtual time"
REAL_AXIS = "seconds of real time"
_SHOWN_RESPONSE_BYTES = 60


@dataclass(frozen=True)
class _TabAction:
    """An action of a tab. `real` counts seconds as the journal does."""

    real: float
    tab: str
    kind: Kind
    text: str


class TimelineRecorder:
    """Records what the journal does not contain, and builds the timeline of everything."""

    def __init__(self, gateway: Gateway, workers: SharedWorkers) -> None:
        self._gateway = gateway
        self._workers = workers
        self._is_virtual = workers.clock.kind == "virtual"
        self._tab_actions: list[_TabAction] = []
        self._advanced = 0.0
        self._anchors: list[tuple[float, float]] = []
        """Pairs of real time and axis, at the start and the end of every advance."""

    def record_tab(self, name: str, kind: Kind, text: str) -> None:
        """Record that a tab does something now."""
        self._tab_actions.append(_TabAction(self._gateway.journal.seconds(), name, kind, text))

    @contextmanager
    def record_advance(self, seconds: float) -> Iterator[None]:
        """Record that the block advances the time of all workers."""
        self._add_anchor()
        yield
        self._advanced += seconds
        self._add_anchor()

    def _add_anchor(self) -> None:
        self._anchors.append((self._gateway.journal.seconds(), self._advanced))

    def build_timeline(self) -> Timeline:
        """Return the timeline of everything that has happened until now."""
        workers = self._workers.history
        worker_lanes = _assign_lanes(
            [worker.id for worker in workers],
            ["worker"] if len(workers) == 1 else [f"worker {number + 1}" for number in range(len(workers))],
            MAX_WORKER_LANES,
            "other workers",
        )
        tabs = list(dict.fromkeys(action.tab for action in self._tab_actions))
        tab_lanes = _assign_lanes(tabs, tabs, MAX_TAB_LANES, "other tabs")
        starts = {worker.id: self._to_axis(self._to_real(worker.started_at)) for worker in workers}
        # Real time orders the marks that have the same time on the axis.
        marks = list(self._build_tab_marks(tab_lanes))
        for worker in workers:
            marks += self._build_worker_marks(worker, worker_lanes[worker.id], starts[worker.id])
        marks += self._build_toxic_marks()
        for exchange in self._gateway.journal.exchanges:
            if exchange.is_data:
                marks += self._build_exchange_marks(exchange, worker_lanes, starts)
        marks.sort(key=lambda pair: pair[0])
        lanes = dict.fromkeys([*tab_lanes.values(), *worker_lanes.values(), GATEWAY_LANE, SERVER_LANE])
        axis = VIRTUAL_AXIS if self._is_virtual else REAL_AXIS
        return build_timeline(axis, list(lanes), [mark for _, mark in marks])

    def _to_real(self, at: datetime) -> float:
        return (at - self._gateway.journal.started_at).total_seconds()

    def _to_axis(self, real: float) -> float:
        """Return the axis's time: constant between two advances, proportional to real time within one."""
        if not self._is_virtual:
            return real
        index = bisect_right(self._anchors, (real, float("inf")))
        if index == 0:
            return 0.0
        before, advanced = self._anchors[index - 1]
        if index == len(self._anchors):
            return advanced
        after, then = self._anchors[index]
        if after <= before:
            return advanced
        return advanced + (then - advanced) * (real - before) / (after - before)

    def _build_tab_marks(self, lanes: dict[str, str]) -> Iterator[tuple[float, Mark]]:
        for action in self._tab_actions:
            seconds = self._to_axis(action.real)
            yield action.real, Mark(seconds, lanes[action.tab], action.kind, action.text)

    def _build_toxic_marks(self) -> Iterator[tuple[float, Mark]]:
        for note in self._gateway._notes:
            real = self._to_real(note.at)
            text = note.text.removeprefix("gateway: ")
            yield real, Mark(self._to_axis(real), GATEWAY_LANE, Kind.TOXIC, text)

    def _build_worker_marks(
        self, worker: SharedWorker, lane: str, start: float
    ) -> Iterator[tuple[float, Mark]]:
        started = self._to_real(worker.started_at)
        yield started, Mark(start, lane, Kind.STARTED, "starts")
        for error in worker.errors():
            real = self._to_real(error.at) if error.at else started
            virtual = error.virtual_time
            seconds = self._to_axis(real) if virtual is None else start + virtual / 1000
            yield real, Mark(seconds, lane, Kind.ERROR, f"uncaught {error}")
        if worker.closed_at is not None:
            real = self._to_real(worker.closed_at)
            yield real, Mark(self._to_axis(real), lane, Kind.ENDED, "ends")

    def _build_exchange_marks(
        self, exchange: Exchange, lanes: dict[str, str], starts: dict[str, float]
    ) -> Iterator[tuple[float, Mark]]:
        number, real = exchange.number, exchange.started_seconds
        default_lane = _get_only_lane(lanes) if exchange.sender == "worker" else GATEWAY_LANE
        lane = lanes.get(exchange.worker_id or "", default_lane)
        requested = self._get_request_time(exchange, starts)
        kind = Kind.FLUSHED if exchange.method == "POST" else Kind.REQUESTED
        yield real, Mark(requested, lane, kind, _describe_request(exchange), number)
        causes = [*exchange.toxics, *([f"route: {exchange.route}"] if exchange.route else [])]
        if causes:
            yield real, Mark(requested, GATEWAY_LANE, Kind.TOXIC, f"#{number} {', '.join(causes)}", number)
        if exchange.upstream_status is not None:
            text = f"#{number} {exchange.upstream_status} {_decode(exchange.upstream_response_body)}"
            kind = Kind.RESPONDED if 200 <= exchange.upstream_status < 300 else Kind.REFUSED
            yield real, Mark(requested, SERVER_LANE, kind, text, number)
        if exchange.ended_seconds is None:
            return
        end = max(exchange.ended_seconds, real)
        has_virtual_time = exchange.virtual_time is not None
        ended = requested + exchange.paused_seconds if has_virtual_time else self._to_axis(end)
        if exchange.status is None:
            how = f" ({exchange.cut})" if exchange.cut else ""
            # An exchange without a cut was suspended until its worker ended: only the real time is known.
            seconds = max(ended, self._to_axis(end)) if exchange.cut is None else ended
            yield end, Mark(seconds, lane, Kind.ABORTED, f"#{number} no response{how}", number)
        elif causes or exchange.upstream_status != exchange.status:
            text = f"#{number} {exchange.status} {_decode(exchange.response_body)} arrives"
            yield end, Mark(ended, lane, Kind.RECEIVED, text, number)

    def _get_request_time(self, exchange: Exchange, starts: dict[str, float]) -> float:
        start = starts.get(exchange.worker_id or "")
        if self._is_virtual and start is not None and exchange.virtual_time is not None:
            return start + exchange.virtual_time / 1000
        return self._to_axis(exchange.started_seconds)


def _assign_lanes(keys: Sequence[str], names: Sequence[str], limit: int, shared: str) -> dict[str, str]:
    """Return the name of each key's lane; beyond the limit, the last keys share one lane."""
    separate = len(keys) if len(keys) <= limit else limit - 1
    return {
        key: name if number < separate else shared
        for number, (key, name) in enumerate(zip(keys, names, strict=True))
    }


def _get_only_lane(lanes: dict[str, str]) -> str:
    """Return the lane of the only worker; the gateway's where there are several."""
    names = set(lanes.values())
    return names.pop() if len(names) == 1 else GATEWAY_LANE


def _describe_request(exchange: Exchange) -> str:
    unfinished = "" if exchange.ended else ", unfinished at the end"
    what = f"#{exchange.number} {exchange.method} {exchange.path.rsplit('/', 1)[-1]}"
    if not exchange.request_body:
        return what + unfinished
    try:
        records = exchange.json()["records"]
    except (ValueError, KeyError, TypeError):
        return f"{what}, {len(exchange.request_body)} bytes{unfinished}"
    count = len(records) if isinstance(records, list) else 0
    return f"{what}, {count} record{'' if count == 1 else 's'}{unfinished}"


def _decode(body: bytes) -> str:
    return body[:_SHOWN_RESPONSE_BYTES].decode("utf-8", "backslashreplace")
