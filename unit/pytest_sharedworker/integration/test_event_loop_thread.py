"""The servers' thread: results, errors, time limits and closing."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from pytest_sharedworker.errors import SharedWorkerError, WaitTimeoutError
from pytest_sharedworker.integration.event_loop_thread import LoopThread

SHORT_SECONDS = 0.05


@pytest.fixture
def loop_thread() -> Iterator[LoopThread]:
    loop_thread = LoopThread()
    yield loop_thread
    loop_thread.close()


async def wait_forever() -> None:
    await asyncio.Event().wait()


def test_run_returns_the_result_from_another_thread(loop_thread: LoopThread) -> None:
    async def get_thread_id() -> int:
        return threading.get_ident()

    assert loop_thread.run(get_thread_id()) not in (0, threading.get_ident())


def test_run_raises_the_coroutines_exception(loop_thread: LoopThread) -> None:
    async def fail() -> None:
        raise KeyError("key")

    with pytest.raises(KeyError, match="key"):
        loop_thread.run(fail())


def test_coroutines_own_timeout_error_is_raised_unchanged(loop_thread: LoopThread) -> None:
    async def fail() -> None:
        raise asyncio.TimeoutError("its own")

    with pytest.raises(asyncio.TimeoutError, match="its own") as error:
        loop_thread.run(fail())
    assert not isinstance(error.value, WaitTimeoutError)


def test_time_limit_names_and_cancels_the_coroutine(loop_thread: LoopThread) -> None:
    canceled = threading.Event()

    async def wait() -> None:
        try:
            await wait_forever()
        finally:
            canceled.set()

    with pytest.raises(WaitTimeoutError, match=r"waited 0\.05 s for the moon"):
        loop_thread.run(wait(), timeout_seconds=SHORT_SECONDS, what="the moon")
    assert canceled.wait(5)


def test_close_is_idempotent_and_ends_waiting_calls(loop_thread: LoopThread) -> None:
    errors: list[BaseException] = []
    begun = threading.Event()

    async def wait() -> None:
        begun.set()
        await wait_forever()

    def run() -> None:
        try:
            loop_thread.run(wait(), what="the moon")
        except WaitTimeoutError as error:
            errors.append(error)

    waiter = threading.Thread(target=run)
    waiter.start()
    assert begun.wait(5)
    loop_thread.close()
    loop_thread.close()
    waiter.join(5)
    assert [str(error) for error in errors] == [
        "stopped waiting for the moon: the plugin's servers are closing"
    ]


def test_run_after_close_is_an_error(loop_thread: LoopThread) -> None:
    loop_thread.close()
    with pytest.raises(SharedWorkerError, match="cannot wait for the moon: the plugin's servers are closed"):
        loop_thread.run(wait_forever(), what="the moon")


def test_run_in_its_own_thread_is_an_error(loop_thread: LoopThread) -> None:
    async def wait_for_itself() -> None:
        loop_thread.run(wait_forever(), what="the moon")

    with pytest.raises(SharedWorkerError, match="cannot wait for the moon"):
        loop_thread.run(wait_for_itself())
