"""Wrong use of a virtual clock, and clocks that cannot finish a move: each raises an error in time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from itertools import product

import pytest
from aiohttp import web

from e2e.plugin.app import App
from pytest_sharedworker import Clock, ClockError, SharedWorker, WorkerClosedError
from pytest_sharedworker.integration.event_loop_thread import LoopThread

SHORT_MS = 500


def test_invalid_ticks_are_an_error(app: App, clock: Clock) -> None:
    invalid = (-1_000, 0.5, float("nan"), float("inf"))
    for run_for, ticks in product((clock.run_for, app.workers.clock.run_for), invalid):
        with pytest.raises(ClockError, match="give whole milliseconds"):
            run_for(ticks)
    assert clock.now == 0


@pytest.fixture
def silent_server(sharedworker_loop: LoopThread) -> Iterator[str]:
    """Start a server that never responds; return its origin."""

    async def start() -> web.AppRunner:
        async def never(request: web.Request) -> web.Response:
            await asyncio.Event().wait()
            raise AssertionError("unreachable")

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", never)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner

    runner = sharedworker_loop.run(start())
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    sharedworker_loop.run(runner.cleanup())


@pytest.fixture
def blocked(app: App, worker: SharedWorker, silent_server: str) -> SharedWorker:
    """Return a worker that will send a request without response."""
    app.gateway._upstream.origin = silent_server
    worker.evaluate("() => { setTimeout(() => fetch('/hangs'), 1000); }")
    return worker


def test_request_without_response_is_named(app: App, blocked: SharedWorker) -> None:
    clock = blocked.clock
    with pytest.raises(
        ClockError, match=r"within 500 ms: .*still waits for: GET /hangs; does the server respond"
    ):
        clock.run_for(2_000, timeout=SHORT_MS)


def test_request_without_response_is_named_by_the_shared_clock(app: App, blocked: SharedWorker) -> None:
    with pytest.raises(ClockError, match="still waits for: GET /hangs"):
        app.workers.clock.run_for(2_000, timeout=SHORT_MS)


def test_timers_that_keep_firing_are_an_error(worker: SharedWorker, clock: Clock) -> None:
    worker.evaluate(
        "() => { const loop = () => { for (let to = 0; to < 1e6; to++); setTimeout(loop, 1); }; loop(); }"
    )
    with pytest.raises(ClockError, match="keep firing, its clock shows"):
        clock.run_for(1_000_000_000, timeout=SHORT_MS)


def test_concurrent_move_is_an_error(app: App, blocked: SharedWorker) -> None:
    clock = blocked.clock
    errors: list[str] = []

    def move_again() -> None:
        app.gateway.journal.wait_for("/hangs", ended=False)
        for run_for in (clock.run_for, app.workers.clock.run_for):
            try:
                run_for(1_000)
            except ClockError as error:
                errors.append(str(error))

    thread = threading.Thread(target=move_again)
    thread.start()
    with pytest.raises(ClockError, match="still waits for"):
        clock.run_for(2_000, timeout=3 * SHORT_MS)
    thread.join(10)
    assert len(errors) == 2
    assert all("already moving: wait until that call returns" in text for text in errors)


def test_move_after_a_timed_out_move_is_an_error(app: App, blocked: SharedWorker) -> None:
    with pytest.raises(ClockError, match="still waits for"):
        app.workers.clock.run_for(2_000, timeout=SHORT_MS)
    with pytest.raises(ClockError, match="already moving"):
        app.workers.clock.run_for(1_000)


def test_clock_of_a_closed_worker_is_an_error(app: App, worker: SharedWorker, clock: Clock) -> None:
    worker.evaluate("() => { setTimeout(() => self.close(), 1000); }")
    with pytest.raises(WorkerClosedError, match=r"worker .*ended"):
        clock.run_for(2_000)
    with pytest.raises(WorkerClosedError, match="has ended; 'runFor' cannot reach it"):
        clock.run_for(1_000)
    with pytest.raises(WorkerClosedError, match=r"has ended; .*wait_for\(\) returns the new worker"):
        worker.evaluate("1")
    app.workers.clock.run_for(1_000)
