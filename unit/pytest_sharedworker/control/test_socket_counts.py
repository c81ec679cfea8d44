"""The counts of messages by which time waits for a WebSocket."""

from __future__ import annotations

import asyncio
import time

from pytest_sharedworker.control.socket_counts import (
    ANSWER_SECONDS,
    SILENT_ANSWER_SECONDS,
    SILENT_MOMENTS,
    SocketCounts,
)
from pytest_sharedworker.control.state_notifier import StateNotifier


async def measure(counts: SocketCounts, sent: int) -> float:
    started = time.monotonic()
    await counts.settle(sent)
    return time.monotonic() - started


async def test_idle_socket_is_settled_at_once() -> None:
    assert await measure(SocketCounts(StateNotifier()), 0) < ANSWER_SECONDS


async def test_message_is_waited_for_until_it_has_passed_and_is_answered() -> None:
    counts = SocketCounts(StateNotifier())
    settling = asyncio.create_task(counts.settle(1))
    await asyncio.sleep(0)
    counts.count_delivered()
    counts.count_passed()
    await asyncio.sleep(0)
    assert not settling.done()
    counts.count_event()
    assert await settling == {"message": 1}


async def test_message_without_an_answer_is_waited_for_a_moment() -> None:
    counts = SocketCounts(StateNotifier())
    counts.count_delivered()
    counts.count_passed()
    assert await measure(counts, 1) >= ANSWER_SECONDS / 2


async def test_mocked_socket_answers_at_once() -> None:
    counts = SocketCounts(StateNotifier())
    counts.is_mocked = True
    counts.count_delivered()
    counts.count_passed()
    assert await measure(counts, 1) < ANSWER_SECONDS


async def test_server_that_never_answers_is_soon_not_waited_for() -> None:
    counts = SocketCounts(StateNotifier())
    for number in range(SILENT_MOMENTS):
        counts.count_delivered()
        counts.count_passed()
        await counts.settle(number + 1)
    counts.count_delivered()
    counts.count_passed()
    assert SILENT_ANSWER_SECONDS / 2 <= await measure(counts, SILENT_MOMENTS + 1) < ANSWER_SECONDS


async def test_closed_socket_is_settled_at_once() -> None:
    counts = SocketCounts(StateNotifier())
    counts.count_event("close")
    assert await measure(counts, 5) < ANSWER_SECONDS
