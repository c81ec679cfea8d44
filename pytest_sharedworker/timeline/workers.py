"""The events of one worker: start and end, console and errors, messages on its ports, writes to storage."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Protocol

from pytest_sharedworker.control.messages import ConsoleMessage, WorkerActivity, WorkerError
from pytest_sharedworker.gateway.events import EventKind, TimelineEvent


class TimelineWorker(Protocol):
    """What a timeline needs of a worker; `SharedWorker` has it."""

    @property
    def id(self) -> str:
        """An id that differs from those of other workers."""

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

    @property
    def _virtual_offset(self) -> float:
        """The ms of the test's virtual time at which it started."""

    @property
    def _activities(self) -> Sequence[WorkerActivity]:
        """What it reported of its ports and its storage."""

    def console_messages(self) -> Sequence[ConsoleMessage]:
        """Return what it wrote to the console."""

    def errors(self) -> Sequence[WorkerError]:
        """Return its uncaught errors."""


class WorkerEvents:
    """Reads the events of one worker, each once."""

    def __init__(self, worker: TimelineWorker, lane: str) -> None:
        self._worker = worker
        self._lane = lane
        self._is_start_read = False
        self._is_end_read = False
        self._console = 0
        self._errors = 0
        self._activities = 0

    def read_new(self) -> Iterator[TimelineEvent]:
        """Return what has happened since the last call."""
        worker = self._worker
        closed_at = worker.closed_at
        if not self._is_start_read:
            self._is_start_read = True
            details = {"script": worker.url}
            text = f"{worker.label} starts: {worker.url}"
            yield self._make(worker.started_at, text, 0.0, "life", details)
        yield from self._read_written()
        if closed_at is not None and not self._is_end_read:
            self._is_end_read = True
            yield self._make(closed_at, f"{worker.label} closes", None, "life", {})

    def _read_written(self) -> Iterator[TimelineEvent]:
        worker = self._worker
        messages = worker.console_messages()[self._console :]
        self._console += len(messages)
        for message in messages:
            at = message.at or worker.started_at
            yield self._make(
                at,
                f"{worker.label} console {message}",
                message.virtual_time,
                "console",
                {"text": message.text},
            )
        errors = worker.errors()[self._errors :]
        self._errors += len(errors)
        for error in errors:
            details = {"message": error.message, "stack": error.stack}
            at = error.at or worker.started_at
            yield self._make(at, f"{worker.label} uncaught {error}", error.virtual_time, "error", details)
        activities = worker._activities[self._activities :]
        self._activities += len(activities)
        for each in activities:
            details = {"what": each.what, "value": each.value}
            text = f"{worker.label} {each}"
            yield self._make(each.at, text, each.virtual_time, each.kind, details, link=each.port)

    def _make(
        self,
        at: datetime,
        text: str,
        virtual_time: float | None,
        kind: EventKind,
        details: dict[str, str],
        *,
        link: str = "",
    ) -> TimelineEvent:
        return TimelineEvent(
            at,
            text,
            virtual_time,
            kind=kind,
            lane=self._lane,
            details={name: value for name, value in details.items() if value},
            link=link,
            virtual_offset=self._worker._virtual_offset,
        )


def list_worker_events(worker: TimelineWorker) -> list[TimelineEvent]:
    """Return a worker's console messages and uncaught errors in chronological order, without its title."""
    written = [
        TimelineEvent(message.at or worker.started_at, f"console {message}", message.virtual_time)
        for message in worker.console_messages()
    ]
    thrown = [
        TimelineEvent(error.at or worker.started_at, f"uncaught {error}", error.virtual_time)
        for error in worker.errors()
    ]
    return sorted([*written, *thrown], key=lambda event: event.at)
