"""The control channel with a client in a worker's place: start, calls, events, suspensions, every end."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from pytest_sharedworker.control import server as control_module
from pytest_sharedworker.control.server import ControlServer
from pytest_sharedworker.control.session import ControlChannel, WorkerRegistry
from pytest_sharedworker.errors import EvaluationError, WaitTimeoutError, WorkerClosedError
from pytest_sharedworker.integration.event_loop_thread import LoopThread


@pytest.fixture
def registry(sharedworker_control: ControlServer) -> WorkerRegistry:
    return sharedworker_control.open_registry()


def times(virtual_ms: float | None = None) -> dict[str, float | None]:
    return {"atMs": time.time() * 1000, "virtualMs": virtual_ms}


class Worker:
    """The prologue's part of the protocol."""

    def __init__(self, control: ControlServer, token: str) -> None:
        self._url = f"http://127.0.0.1:{control.port}"
        self._token = token

    async def start(self, http: aiohttp.ClientSession) -> str:
        message = {
            "token": self._token,
            "name": "counter",
            "url": "http://127.0.0.1:1/w.js",
            **times(),
        }
        async with http.post(f"{self._url}/start", data=json.dumps(message)) as response:
            text = await response.text()
            if response.status != 200:
                raise PermissionError(text)
            return str(json.loads(text)["id"])

    async def end(self, http: aiohttp.ClientSession, worker_id: str, *messages: dict[str, Any]) -> None:
        async with http.post(f"{self._url}/end/{worker_id}", data=json.dumps(messages)) as response:
            assert response.status == 200

    def socket(self, http: aiohttp.ClientSession, worker_id: str) -> Any:
        return http.ws_connect(f"{self._url}/socket/{worker_id}")


@pytest.fixture
def worker(sharedworker_control: ControlServer, registry: WorkerRegistry) -> Worker:
    return Worker(sharedworker_control, registry.token)


async def until(registry: WorkerRegistry, condition: Callable[[], bool]) -> None:
    await asyncio.wait_for(registry.changes.wait_until(condition), 5)


def test_start_reports_name_and_url(
    sharedworker_loop: LoopThread, worker: Worker, registry: WorkerRegistry
) -> None:
    async def run() -> str:
        async with aiohttp.ClientSession() as http:
            return await worker.start(http)

    worker_id = sharedworker_loop.run(run())
    [channel] = registry.channels
    assert (channel.id, channel.name, channel.url) == (worker_id, "counter", "http://127.0.0.1:1/w.js")
    assert not channel.ended


def test_worker_waits_for_callbacks_at_its_start(
    sharedworker_loop: LoopThread, worker: Worker, registry: WorkerRegistry
) -> None:
    order: list[str] = []

    async def at_start(_: ControlChannel) -> None:
        await asyncio.get_running_loop().run_in_executor(None, order.append, "at start")

    registry.at_start.append(at_start)

    async def run() -> None:
        async with aiohttp.ClientSession() as http:
            await worker.start(http)
            order.append("first line")

    sharedworker_loop.run(run())
    assert order == ["at start", "first line"]


def test_worker_of_a_finished_test_is_rejected(
    sharedworker_loop: LoopThread,
    sharedworker_control: ControlServer,
    worker: Worker,
    registry: WorkerRegistry,
) -> None:
    async def run() -> None:
        async with aiohttp.ClientSession() as http:
            await worker.start(http)

    sharedworker_control.close_registry(registry)
    with pytest.raises(PermissionError, match="its test is over"):
        sharedworker_loop.run(run())
    assert registry.channels == []


def test_calls_return_results_and_errors(
    sharedworker_loop: LoopThread, worker: Worker, registry: WorkerRegistry
) -> None:
    async def run() -> object:
        async with aiohttp.ClientSession() as http, worker.socket(http, await worker.start(http)) as socket:
            [channel] = registry.channels
            first = asyncio.create_task(channel.call_async("double", {"of": 21}))
            second = asyncio.create_task(channel.call_async("fail", {}))
            calls = [await socket.receive_json(), await socket.receive_json()]
            assert [call["method"] for call in calls] == ["double", "fail"]
            error = {"message": "Error: no", "stack": "at fail"}
            await socket.send_json({"call": calls[1]["call"], "error": error})
            await socket.send_json({"call": calls[0]["call"], "result": calls[0]["params"]["of"] * 2})
            with pytest.raises(EvaluationError, match="Error: no\nat fail"):
                await second
            return await first

    assert sharedworker_loop.run(run()) == 42


def test_call_without_reply_times_out(
    sharedworker_loop: LoopThread, worker: Worker, registry: WorkerRegistry
) -> None:
    async def run() -> None:
        async with aiohttp.ClientSession() as http:
            await worker.start(http)

    sharedworker_loop.run(run())
    with pytest.raises(WaitTimeoutError, match=r"0\.05 s for the worker 'counter' to reply to 'clock'"):
        registry.channels[0].call("clock", timeout=50)


def test_events_are_kept_in_order(
    sharedworker_loop: LoopThread, worker: Worker, registry: WorkerRegistry
) -> None:
    async def run() -> None:
        async with aiohttp.ClientSession() as http, worker.socket(http, await worker.start(http)) as socket:
            [channel] = registry.channels
            await socket.send_json({"event": "console", "type": "log", "text": "one", **times(30)})
            await socket.send_json({"event": "console", "type": "warning", "text": "two", **times()})
            await socket.send_json(
                {"event": "error", "message": "Error: no", "stack": "Error: no\n  at x", **times()}
            )
            await socket.send_json({"event": "port", "port": "p"})
            await socket.send_json({"event": "port", "port": "q"})
            await until(registry, lambda: "q" in channel.ports)

    sharedworker_loop.run(run())
    [channel] = registry.channels
    assert [str(message) for message in channel.console] == ["log: one", "warning: two"]
    assert [str(error) for error in channel.errors] == ["Error: no\n  at x"]
    assert channel.ports == {"p", "q"}


