"""Virtual time, WebSocket and EventSource: messages on their way arrive before time moves on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest
from aiohttp import WSMsgType, web
from aiohttp.test_utils import unused_port

from e2e.plugin.app import App, read_log
from pytest_sharedworker import Clock, Latency, SharedWorker, Timeout, WebSocketRoute
from pytest_sharedworker.control.socket_counts import SocketCounts
from pytest_sharedworker.integration.event_loop_thread import LoopThread


class MessageServer:
    """Serve a WebSocket that answers, one that does not, and an event stream."""

    def __init__(self) -> None:
        self.targets: list[str] = []
        self._sockets: list[web.WebSocketResponse] = []
        self._streams: list[web.StreamResponse] = []
        self._stream_end = asyncio.Event()
        self._runner: web.AppRunner | None = None

    async def start(self) -> str:
        """Listen on a free port; return the origin."""
        app = web.Application()
        app.router.add_get("/socket", self._answer)
        app.router.add_get("/silent", self._listen)
        app.router.add_get("/events", self._stream)
        app.router.add_post("/say", self._say)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        """Close everything."""
        assert self._runner is not None
        await self._runner.cleanup()

    async def push(self, text: str) -> None:
        """Send a message on every WebSocket and stream."""
        for socket in self._sockets:
            await socket.send_str(text)
        for stream in self._streams:
            await stream.write(f"data: {text}\n\n".encode())

    async def end_streams(self) -> None:
        """End every stream, which the browser then opens again."""
        self._streams.clear()
        self._stream_end.set()
        self._stream_end = asyncio.Event()

    async def _open(self, request: web.Request) -> web.WebSocketResponse:
        self.targets.append(request.raw_path)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self._sockets.append(socket)
        return socket

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        socket = await self._open(request)
        async for message in socket:
            if message.data == "end":
                await socket.close(code=4001, message=b"token expired")
            elif message.type is WSMsgType.TEXT:
                await socket.send_str(f"answer to {message.data}")
            else:
                await socket.send_bytes(message.data)
        return socket

    async def _listen(self, request: web.Request) -> web.StreamResponse:
        socket = await self._open(request)
        async for _ in socket:
            pass
        return socket

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        self.targets.append(request.raw_path)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b": hello\nretry: 100\n\n")
        self._streams.append(response)
        await self._stream_end.wait()
        return response

    async def _say(self, request: web.Request) -> web.Response:
        text = await request.text()
        for stream in self._streams:
            await stream.write(f"event: news\ndata: {text}\n\ndata: {text} again\n\n".encode())
        return web.Response(status=204)


@pytest.fixture
def server() -> MessageServer:
    """Return the server behind the gateway."""
    return MessageServer()


@pytest.fixture
def gateway_upstream(sharedworker_loop: LoopThread, server: MessageServer) -> Iterator[str]:
    """Start the server behind the gateway; return its origin."""
    yield sharedworker_loop.run(server.start())
    sharedworker_loop.run(server.stop())


HEARTBEAT = """() => {
    const socket = new WebSocket(`ws:${location.host}/socket`);
    let deadline;
    socket.onopen = () => {
        setInterval(() => {
            socket.send("ping");
            deadline = setTimeout(() => { note("dead"); socket.close(); }, 5000);
        }, 20000);
    };
    socket.onmessage = ({ data }) => {
        clearTimeout(deadline);
        note(data);
    };
}"""


def test_answers_to_a_heartbeat_come_in_time(app: App, worker: SharedWorker, clock: Clock) -> None:
    worker.evaluate(HEARTBEAT)
    clock.run_for(65_000)
    assert read_log(worker) == [["answer to ping", time] for time in (20_000, 40_000, 60_000)]
    [exchange] = app.gateway.journal.select("GET /socket")
    assert (exchange.sender, exchange.worker_id) == ("worker", worker.id)


def test_answers_of_a_route_come_in_time(app: App, worker: SharedWorker, clock: Clock) -> None:
    def mock(socket: WebSocketRoute) -> None:
        socket.on_message(lambda message: socket.send(f"mock of {message!s}"))

    app.gateway.route_web_socket("**/socket", mock)
    worker.evaluate(HEARTBEAT)
    clock.run_for(65_000)
    assert read_log(worker) == [["mock of ping", time] for time in (20_000, 40_000, 60_000)]


def test_answers_to_several_messages_come_in_time(worker: SharedWorker, clock: Clock) -> None:
    worker.evaluate("""() => {
        const socket = new WebSocket("ws:" + location.host + "/socket");
        socket.addEventListener("message", ({ data }) => note(data));
        setTimeout(() => [1, 2, 3].forEach((number) => socket.send(number)), 1000);
        setTimeout(note, 1001, "after");
    }""")
    clock.run_for(2_000)
    assert read_log(worker) == [*([f"answer to {n}", 1_000] for n in (1, 2, 3)), ["after", 1_001]]


def test_blob_of_a_message_is_read_before_time_moves(worker: SharedWorker, clock: Clock) -> None:
    worker.evaluate("""() => {
        const socket = new WebSocket("ws:" + location.host + "/socket");
        socket.onmessage = async ({ data }) => note(await new Response(data).text());
        setTimeout(() => socket.send(new TextEncoder().encode("bytes")), 1000);
        setTimeout(note, 1001, "after");
    }""")
    clock.run_for(2_000)
    assert read_log(worker) == [["bytes", 1_000], ["after", 1_001]]


CONNECTIONS = {
    "WebSocket": "new WebSocket(`ws:${location.host}/silent`)",
    "subclass": "new (class extends WebSocket {})(`ws:${location.host}/silent`)",
    "EventSource": "new EventSource('/events')",
}


@pytest.mark.parametrize("connect", CONNECTIONS.values(), ids=CONNECTIONS.keys())
def test_clock_waits_until_a_socket_is_open(worker: SharedWorker, clock: Clock, connect: str) -> None:
    worker.evaluate(f"""() => {{
        setTimeout(() => {{ {connect}.onopen = () => note("open"); }}, 1000);
        setTimeout(note, 1001, "after");
    }}""")
    clock.run_for(2_000)
    assert read_log(worker) == [["open", 1_000], ["after", 1_001]]


@pytest.mark.parametrize("connect", CONNECTIONS.values(), ids=CONNECTIONS.keys())
def test_latency_of_a_handshake_is_exact(app: App, worker: SharedWorker, clock: Clock, connect: str) -> None:
    app.gateway.add_toxic(Latency(latency=5_000), on="/{silent,events}")
    worker.evaluate(f"""() => {{
        setTimeout(() => {{ {connect}.onopen = () => note("open"); }}, 1000);
        setTimeout(note, 6001, "after");
    }}""")
    clock.run_for(7_000)
    assert read_log(worker) == [["open", 6_000], ["after", 6_001]]


@pytest.mark.parametrize("connect", CONNECTIONS.values(), ids=CONNECTIONS.keys())
def test_handshake_without_end_does_not_stop_the_clock(
    app: App, worker: SharedWorker, clock: Clock, connect: str
) -> None:
    app.gateway.add_toxic(Timeout(), on="/{silent,events}")
    worker.evaluate(f"() => {{ {connect}; setTimeout(note, 1000, 'timer'); }}")
    clock.run_for(1_000, timeout=10_000)
    assert read_log(worker) == [["timer", 1_000]]


@pytest.mark.parametrize("connect", CONNECTIONS.values(), ids=CONNECTIONS.keys())
def test_idle_socket_does_not_stop_the_clock(worker: SharedWorker, clock: Clock, connect: str) -> None:
    worker.evaluate(f"() => {{ self.kept = {connect}; setInterval(() => {{}}, 1000); }}")
    clock.run_for(1_000)
    started = time.monotonic()
    clock.run_for(600_000)
    assert time.monotonic() - started < 5
    assert clock.state()["pending"] == []


def test_message_that_the_server_has_sent_arrives_before_time_moves(
    worker: SharedWorker, clock: Clock, server: MessageServer, sharedworker_loop: LoopThread
) -> None:
    worker.evaluate("""() => {
        const socket = new WebSocket(`ws:${location.host}/silent`);
        socket.onmessage = ({ data }) => note(data);
        const stream = new EventSource("/events");
        stream.onmessage = ({ data }) => note(data);
        setTimeout(note, 1000, "timer");
    }""")
    clock.settle()
    sharedworker_loop.run(server.push("news"))
    clock.run_for(1_000)
    assert read_log(worker) == [["news", 0], ["news", 0], ["timer", 1_000]]


def test_message_of_a_route_arrives_before_time_moves(app: App, worker: SharedWorker, clock: Clock) -> None:
    rule = app.gateway.route_web_socket("**/socket", lambda socket: None)
    worker.evaluate("""() => {
        const socket = new WebSocket(`ws:${location.host}/socket`);
        socket.onmessage = ({ data }) => note(data);
        socket.onclose = ({ code }) => note(code);
    }""")
    clock.settle()
    for number in range(20):
        rule.routes[0].send(str(number))
    clock.run_for(1_000)
    rule.routes[0].close(code=4001)
    clock.run_for(1_000)
    assert read_log(worker) == [*([str(number), 0] for number in range(20)), [4001, 1_000]]


def test_event_that_a_request_causes_arrives_before_time_moves(worker: SharedWorker, clock: Clock) -> None:
    worker.evaluate("""() => {
        const stream = new EventSource("/events");
        stream.onmessage = ({ data }) => note(data);
        stream.addEventListener("news", ({ data }) => note(data));
        setTimeout(() => fetch("/say", { method: "POST", body: "hello" }), 1000);
        setTimeout(note, 1001, "after");
    }""")
    clock.run_for(2_000)
    assert read_log(worker) == [["hello", 1_000], ["hello again", 1_000], ["after", 1_001]]


def test_events_count_when_a_stream_has_connected_again(
    app: App,
    worker: SharedWorker,
    clock: Clock,
    server: MessageServer,
    sharedworker_loop: LoopThread,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    passed_on: list[dict[str, int]] = []
    settle = SocketCounts.settle

    async def settle_and_note(counts: SocketCounts, sent: int) -> dict[str, int]:
        passed_on.append(await settle(counts, sent))
        return passed_on[-1]

    monkeypatch.setattr(SocketCounts, "settle", settle_and_note)
    worker.evaluate("""() => {
        self.opened = 0;
        const stream = new EventSource("/events");
        stream.onopen = () => { opened++; };
        stream.onmessage = ({ data }) => note(data);
        stream.addEventListener("news", ({ data }) => note(data));
    }""")
    clock.settle()
    sharedworker_loop.run(server.push("first"))
    clock.run_for(1_000)
    for count in (2, 3):
        sharedworker_loop.run(server.end_streams())
        worker.wait_for_function(f"opened === {count}")
    passed_on.clear()
    worker.evaluate("() => { setTimeout(() => fetch('/say', { method: 'POST', body: 'hello' }), 1000); }")
    clock.run_for(2_000)
    assert read_log(worker) == [["first", 0], ["hello", 2_000], ["hello again", 2_000]]
    # The clock has asked for the events of the third stream, and has waited for them.
    assert passed_on[-1] == {"news": 1, "message": 1}
    streams = app.gateway.journal.select("GET /events")
    assert {(each.worker_id, each.request_number) for each in streams} == {(worker.id, 1)}


@pytest.mark.parametrize(("end", "code"), [("socket.send('end')", 4001), ("socket.close()", 1000)])
def test_clock_waits_until_a_socket_is_closed(
    worker: SharedWorker, clock: Clock, end: str, code: int
) -> None:
    worker.evaluate(f"""() => {{
        const socket = new WebSocket(`ws:${{location.host}}/socket`);
        socket.onclose = ({{ code }}) => note(code);
        setTimeout(() => {{ {end}; }}, 1000);
        setTimeout(note, 1001, "after");
    }}""")
    clock.run_for(2_000)
    assert read_log(worker) == [[code, 1_000], ["after", 1_001]]


def test_messages_without_an_answer_delay_the_clock_for_a_moment_only(
    worker: SharedWorker, clock: Clock
) -> None:
    worker.evaluate("""() => {
        const socket = new WebSocket(`ws:${location.host}/silent`);
        socket.onopen = () => setInterval(() => socket.send("event"), 1000);
    }""")
    # A quarter of a second for each of 300 messages would take longer.
    clock.run_for(300_000, timeout=60_000)
    assert clock.now == 300_000


def test_refused_socket_does_not_stop_the_clock(worker: SharedWorker, clock: Clock) -> None:
    worker.evaluate(
        """(port) => {
            for (const url of [`ws:${location.host}/missing`, `ws://127.0.0.1:${port}/closed`]) {
                new WebSocket(url).onclose = ({ code }) => note(code);
            }
            setTimeout(note, 1000, "timer");
        }""",
        unused_port(),  # WebKit reports no end of a socket to a port that browsers block, such as 9.
    )
    clock.run_for(1_000)
    assert read_log(worker) == [[1006, 0], [1006, 0], ["timer", 1_000]]


def test_app_and_server_see_the_urls_of_the_worker(
    app: App, worker: SharedWorker, clock: Clock, server: MessageServer
) -> None:
    url = f"ws://{app.gateway.url.removeprefix('http://')}/silent?a=%20b"
    urls = worker.evaluate(
        """(url) => {
            const socket = new WebSocket(url);
            const stream = new EventSource("/events?a");
            socket.onopen = ({ target }) => note(target.url);
            return [socket.url, stream.url, WebSocket.name, WebSocket.OPEN, socket.constructor === WebSocket];
        }""",
        url,
    )
    clock.settle()
    assert urls == [url, f"{app.gateway.url}/events?a", "WebSocket", 1, True]
    assert read_log(worker) == [[url, 0]]
    assert sorted(server.targets) == ["/events?a", "/silent?a=%20b"]


def test_wrong_urls_throw_as_in_the_browser(worker: SharedWorker) -> None:
    errors = worker.evaluate("""() => [
        () => new WebSocket("ftp://server/"), () => new WebSocket("http://["), () => new WebSocket(),
        () => WebSocket("ws://server/"), () => new WebSocket(`ws:${location.host}/`, ["a", "a"]),
        () => new EventSource("http://["),
    ].map((create) => { try { create(); return "none"; } catch (error) { return error.name; } })""")
    assert errors == ["SyntaxError", "SyntaxError", "TypeError", "TypeError", "SyntaxError", "SyntaxError"]


def test_sockets_of_tab_and_worker_are_told_apart(app: App, worker: SharedWorker, clock: Clock) -> None:
    worker.evaluate("""() => {
        setTimeout(() => {
            const socket = new WebSocket(`ws:${location.host}/socket`);
            socket.onopen = () => socket.send("worker");
        }, 1000);
    }""")
    [page] = app.context.pages
    page.evaluate("""() => {
        const socket = new WebSocket(`ws:${location.host}/socket`);
        socket.onopen = () => socket.send("tab");
    }""")
    app.gateway.journal.wait_for("GET /socket", ended=False)
    clock.run_for(1_000)
    exchanges = app.gateway.journal.select("GET /socket")
    senders = {exchange.messages[0].data: exchange.sender for exchange in exchanges}
    assert senders == {"tab": "unknown", "worker": "worker"}


def test_ignored_socket_does_not_stop_the_clock(app: App, worker: SharedWorker, clock: Clock) -> None:
    clock.ignore_requests("/silent")
    worker.evaluate("""() => {
        const socket = new WebSocket(`ws:${location.host}/silent`);
        socket.onopen = () => setInterval(() => socket.send("event"), 1000);
    }""")
    app.gateway.journal.wait_for("GET /silent", ended=False)
    started = time.monotonic()
    clock.run_for(60_000)
    assert time.monotonic() - started < 2
