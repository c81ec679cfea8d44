"""Read the events of a test, all at once or while it runs.

Tabs, workers, gateway and clocks keep their own histories; a reader turns what is new in them into events. It
only reads: a test runs the same with a reader and without one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from urllib.parse import urldefrag

from pytest_sharedworker.gateway.events import TimelineEvent
from pytest_sharedworker.gateway.exchange import Exchange
from pytest_sharedworker.gateway.journal import Journal
from pytest_sharedworker.tabs.console import TabConsole
from pytest_sharedworker.timeline.exchanges import ExchangeEvents
from pytest_sharedworker.timeline.workers import TimelineWorker, WorkerEvents

TABS_LANE = "tabs"
"""The lane of requests whose tab is not known."""
TEST_LANE = "test"
"""The lane of what the test itself does, such as moving a clock."""


class TimelineReader:
    """Reads the events of one test, each once."""

    def __init__(
        self,
        journal: Journal,
        *,
        notes: Sequence[TimelineEvent],
        moves: Sequence[TimelineEvent],
        tab_console: TabConsole,
        workers: Callable[[], Iterable[TimelineWorker]],
    ) -> None:
        """Read from these histories; `notes` are the gateway's own events, `moves` those of clocks."""
        self._journal = journal
        self._notes = notes
        self._moves = moves
        self._tab_console = tab_console
        self._list_workers = workers
        self._note_count = 0
        self._move_count = 0
        self._exchange_count = 0
        self._tab_messages = 0
        self._workers: dict[str, WorkerEvents] = {}
        self._lanes: dict[str, str] = {}
        self._offsets: dict[str, float] = {}
        self._exchanges: list[ExchangeEvents] = []

    def read_new(self) -> list[TimelineEvent]:
        """Return what has happened since the last call, in chronological order."""
        events = [*self._notes[self._note_count :], *self._moves[self._move_count :]]
        self._note_count += len(self._notes[self._note_count :])
        self._move_count += len(self._moves[self._move_count :])
        events += self._read_tabs()
        for worker in self._list_workers():
            events += self._follow(worker).read_new()
        events += self._read_exchanges()
        return sorted(events, key=lambda event: event.at)

    def _read_tabs(self) -> list[TimelineEvent]:
        messages, self._tab_messages = self._tab_console.read_since(self._tab_messages)
        return [
            TimelineEvent(message.at, message.text, kind=message.kind, lane=message.tab)
            for message in messages
        ]

    def _follow(self, worker: TimelineWorker) -> WorkerEvents:
        if worker.id not in self._workers:
            same = sum(lane.startswith(worker.label) for lane in self._lanes.values())
            self._lanes[worker.id] = f"{worker.label} ({same + 1})" if same else worker.label
            self._offsets[worker.id] = worker._virtual_offset
            self._workers[worker.id] = WorkerEvents(worker, self._lanes[worker.id])
        return self._workers[worker.id]

    def _read_exchanges(self) -> list[TimelineEvent]:
        new = self._journal.exchanges[self._exchange_count :]
        self._exchange_count += len(new)
        self._exchanges += [
            ExchangeEvents(
                self._journal,
                exchange,
                sender_lane=self._find_lane(exchange),
                virtual_offset=lambda worker_id: self._offsets.get(worker_id, 0.0),
            )
            for exchange in new
        ]
        events = [event for exchange in self._exchanges for event in exchange.read_new()]
        self._exchanges = [exchange for exchange in self._exchanges if not exchange.is_complete]
        return events

    def _find_lane(self, exchange: Exchange) -> str:
        if exchange.worker_id is not None:
            return self._lanes.get(exchange.worker_id, self._journal.describe_worker(exchange.worker_id))
        referrer = exchange.request_headers.get("Referer", "")
        return self._tab_console.find_tab(urldefrag(referrer or exchange.url).url) or TABS_LANE