def test_closed_socket_ends_worker_and_its_calls(
    sharedworker_loop: LoopThread, worker: Worker, registry: WorkerRegistry
) -> None:
    async def run() -> None:
        async with aiohttp.ClientSession() as http:
            async with worker.socket(http, await worker.start(http)) as socket:
                [channel] = registry.channels
                waiting = asyncio.create_task(channel.call_async("clock", {}))
                suspended = asyncio.create_task(channel.suspend(1, None))
                await socket.receive_json()
            with pytest.raises(WorkerClosedError, match="'counter' ended before it replied"):
                await waiting
            assert await suspended is False
            with pytest.raises(WorkerClosedError, match="has ended; 'clock' cannot reach it"):
                await channel.call_async("clock", {})

    sharedworker_loop.run(run())
    assert registry.channels[0].ended


def test_last_messages_of_a_closing_worker_are_kept(
    sharedworker_loop: LoopThread, worker: Worker, registry: WorkerRegistry
) -> None:
    async def run() -> None:
        async with aiohttp.ClientSession() as http:
            worker_id = await worker.start(http)
            await worker.end(http, worker_id, {"event": "console", "type": "log", "text": "last", **times()})

    sharedworker_loop.run(run())
    [channel] = registry.channels
    assert channel.ended
    assert [message.text for message in channel.console] == ["last"]


def test_worker_without_socket_counts_as_ended(
    sharedworker_loop: LoopThread, worker: Worker, registry: WorkerRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control_module, "SOCKET_TIMEOUT_SECONDS", 0.05)

    async def run() -> None:
        async with aiohttp.ClientSession() as http:
            worker_id = await worker.start(http)
            [channel] = registry.channels
            await until(registry, lambda: channel.ended)
            # It was only slow.
            async with worker.socket(http, worker_id):
                assert not channel.ended

    sharedworker_loop.run(run())
    assert registry.channels[0].ended


def test_socket_of_an_unknown_worker_is_rejected(sharedworker_loop: LoopThread, worker: Worker) -> None:
    async def run() -> None:
        async with aiohttp.ClientSession() as http, worker.socket(http, "unknown"):
            pass

    with pytest.raises(aiohttp.WSServerHandshakeError, match="410"):
        sharedworker_loop.run(run())


# --- suspended requests --------------------------------------------------------------------------


def test_virtual_clock_ends_a_suspension(
    sharedworker_loop: LoopThread, worker: Worker, registry: WorkerRegistry
) -> None:
    async def run() -> bool:
        async with aiohttp.ClientSession() as http, worker.socket(http, await worker.start(http)) as socket:
            [channel] = registry.channels
            suspended = asyncio.create_task(channel.suspend(3, 250))
            message = await socket.receive_json()
            assert message == {"method": "suspend", "params": {"request": 3, "delayMs": 250}}
            await socket.send_json({"event": "resume", "request": 3})
            return await suspended

    assert sharedworker_loop.run(run())


def test_suspended_request_waits_until_resumed(
    sharedworker_loop: LoopThread, worker: Worker, registry: WorkerRegistry
) -> None:
    async def run() -> tuple[bool, list[str]]:
        resumed = False
        async with aiohttp.ClientSession() as http, worker.socket(http, await worker.start(http)) as socket:
            [channel] = registry.channels
            suspended = asyncio.create_task(channel.suspend_until(3, lambda: resumed))
            messages = [await socket.receive_json()]
            resumed = True
            channel.resume(3)
            messages.append(await socket.receive_json())
            return await suspended, [message["method"] for message in messages]

    assert sharedworker_loop.run(run()) == (True, ["suspend", "resume"])


def test_abandoned_request_is_not_resumed(
    sharedworker_loop: LoopThread, worker: Worker, registry: WorkerRegistry
) -> None:
    async def run() -> bool:
        async with aiohttp.ClientSession() as http, worker.socket(http, await worker.start(http)) as socket:
            [channel] = registry.channels
            suspended = asyncio.create_task(channel.suspend_until(3, lambda: False))
            await socket.receive_json()
            await socket.send_json({"event": "resume", "request": 3})
            return await suspended

    assert not sharedworker_loop.run(run())


def test_worker_that_ends_while_its_socket_opens_leaves_no_traceback(
    sharedworker_loop: LoopThread,
    worker: Worker,
    registry: WorkerRegistry,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def prepare(socket: web.WebSocketResponse, request: web.BaseRequest) -> None:
        assert request.transport is not None
        request.transport.abort()
        raise aiohttp.ClientConnectionResetError("Cannot write to closing transport")

    async def run() -> None:
        async with aiohttp.ClientSession() as http:
            worker_id = await worker.start(http)
            monkeypatch.setattr(web.WebSocketResponse, "prepare", prepare)
            with pytest.raises(aiohttp.ClientError):
                async with worker.socket(http, worker_id):
                    pass

    sharedworker_loop.run(run())
    assert registry.channels[0].ended
    assert caplog.messages == []
