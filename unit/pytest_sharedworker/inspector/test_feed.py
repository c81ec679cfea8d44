"""The events that the inspector keeps, and the batches in which it hands them out."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from pytest_sharedworker.gateway.events import TimelineEvent
from pytest_sharedworker.inspector import feed as feed_module
from pytest_sharedworker.inspector.feed import EventFeed, to_json

ORIGIN = datetime(2026, 1, 1, tzinfo=timezone.utc)


def make_event(number: int) -> TimelineEvent:
    return TimelineEvent(ORIGIN + timedelta(milliseconds=number), f"event {number}")


class Source:
    """Events that a test adds, each read once."""

    def __init__(self) -> None:
        self.feed = EventFeed(self._read_new, ORIGIN)
        self._new: list[TimelineEvent] = []

    def add(self, *numbers: int) -> None:
        self._new += map(make_event, numbers)
        self.feed.update()

    def _read_new(self) -> list[TimelineEvent]:
        new, self._new = self._new, []
        return new

    def read(self, position: int) -> tuple[list[str], int, int]:
        events, position, lost = self.feed.get_batch(position)
        return [event["text"] for event in events], position, lost


def test_reader_gets_each_event_once() -> None:
    source = Source()
    source.add(1, 2)
    assert source.read(0) == (["event 1", "event 2"], 2, 0)
    assert source.read(2) == ([], 2, 0)
    source.add(3)
    assert source.read(2) == (["event 3"], 3, 0)


def test_late_reader_gets_the_newest_and_the_number_of_lost_events(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "MAX_EVENTS", 3)
    source = Source()
    source.add(*range(10))
    assert source.read(0) == (["event 7", "event 8", "event 9"], 10, 7)
    assert source.read(8) == (["event 8", "event 9"], 10, 0)


def test_many_events_come_in_several_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "MAX_BATCH", 2)
    source = Source()
    source.add(1, 2, 3)
    assert source.read(0) == (["event 1", "event 2"], 2, 0)
    assert source.read(2) == (["event 3"], 3, 0)


@pytest.mark.parametrize("position", [-1, 4, 10**15])
def test_position_that_never_was_starts_over(position: int) -> None:
    source = Source()
    source.add(1, 2, 3)
    assert source.read(position)[0] == ["event 1", "event 2", "event 3"]


def test_event_for_the_page_has_times_in_ms_and_valid_unicode() -> None:
    event = TimelineEvent(
        ORIGIN + timedelta(seconds=1.5),
        "a lone \ud800",
        250.0,
        kind="console",
        lane="worker 'x'",
        details={"text": "\udfff"},
        virtual_offset=1_000.0,
    )
    assert to_json(event, ORIGIN) == {
        "at": 1_500.0,
        "virtual": 1_250.0,
        "kind": "console",
        "lane": "worker 'x'",
        "text": "a lone \\ud800",
        "details": {"text": "\\udfff"},
    }
