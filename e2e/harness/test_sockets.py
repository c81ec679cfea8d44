"""A worker that holds one WebSocket for all its tabs, in front of a real server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from aiohttp import web

from e2e.harness.stage import Stage
from pytest_sharedworker.loop_thread import LoopThread

SHARED_SOCKET = """
const socket = new WebSocket(`ws:${location.host}/socket`);
const ports = [];
const waiting = [];
const tell = (what) => ports.forEach((port) => port.postMessage(what));
socket.onopen = () => waiting.splice(0).forEach((text) => socket.send(text));
socket.onmessage = ({ data }) => tell(data);
socket.onclose = ({ code }) => tell(`closed: ${code}`);
self.onconnect = ({ ports: [port] }) => {
    ports.push(port);
    port.onmessage = ({ data }) => (socket.readyState === 1 ? socket.send(data) : waiting.push(data));
};
"""


async def _echo(request: web.Request) -> web.StreamResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        await socket.send_str(f"echo of {message.data}")
    return socket


class EchoServer:
    """A server whose only path is a WebSocket."""

    async def start(self) -> str:
        """Listen on a free port; return the origin."""
        app = web.Application()
        app.router.add_get("/socket", _echo)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        """Close everything."""
        await self._runner.cleanup()


@pytest.fixture
def gateway_upstream(sharedworker_loop: LoopThread) -> Iterator[str]:
    """The server behind the gateway."""
    server = EchoServer()
    yield sharedworker_loop.run(server.start())
    sharedworker_loop.run(server.stop())


def test_one_socket_serves_all_tabs_and_its_messages_are_in_the_journal(stage: Stage) -> None:
    stage.start(SHARED_SOCKET)
    [first] = stage.context.pages
    second = stage.open()
    stage.connect(second)
    first.evaluate("() => worker.port.postMessage('one')")
    for page in (first, second):
        page.wait_for_function("() => messages.includes('echo of one')")
    (exchange,) = stage.gateway.journal.select("GET /socket")
    assert exchange.status == 101
    assert [message.data for message in exchange.messages] == ["one", "echo of one"]


def test_the_tabs_see_a_network_that_goes_down(stage: Stage) -> None:
    stage.start(SHARED_SOCKET)
    [page] = stage.context.pages
    page.evaluate("() => worker.port.postMessage('one')")
    page.wait_for_function("() => messages.includes('echo of one')")
    with stage.gateway.toxic("down"):
        page.wait_for_function("() => messages.includes('closed: 1006')")
