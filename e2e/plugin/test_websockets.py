"""A worker shares one WebSocket, or one event stream, with all its tabs; the server is real."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from aiohttp import WSMsgType, web

from e2e.plugin.app import App
from pytest_sharedworker import Down, WebSocketRoute
from pytest_sharedworker.integration.event_loop_thread import LoopThread

SHARED_SOCKET = """
const socket = new WebSocket(`ws:${location.host}/socket`);
const ports = [];
const waiting = [];
const send = (text) => ports.forEach((port) => port.postMessage(text));
socket.onopen = () => waiting.splice(0).forEach((text) => socket.send(text));
socket.onmessage = ({ data }) => send(data);
socket.onclose = ({ code }) => send(`closed: ${code}`);
self.onconnect = ({ ports: [port] }) => {
    ports.push(port);
    port.onmessage = ({ data }) => (socket.readyState === 1 ? socket.send(data) : waiting.push(data));
};
"""


SHARED_STREAM = """
const ports = [];
const stream = new EventSource("/events");
stream.onmessage = ({ data }) => ports.forEach((port) => port.postMessage(data));
self.onconnect = ({ ports: [port] }) => {
    ports.push(port);
    port.onmessage = ({ data }) => fetch("/say?" + data, { method: "POST" });
};
"""


async def _echo(request: web.Request) -> web.StreamResponse:
    socket = web.WebSocketResponse(compress="plain" not in request.query)
    await socket.prepare(request)
    async for message in socket:
        await socket.send_str(f"echo of {message.data}")
    return socket


class EchoServer:
    """A server that echoes messages: on a WebSocket, or on an event stream."""

    def __init__(self) -> None:
        self.closes: list[tuple[object, object]] = []
        self._listener: asyncio.Future[web.StreamResponse] | None = None

    async def start(self) -> str:
        """Listen on a free port; return the origin."""
        self._listener = asyncio.get_running_loop().create_future()
        app = web.Application()
        app.router.add_get("/socket", _echo)
        app.router.add_get("/closing", self._close)
        app.router.add_get("/events", self._events)
        app.router.add_post("/say", self._say)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        """Close everything."""
        await self._runner.cleanup()

    async def _close(self, request: web.Request) -> web.StreamResponse:
        """Close at a message, and reply to a close with its own code."""
        socket = web.WebSocketResponse(autoclose=False)
        await socket.prepare(request)
        message = await socket.receive()
        if message.type is WSMsgType.CLOSE:
            self.closes.append((message.data, message.extra))
            await socket.close(code=message.data or 1000)
        else:
            await socket.close(code=4001, message=b"token expired")
        return socket

    async def _events(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        assert self._listener is not None
        self._listener.set_result(response)
        await asyncio.Event().wait()
        return response

    async def _say(self, request: web.Request) -> web.Response:
        assert self._listener is not None
        await (await self._listener).write(f"data: {request.query_string}\n\n".encode())
        return web.Response(status=204)


@pytest.fixture
def echo_server() -> EchoServer:
    """Return the server behind the gateway."""
    return EchoServer()


@pytest.fixture
def gateway_upstream(sharedworker_loop: LoopThread, echo_server: EchoServer) -> Iterator[str]:
    """Start the server behind the gateway; return its origin."""
    yield sharedworker_loop.run(echo_server.start())
    sharedworker_loop.run(echo_server.stop())


@pytest.mark.parametrize("path", ["/socket", "/socket?plain"], ids=["compressing", "plain"])
def test_socket_compresses_where_the_server_does(app: App, gateway_upstream: str, path: str) -> None:
    worker = app.start()
    text = "long " * 1_000
    seen = [
        worker.evaluate(
            """([url, text]) => new Promise((resolve, reject) => {
                const socket = new WebSocket(url);
                socket.onerror = reject;
                socket.onopen = () => socket.send(text);
                socket.onmessage = ({ data }) => {
                    socket.close();
                    resolve([socket.extensions, data]);
                };
            })""",
            [origin.replace("http", "ws") + path, text],
        )
        for origin in (gateway_upstream, app.gateway.url)
    ]
    assert seen[1] == seen[0]
    assert seen[0] == ["" if "plain" in path else "permessage-deflate", f"echo of {text}"]


def test_one_socket_serves_all_tabs_and_is_in_the_journal(app: App) -> None:
    app.start(SHARED_SOCKET)
    [first] = app.context.pages
    second = app.open()
    app.connect(second)
    first.evaluate("() => worker.port.postMessage('one')")
    for page in (first, second):
        page.wait_for_function("() => messages.includes('echo of one')")
    (exchange,) = app.gateway.journal.select("GET /socket")
    assert exchange.status == 101
    assert [message.data for message in exchange.messages] == ["one", "echo of one"]


CLOSING_SOCKET = """
self.closes = [];
self.open = (path) => new Promise((resolve) => {
    const socket = new WebSocket(`ws:${location.host}${path}`);
    socket.onopen = () => resolve(socket);
    socket.onclose = ({ code, reason, wasClean }) => closes.push([code, reason, wasClean]);
});
self.onconnect = () => {};
"""


def test_close_of_the_server_has_its_code_and_reason(app: App) -> None:
    worker = app.start(CLOSING_SOCKET)
    worker.evaluate("open('/closing').then((socket) => socket.send('end'))")
    assert worker.wait_for_function("closes[0]") == [4001, "token expired", True]


def test_close_of_the_worker_has_its_code_and_reason(app: App, echo_server: EchoServer) -> None:
    worker = app.start(CLOSING_SOCKET)
    worker.evaluate("open('/closing').then((socket) => socket.close(3001, 'bye'))")
    assert worker.wait_for_function("closes[0]")[::2] == [3001, True]
    assert echo_server.closes == [(3001, "bye")]


def test_close_of_the_worker_without_a_code_stays_without(app: App, echo_server: EchoServer) -> None:
    worker = app.start(CLOSING_SOCKET)
    worker.evaluate("open('/closing').then((socket) => socket.close())")
    assert worker.wait_for_function("closes[0]")[::2] == [1000, True]
    assert echo_server.closes == [(0, "")], "aiohttp's code of a frame without one"


def test_down_toxic_closes_an_open_socket(app: App) -> None:
    app.start(SHARED_SOCKET)
    [page] = app.context.pages
    page.evaluate("() => worker.port.postMessage('one')")
    page.wait_for_function("() => messages.includes('echo of one')")
    with app.gateway.add_toxic(Down()):
        page.wait_for_function("() => messages.includes('closed: 1006')")


def test_route_mocks_the_socket_of_a_worker(app: App) -> None:
    def mock(ws: WebSocketRoute) -> None:
        ws.on_message(lambda message: ws.send(f"mock of {message!s}"))

    rule = app.gateway.route_web_socket("**/socket", mock)
    app.start(SHARED_SOCKET)
    [page] = app.context.pages
    page.evaluate("() => worker.port.postMessage('one')")
    page.wait_for_function("() => messages.includes('mock of one')")
    rule.routes[0].close(code=4001)
    page.wait_for_function("() => messages.includes('closed: 4001')")
    (exchange,) = app.gateway.journal.wait_for("GET /socket")
    assert exchange.upstream_status is None
    assert [message.data for message in exchange.messages] == ["one", "mock of one"]


def test_route_changes_the_messages_of_a_worker(app: App) -> None:
    def shout(ws: WebSocketRoute) -> None:
        server = ws.connect_to_server()
        server.on_message(lambda message: ws.send(str(message).upper()))

    app.gateway.route_web_socket("**/socket", shout)
    app.start(SHARED_SOCKET)
    [page] = app.context.pages
    page.evaluate("() => worker.port.postMessage('one')")
    page.wait_for_function("() => messages.includes('ECHO OF ONE')")


def test_one_event_stream_serves_all_tabs(app: App) -> None:
    app.start(SHARED_STREAM)
    [first] = app.context.pages
    second = app.open()
    app.connect(second)
    first.evaluate("() => worker.port.postMessage('one')")
    for page in (first, second):
        page.wait_for_function("() => messages.includes('one')")
    (exchange,) = app.gateway.journal.select("GET /events")
    assert (exchange.ended, exchange.response_body) == (False, b"data: one\n\n")
