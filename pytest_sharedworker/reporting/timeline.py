"""One text timeline of a test: workers and tabs, their console, exchanges and messages, toxics, clocks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from pytest_sharedworker.control.messages import ConsoleMessage, WorkerError
from pytest_sharedworker.gateway.events import TimelineEvent
from pytest_sharedworker.gateway.exchange import Exchange
from pytest_sharedworker.gateway.journal import Journal

_HEADER = f"{'real s':>9} {'virtual s':>11}  what"
_INDENT = " " * (9 + 1 + 11 + 2)


class TimelineWorker(Protocol):
    """What a timeline needs of a worker; `SharedWorker` has it."""

    @property
    def label(self) -> str:
        """The worker's title for people."""

    @property
    def url(self) -> str:
        """The URL of its script."""

    @property
    def started_at(self) -> datetime:
        """When it started, or when the plugin first saw it."""

    @property
    def closed_at(self) -> datetime | None:
        """When it closed; None if it is alive or the time is unknown."""

    def console_messages(self) -> Sequence[ConsoleMessage]:
        """Return what it wrote to the console."""

    def errors(self) -> Sequence[WorkerError]:
        """Return its uncaught errors."""


def timeline(journal: Journal, notes: Iterable[TimelineEvent], workers: Iterable[TimelineWorker]) -> str:
    """Return all events as one text, one line each; stacks continue on indented lines."""
    events = [*notes]
    for exchange in journal.exchanges:
        events += _list_exchange_events(journal, exchange)
    for worker in workers:
        events += _list_start_and_close(worker)
    events.sort(key=lambda event: event.at)
    return "\n".join([_HEADER, *(line(event, journal.started_at) for event in events)]) + "\n"


def line(event: TimelineEvent, origin: datetime) -> str:
    """Return an event as text, with real seconds since `origin`."""
    virtual = "" if event.virtual_time is None else f"{event.virtual_time / 1000:.3f}"
    text = event.text.rstrip().replace("\n", "\n" + _INDENT)
    return f"{(event.at - origin).total_seconds():9.3f} {virtual:>11}  {text}"


def list_worker_events(worker: TimelineWorker) -> list[TimelineEvent]:
    """Return a worker's console messages and uncaught errors in chronological order."""
    written = [
        TimelineEvent(message.at or worker.started_at, f"console {message}", message.virtual_time)
        for message in worker.console_messages()
    ]
    thrown = [
        TimelineEvent(error.at or worker.started_at, f"uncaught {error}", error.virtual_time)
        for error in worker.errors()
    ]
    return sorted([*written, *thrown], key=lambda event: event.at)


def _list_start_and_close(worker: TimelineWorker) -> Iterator[TimelineEvent]:
    yield TimelineEvent(worker.started_at, f"{worker.label} starts: {worker.url}", 0.0)
    for event in list_worker_events(worker):
        yield TimelineEvent(event.at, f"{worker.label} {event.text}", event.virtual_time)
    if worker.closed_at is not None:
        yield TimelineEvent(worker.closed_at, f"{worker.label} closes")


def _list_exchange_events(journal: Journal, exchange: Exchange) -> Iterator[TimelineEvent]:
    sender = journal.describe_worker(exchange.worker_id) if exchange.worker_id else exchange.sender
    started = journal.started_at + timedelta(seconds=exchange.started_seconds)
    yield TimelineEvent(
        started, f"#{exchange.number} {sender} {exchange.request_text}", exchange.virtual_time
    )
    for message in exchange.messages:
        at = journal.started_at + timedelta(seconds=message.seconds)
        receiver = sender if message.sender == "server" else "server"
        source = "server" if message.sender == "server" else sender
        lost = " (dropped)" if message.is_dropped else ""
        yield TimelineEvent(at, f"#{exchange.number} {source} → {receiver}{lost}: {message.text}")
    if exchange.ended_seconds is not None:
        ended = journal.started_at + timedelta(seconds=exchange.ended_seconds)
        yield TimelineEvent(ended, f"#{exchange.number} → {exchange.outcome_text}")
