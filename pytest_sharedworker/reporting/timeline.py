"""One text timeline of a test: workers, their console, exchanges, toxics and routes, in the order of time."""

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
    """What a timeline has to know of a worker; `SharedWorker` has it."""

    @property
    def label(self) -> str:
        """The worker's name for people."""

    @property
    def url(self) -> str:
        """Its script."""

    @property
    def started_at(self) -> datetime:
        """When it started, or was first seen."""

    @property
    def ended_at(self) -> datetime | None:
        """When it ended, None where it lives or nobody knows."""

    @property
    def console(self) -> Sequence[ConsoleMessage]:
        """What it wrote."""

    @property
    def errors(self) -> Sequence[WorkerError]:
        """What it threw and nobody caught."""


def timeline(journal: Journal, notes: Iterable[TimelineEvent], workers: Iterable[TimelineWorker]) -> str:
    """Merge all into one text, a line a moment; stacks continue on indented lines."""
    moments = [*notes]
    for exchange in journal.exchanges:
        moments += _of_exchange(journal, exchange)
    for worker in workers:
        moments += _of_worker(worker)
    moments.sort(key=lambda moment: moment.at)
    return "\n".join([_HEADER, *(line(moment, journal.started_at) for moment in moments)]) + "\n"


def line(moment: TimelineEvent, origin: datetime) -> str:
    """A moment as text, with real seconds since `origin`."""
    virtual = "" if moment.virtual_seconds is None else f"{moment.virtual_seconds:.3f}"
    text = moment.text.rstrip().replace("\n", "\n" + _INDENT)
    return f"{(moment.at - origin).total_seconds():9.3f} {virtual:>11}  {text}"


def worker_moments(worker: TimelineWorker) -> list[TimelineEvent]:
    """What a worker wrote and threw, in the order of time."""
    written = [
        TimelineEvent(message.at or worker.started_at, f"console {message}", message.virtual_seconds)
        for message in worker.console
    ]
    thrown = [
        TimelineEvent(error.at or worker.started_at, f"uncaught {error}", error.virtual_seconds)
        for error in worker.errors
    ]
    return sorted([*written, *thrown], key=lambda moment: moment.at)


def _of_worker(worker: TimelineWorker) -> Iterator[TimelineEvent]:
    yield TimelineEvent(worker.started_at, f"{worker.label} starts: {worker.url}", 0.0)
    for moment in worker_moments(worker):
        yield TimelineEvent(moment.at, f"{worker.label} {moment.text}", moment.virtual_seconds)
    if worker.ended_at is not None:
        yield TimelineEvent(worker.ended_at, f"{worker.label} ends")


def _of_exchange(journal: Journal, exchange: Exchange) -> Iterator[TimelineEvent]:
    who = journal.describe_worker(exchange.worker_id) if exchange.worker_id else exchange.sender
    begun = journal.started_at + timedelta(seconds=exchange.started_seconds)
    yield TimelineEvent(begun, f"#{exchange.number} {who} {exchange.request_text}", exchange.virtual_seconds)
    if exchange.ended_seconds is not None:
        ended = journal.started_at + timedelta(seconds=exchange.ended_seconds)
        yield TimelineEvent(ended, f"#{exchange.number} → {exchange.outcome_text}")
