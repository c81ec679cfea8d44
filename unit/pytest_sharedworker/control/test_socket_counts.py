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
from pytest_sharedworker.integration.event_loop_thread import LoopThread


async def measure(counts: SocketCounts, sent: int) -> float:
    started = time.monotonic()
    await counts.settle(sent)
    return time.monotonic() - started


async def measure_next_message(counts: SocketCounts, sent: int) -> float:
    # In one turn of the loop: the wait counts from the moment at which the message passes.
    counts.count_delivered()
    counts.count_passed()
    return await measure(counts, sent)


def test_idle_socket_is_settled_at_once(sharedworker_loop: LoopThread) -> None:
    assert sharedworker_loop.run(measure(SocketCounts(StateNotifier()), 0)) < ANSWER_SECONDS


def test_message_is_waited_for_until_it_is_answered(sharedworker_loop: LoopThread) -> None:
    async def run() -> None:
        counts = SocketCounts(StateNotifier())
        settling = asyncio.create_task(counts.settle(1))
        await asyncio.sleep(0)
        counts.count_passed()
        await asyncio.sleep(0)
        assert not settling.done()
        counts.count_event()
        assert await settling == {"message": 1}

    sharedworker_loop.run(run())


def test_message_without_an_answer_is_waited_for_a_moment(sharedworker_loop: LoopThread) -> None:
    counts = SocketCounts(StateNotifier())
    assert sharedworker_loop.run(measure_next_message(counts, 1)) >= ANSWER_SECONDS / 2


def test_mocked_socket_answers_at_once(sharedworker_loop: LoopThread) -> None:
    counts = SocketCounts(StateNotifier())
    counts.is_mocked = True
    assert sharedworker_loop.run(measure_next_message(counts, 1)) < ANSWER_SECONDS


def test_server_that_never_answers_is_soon_not_waited_for(sharedworker_loop: LoopThread) -> None:
    counts = SocketCounts(StateNotifier())
    for number in range(SILENT_MOMENTS):
        sharedworker_loop.run(measure_next_message(counts, number + 1))
    waited = sharedworker_loop.run(measure_next_message(counts, SILENT_MOMENTS + 1))
    assert SILENT_ANSWER_SECONDS / 2 <= waited < ANSWER_SECONDS


def test_closed_socket_is_settled_at_once(sharedworker_loop: LoopThread) -> None:
    counts = SocketCounts(StateNotifier())
    counts.count_event("close")
    assert sharedworker_loop.run(measure(counts, 5)) < ANSWER_SECONDS
