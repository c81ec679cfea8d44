"""The inspector's server on the wire: access, files, events in batches, commands. No browser takes part."""

from __future__ import annotations

import asyncio
import json
import queue
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

import aiohttp
import pytest
from yarl import URL

from pytest_sharedworker.gateway.events import TimelineEvent
from pytest_sharedworker.inspector.commands import CommandQueue, NotPausedError
from pytest_sharedworker.inspector.feed import EventFeed
from pytest_sharedworker.inspector.server import InspectorServer
from pytest_sharedworker.integration.event_loop_thread import LoopThread


class Inspected:
    """A server, its commands, and events that a test adds."""

    def __init__(self) -> None:
        self._new: queue.SimpleQueue[TimelineEvent] = queue.SimpleQueue()
        self.commands = CommandQueue()
        self.server = InspectorServer(EventFeed(self._read_new, datetime.now(timezone.utc)), self.commands)

    def add_events(self, count: int) -> None:
        for number in range(count):
            self._new.put(TimelineEvent(datetime.now(timezone.utc), f"event {number}"))

    def _read_new(self) -> list[TimelineEvent]:
        return [self._new.get() for _ in range(self._new.qsize())]


@pytest.fixture
def inspected(sharedworker_loop: LoopThread, caplog: pytest.LogCaptureFixture) -> Iterator[Inspected]:
    """Start an inspector's server; it must report no error, also where pages close their connections."""
    inspected = Inspected()
    sharedworker_loop.run(inspected.server.start())
    yield inspected
    sharedworker_loop.run(inspected.server.stop())
    assert caplog.messages == []


async def fetch(
    url: str, method: str = "GET", body: object = None, **headers: str
) -> tuple[int, str, dict[str, str]]:
    """Return status, text and headers."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    data = None if body is None else body if isinstance(body, str) else json.dumps(body)
    async with aiohttp.ClientSession() as http:
        # As it stands: a path with dots must arrive as it is.
        async with http.request(method, URL(url, encoded=True), data=data, headers=names) as response:
            return response.status, await response.text(), dict(response.headers)


async def test_page_and_its_files_need_the_token(inspected: Inspected) -> None:
    url = inspected.server.url
    status, text, headers = await fetch(url)
    assert (status, "Worker inspector" in text) == (200, True)
    assert "script-src 'self'; style-src 'self'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert "Access-Control-Allow-Origin" not in headers
    assert (headers["Cache-Control"], headers["Referrer-Policy"]) == ("no-store", "no-referrer")
    assert (await fetch(url + "main.js"))[0] == 200

    origin, token = url[: url.index("/", 8)], url.split("/")[3]
    for path in (
        "/",
        "/main.js",
        "/wrong/",
        "/wrong/main.js",
        "/wrong/events",
        f"/{token}x/",
        f"/{token[:-1]}/",
    ):
        status, text, headers = await fetch(origin + path)
        assert (status, token in text) == (404, False), path
        assert "default-src 'none'" in headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    "file", ["../server.py", "..%2fserver.py", "%2e%2e/server.py", "tsconfig.json", "nothing.js", ".js"]
)
async def test_only_files_of_the_view_are_served(inspected: Inspected, file: str) -> None:
    assert (await fetch(inspected.server.url + file))[0] == 404


@pytest.mark.parametrize("host", ["rebound.example", "127.0.0.1:1", ""])
async def test_other_host_gets_nothing(inspected: Inspected, host: str) -> None:
    status, text, _ = await fetch(inspected.server.url, Host=host)
    assert (status, "<html" in text) in ((421, False), (400, False))


async def test_command_of_another_page_is_refused(inspected: Inspected) -> None:
    inspected.commands.open()
    url = inspected.server.url + "commands"
    body = {"name": "resume"}
    status, _, headers = await fetch(url, "POST", body, Content_Type="text/plain")
    assert status == 403
    assert "Access-Control-Allow-Origin" not in headers
    evil = "https://evil.example"
    assert (await fetch(url, "POST", body, Content_Type="application/json", Origin=evil))[0] == 403
    assert (await fetch(url, "OPTIONS", Origin=evil))[0] == 405
    assert inspected.commands.take(0) is None


@pytest.mark.parametrize("body", ["", "{", "[]", "7", '{"name": 3}', '{"name": "resume", "arguments": []}'])
async def test_malformed_command_is_refused(inspected: Inspected, body: str) -> None:
    inspected.commands.open()
    status, text, _ = await fetch(
        inspected.server.url + "commands", "POST", body, Content_Type="application/json"
    )
    assert (status, json.loads(text)["error"]) == (400, "a command has a name and arguments")


async def send(inspected: Inspected, name: str) -> tuple[int, Any]:
    status, text, _ = await fetch(
        inspected.server.url + "commands", "POST", {"name": name}, Content_Type="application/json"
    )
    return status, json.loads(text)


async def test_command_runs_in_the_thread_that_takes_it(inspected: Inspected) -> None:
    assert (await send(inspected, "early"))[0] == 409

    def serve() -> None:
        """Serve two commands, as a paused test does."""
        for _ in range(2):
            command = inspected.commands.take(10)
            assert command is not None
            inspected.commands.serve(lambda each: {"good": "done"}[each.name], command)

    inspected.commands.open()
    serving = asyncio.create_task(asyncio.to_thread(serve))
    assert await send(inspected, "good") == (200, {"result": "done"})
    assert await send(inspected, "bad") == (200, {"error": "'bad'"})
    await serving


async def test_commands_that_wait_are_refused_when_the_test_resumes() -> None:
    commands = CommandQueue()
    commands.open()
    waiting = asyncio.create_task(commands.run("waits", {}))
    await asyncio.sleep(0)  # The task runs up to its wait.
    commands.close()
    with pytest.raises(NotPausedError, match="resumed before this command"):
        await waiting


async def read_messages(response: aiohttp.ClientResponse, count: int) -> list[dict[str, Any]]:
    """Return the next messages with events."""
    messages: list[dict[str, Any]] = []
    while len(messages) < count:
        line = (await response.content.readline()).decode()
        assert line, "the stream has ended"
        if line.startswith("data: ") and "events" in (data := json.loads(line[6:])):
            messages.append(data)
    return messages


async def test_events_come_in_batches_and_go_on_after_a_reconnection(inspected: Inspected) -> None:
    inspected.add_events(1_500)
    url = inspected.server.url + "events"
    async with aiohttp.ClientSession() as http:
        async with http.get(url) as response:
            assert response.headers["Content-Type"].startswith("text/event-stream")
            (batch,) = await read_messages(response, 1)
            assert [len(batch["events"]), batch["lost"]] == [1_500, 0]
        inspected.add_events(2)
        async with http.get(url, headers={"Last-Event-ID": "1500"}) as response:
            (batch,) = await read_messages(response, 1)
            assert [event["text"] for event in batch["events"]] == ["event 0", "event 1"]
        async with http.get(url, headers={"Last-Event-ID": "-3; DROP"}) as response:
            (batch,) = await read_messages(response, 1)
            assert len(batch["events"]) == 1_502


async def test_page_hears_that_the_test_has_ended(
    inspected: Inspected, sharedworker_loop: LoopThread
) -> None:
    async with aiohttp.ClientSession() as http, http.get(inspected.server.url + "events") as response:
        inspected.add_events(1)
        await read_messages(response, 1)
        stopping = asyncio.create_task(asyncio.to_thread(sharedworker_loop.run, inspected.server.stop()))
        rest = (await response.content.read()).decode()
        await stopping
    assert "event: end" in rest
