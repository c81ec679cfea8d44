"""The servers' thread: results, errors, limits and its end."""

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


async def wait_for_ever() -> None:
    await asyncio.Event().wait()


def test_it_runs_in_a_thread_of_its_own_and_returns_the_result(loop_thread: LoopThread) -> None:
    async def whose() -> int:
        return threading.get_ident()

    assert loop_thread.run(whose()) not in (0, threading.get_ident())


def test_an_exception_comes_back_as_it_is(loop_thread: LoopThread) -> None:
    async def fail() -> None:
        raise KeyError("key")

    with pytest.raises(KeyError, match="key"):
        loop_thread.run(fail())


def test_a_coroutines_own_timeout_is_not_taken_for_the_limit(loop_thread: LoopThread) -> None:
    async def fail() -> None:
        raise asyncio.TimeoutError("its own")

    with pytest.raises(asyncio.TimeoutError, match="its own") as error:
        loop_thread.run(fail())
    assert not isinstance(error.value, WaitTimeoutError)


def test_the_limit_names_what_was_awaited_and_cancels_it(loop_thread: LoopThread) -> None:
    cancelled = threading.Event()

    async def wait() -> None:
        try:
            await wait_for_ever()
        finally:
            cancelled.set()

    with pytest.raises(WaitTimeoutError, match=r"waited 0\.05 s for the moon"):
        loop_thread.run(wait(), timeout_seconds=SHORT_SECONDS, what="the moon")
    assert cancelled.wait(5)


def test_close_is_idempotent_and_releases_who_still_waits(loop_thread: LoopThread) -> None:
    errors: list[BaseException] = []
    begun = threading.Event()

    async def wait() -> None:
        begun.set()
        await wait_for_ever()

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
    assert [str(error) for error in errors] == ["the moon was cancelled: the harness is closing"]


def test_after_close_nothing_runs_any_more(loop_thread: LoopThread) -> None:
    loop_thread.close()
    with pytest.raises(SharedWorkerError, match="no thread is left for the moon"):
        loop_thread.run(wait_for_ever(), what="the moon")


def test_waiting_for_itself_is_refused(loop_thread: LoopThread) -> None:
    async def wait_for_itself() -> None:
        loop_thread.run(wait_for_ever(), what="the moon")

    with pytest.raises(SharedWorkerError, match="cannot wait for the moon"):
        loop_thread.run(wait_for_itself())
