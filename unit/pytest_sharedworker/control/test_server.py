"""The control channel with a client in a worker's place: start, calls, events, and every way to end."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from pytest_sharedworker.control import server as control_module
from pytest_sharedworker.control.server import ControlServer
from pytest_sharedworker.control.session import ControlChannel, WorkerRegistry
from pytest_sharedworker.errors import EvaluationError, WaitTimeoutError, WorkerClosedError
from pytest_sharedworker.integration.event_loop_thread import LoopThread


@pytest.fixture
def registry(sharedworker_control: ControlServer) -> WorkerRegistry:
    return sharedworker_control.open_registry()


def times(virtual_ms: float | None = None) -> dict[str, float | None]:
    return {"at_ms": time.time() * 1000, "virtual_ms": virtual_ms}


class Worker:
    """What the prologue does, spoken by hand."""

    def __init__(self, control: ControlServer, token: str) -> None:
        self._url = f"http://127.0.0.1:{control.port}"
        self._token = token

    async def start(self, http: aiohttp.ClientSession) -> str:
        message = {"token": self._token, "name": "counter", "url": "http://127.0.0.1:1/w.js", **times()}
        async with http.post(f"{self._url}/start", data=json.dumps(message)) as answer:
            text = await answer.text()
            if answer.status != 200:
                raise PermissionError(text)
            return str(json.loads(text)["id"])

    async def end(self, http: aiohttp.ClientSession, worker_id: str, *messages: dict[str, Any]) -> None:
        async with http.post(f"{self._url}/end/{worker_id}", data=json.dumps(messages)) as answer:
            assert answer.status == 200

    def socket(self, http: aiohttp.ClientSession, worker_id: str) -> Any:
        return http.ws_connect(f"{self._url}/socket/{worker_id}")


@pytest.fixture
def worker(sharedworker_control: ControlServer, registry: WorkerRegistry) -> Worker:
    return Worker(sharedworker_control, registry.token)


async def until(registry: WorkerRegistry, condition: Callable[[], bool]) -> None:
    await asyncio.wait_for(registry.changes.wait_until(condition), 5)


def test_a_start_is_told_with_name_and_url(
    sharedworker_loop: LoopThread, worker: Worker, registry: WorkerRegistry
) -> None:
    async def scene() -> str:
        async with aiohttp.ClientSession() as http:
            return await worker.start(http)

    worker_id = sharedworker_loop.run(scene())
    [session] = registry.sessions
    assert (session.id, session.name, session.url) == (worker_id, "counter", "http://127.0.0.1:1/w.js")
    assert not session.ended


def test_a_worker_is_held_until_what_runs_at_its_start_has_run(
    sharedworker_loop: LoopThread, worker: Worker, registry: WorkerRegistry
) -> None:
    order: list[str] = []

    async def at_start(_: ControlChannel) -> None:
        await asyncio.get_running_loop().run_in_executor(None, order.append, "at start")

    registry.at_start.append(at_start)

    async def scene() -> None:
        async with aiohttp.ClientSession() as http:
            await worker.start(http)
            order.append("first line")

    sharedworker_loop.run(scene())
    assert order == ["at start", "first line"]


def test_a_worker_of_a_test_that_is_over_is_refused(
    sharedworker_loop: LoopThread,
    sharedworker_control: ControlServer,
    worker: Worker,
    registry: WorkerRegistry,
) -> None:
    async def scene() -> None:
        async with aiohttp.ClientSession() as http:
            await worker.start(http)

    sharedworker_control.close_registry(registry)
    with pytest.raises(PermissionError, match="its test is over"):
        sharedworker_loop.run(scene())
    assert registry.sessions == []


def test_calls_are_answered_with_results_and_errors(
    sharedworker_loop: LoopThread, worker: Worker, registry: WorkerRegistry
) -> None:
    async def scene() -> object:
        async with aiohttp.ClientSession() as http, worker.socket(http, await worker.start(http)) as socket:
            [session] = registry.sessions
            first = asyncio.create_task(session.ask("double", {"of": 21}))
            second = asyncio.create_task(session.ask("fail", {}))
            calls = [await socket.receive_json(), await socket.receive_json()]
            assert [call["method"] for call in calls] == ["double", "fail"]
            error = {"message": "Error: no", "stack": "at fail"}
            await socket.send_json({"call": calls[1]["call"], "error": error})
            await socket.send_json({"call": calls[0]["call"], "result": calls[0]["params"]["of"] * 2})
            with pytest.raises(EvaluationError, match="Error: no\nat fail"):
                await second
            return await first

    assert sharedworker_loop.run(scene()) == 42


def test_a_call_that_is_never_answered_has_a_limit(
    sharedworker_loop: LoopThread, worker: Worker, registry: WorkerRegistry
) -> None:
    async def scene() -> None:
        async with aiohttp.ClientSession() as http:
            await worker.start(http)

    sharedworker_loop.run(scene())
    with pytest.raises(WaitTimeoutError, match=r"0\.05 s for the worker 'counter' to answer 'clock'"):
        registry.sessions[0].call("clock", timeout_seconds=0.05)


def test_what_it_tells_is_kept_in_order(
    sharedworker_loop: LoopThread, worker: Worker, registry: WorkerRegistry
) -> None:
    async def scene() -> None:
        async with aiohttp.ClientSession() as http, worker.socket(http, await worker.start(http)) as socket:
            [session] = registry.sessions
            await socket.send_json({"event": "console", "level": "log", "text": "one", **times(30)})
            await socket.send_json({"event": "console", "level": "warn", "text": "two", **times()})
            await socket.send_json(
                {"event": "error", "message": "Error: no", "stack": "Error: no\n  at x", **times()}
            )
            await socket.send_json({"event": "mark", "port": "p", "mark": 2})
            await socket.send_json({"event": "mark", "port": "p", "mark": 1})
            await socket.send_json({"event": "mark", "port": "q", "mark": 0})
            await until(registry, lambda: "q" in session.marks)

    sharedworker_loop.run(scene())
    [session] = registry.sessions
    assert [str(message) for message in session.console] == ["log: one", "warn: two"]
    assert [str(error) for error in session.errors] == ["Error: no\n  at x"]
    assert session.marks == {"p": 2, "q": 0}


def test_a_closed_socket_is_its_end_and_whoever_waits_learns_it(
    sharedworker_loop: LoopThread, worker: Worker, registry: WorkerRegistry
) -> None:
    async def scene() -> None:
        async with aiohttp.ClientSession() as http:
            async with worker.socket(http, await worker.start(http)) as socket:
                [session] = registry.sessions
                waiting = asyncio.create_task(session.ask("clock", {}))
                holding = asyncio.create_task(session.hold(1, None))
                await socket.receive_json()
            with pytest.raises(WorkerClosedError, match="'counter' ended before it answered"):
                await waiting
            assert await holding is False
            with pytest.raises(WorkerClosedError, match="has ended; 'clock' cannot reach it"):
                await session.ask("clock", {})

    sharedworker_loop.run(scene())
    assert registry.sessions[0].ended


def test_last_words_of_a_worker_that_closes_itself_count(
    sharedworker_loop: LoopThread, worker: Worker, registry: WorkerRegistry
) -> None:
    async def scene() -> None:
        async with aiohttp.ClientSession() as http:
            worker_id = await worker.start(http)
            await worker.end(http, worker_id, {"event": "console", "level": "log", "text": "last", **times()})

    sharedworker_loop.run(scene())
    [session] = registry.sessions
    assert session.ended
    assert [message.text for message in session.console] == ["last"]


def test_a_worker_that_never_opens_its_socket_counts_as_gone(
    sharedworker_loop: LoopThread, worker: Worker, registry: WorkerRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control_module, "SOCKET_TIMEOUT_SECONDS", 0.05)

    async def scene() -> None:
        async with aiohttp.ClientSession() as http:
            worker_id = await worker.start(http)
            [session] = registry.sessions
            await until(registry, lambda: session.ended)
            # It was only slow: it lives after all.
            async with worker.socket(http, worker_id):
                assert not session.ended

    sharedworker_loop.run(scene())
    assert registry.sessions[0].ended


def test_a_socket_that_nobody_started_is_refused(sharedworker_loop: LoopThread, worker: Worker) -> None:
    async def scene() -> None:
        async with aiohttp.ClientSession() as http, worker.socket(http, "unknown"):
            pass

    with pytest.raises(aiohttp.WSServerHandshakeError, match="410"):
        sharedworker_loop.run(scene())
