"""What the inspector's page shows beside the events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from pytest_sharedworker.inspector.state import MAX_CLOSED, select_shown


@dataclass
class Worker:
    """Stands in for a worker that is alive or has ended."""

    id: str
    closed: bool

    def is_closed(self) -> bool:
        return self.closed


def test_oldest_workers_that_have_ended_are_not_shown() -> None:
    first = Worker("alive", closed=False)
    ended = [Worker(f"ended {number}", closed=True) for number in range(MAX_CLOSED + 5)]
    shown: list[Any] = [*select_shown(cast(Any, [first, *ended]))]
    assert shown == [first, *ended[5:]]


def test_few_workers_are_all_shown() -> None:
    workers = [Worker("ended", closed=True), Worker("alive", closed=False)]
    shown: list[Any] = [*select_shown(cast(Any, workers))]
    assert shown == workers
