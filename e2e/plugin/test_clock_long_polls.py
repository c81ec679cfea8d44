"""Virtual time, and requests that stay open: long polls, and those that the browser has not sent yet."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from aiohttp import web
from playwright.sync_api import Browser

from e2e.plugin.app import App, read_log
from pytest_sharedworker import Clock, ClockError, GatewayError, Latency, SharedWorker
from pytest_sharedworker.gateway.patterns import URLMatch
from pytest_sharedworker.integration.event_loop_thread import LoopThread

SHORT_MS = 3_000
"""Shorter than the clock's patience with a request."""
STALL_SECONDS = 7
"""Longer than that."""


class PollServer:
    """Serve long polls, which it answers when the test has it do so."""

    def __init__(self) -> None:
        self.on_stall: Callable[[], None] = lambda: None
        self._news = asyncio.Event()
        self._polled = asyncio.Event()
        self._runner: web.AppRunner | None = None

    async def start(self) -> str:
        app = web.Application()
        app.router.add_get("/changes", self._poll)
        app.router.add_get("/pieces", self._poll_in_pieces)
        app.router.add_get("/data", self._respond)
        app.router.add_get("/stall", self._stall)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def answer(self) -> None:
        """Wait for a poll, which the clock did not wait for, and answer it."""
        await self._polled.wait()
        self._polled.clear()
        self._news.set()
        self._news = asyncio.Event()

    async def stop(self) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _poll(self, request: web.Request) -> web.Response:
        await self._wait_for_news()
        # WebKit answers a repeated XMLHttpRequest from memory where nothing forbids it.
        return web.Response(text="news", headers={"Cache-Control": "no-store"})

    async def _poll_in_pieces(self, request: web.Request) -> web.StreamResponse:
        """Send the headers and the begin of the body at once."""
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"no ")
        await self._wait_for_news()
        await response.write(b"news")
        return response

    async def _wait_for_news(self) -> None:
        news = self._news
        self._polled.set()
        await news.wait()

    async def _stall(self, request: web.Request) -> web.Response:
        self.on_stall()
        return web.Response(text="data")

    async def _respond(self, request: web.Request) -> web.Response:
        return web.Response(text="data")


@pytest.fixture
def poll_server() -> PollServer:
    """Return the server behind the gateway."""
    return PollServer()


@pytest.fixture
def gateway_upstream(sharedworker_loop: LoopThread, poll_server: PollServer) -> Iterator[str]:
    """Start the server behind the gateway; return its origin."""
    yield sharedworker_loop.run(poll_server.start())
    sharedworker_loop.run(poll_server.stop())


def find_network_process(browser: Browser) -> int:
    """Return the id of the process that sends and receives all that a Chromium's workers do."""
    processes = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
    (process_id,) = [int(each["id"]) for each in processes if "network" in each["type"]]
    return process_id


def stall(process_id: int) -> None:
    """Stop a process for STALL_SECONDS."""
    os.kill(process_id, signal.SIGSTOP)
    threading.Timer(STALL_SECONDS, os.kill, [process_id, signal.SIGCONT]).start()


def list_pending(clock: Clock) -> list[dict[str, Any]]:
    pending: Any = clock.state()["pending"]
    return list(pending)


POLLS = {
    "fetch": "(function poll() { fetch('/changes').then(() => note('news')).finally(poll); })()",
    "body": """(function poll() {
        fetch('/pieces').then((response) => response.clone().text()).then(note).finally(poll);
    })()""",
    "request": """(function poll() {
        fetch(new Request('/changes', { cache: 'no-store' })).then(() => note('news')).finally(poll);
    })()""",
    "XMLHttpRequest": """(function poll() {
        const request = new XMLHttpRequest();
        request.onload = () => note("news");
        request.onloadend = poll;
        request.open("GET", "/changes");
        request.send();
    })()""",
}


@pytest.mark.parametrize("poll", POLLS.values(), ids=POLLS.keys())
def test_long_poll_stops_the_clock_for_its_patience_only(
    app: App, worker: SharedWorker, clock: Clock, poll: str
) -> None:
    worker.evaluate(f"() => {{ setInterval(note, 1000, 'tick'); {poll}; }}")
    clock.run_for(2_000)
    assert read_log(worker) == [["tick", 1_000], ["tick", 2_000]]
    assert [item["held"] for item in list_pending(clock)] == [True]


@pytest.mark.only_browser("chromium")
def test_clock_waits_for_a_browser_that_stalls(
    browser: Browser, worker: SharedWorker, clock: Clock, poll_server: PollServer
) -> None:
    worker.evaluate("""() => {
        setTimeout(() => fetch("/stall").then(() => note("response")), 1000);
        setTimeout(note, 2000, "later");
    }""")
    poll_server.on_stall = partial(stall, find_network_process(browser))
    clock.run_for(2_000)
    assert read_log(worker) == [["response", 1_000], ["later", 2_000]]


def test_long_poll_is_named_where_the_timeout_is_shorter(worker: SharedWorker, clock: Clock) -> None:
    worker.evaluate(POLLS["fetch"])
    with pytest.raises(ClockError, match=r"still waits for: GET /changes; .*ignore_requests"):
        clock.run_for(1_000, timeout=500)


@pytest.mark.parametrize("poll", POLLS.values(), ids=POLLS.keys())
def test_ignored_long_poll_does_not_stop_the_clock(
    app: App,
    worker: SharedWorker,
    clock: Clock,
    sharedworker_loop: LoopThread,
    poll_server: PollServer,
    poll: str,
) -> None:
    app.workers.clock.ignore_requests("/{changes,pieces}")
    worker.evaluate(f"() => {{ setTimeout(() => {{ {poll}; }}, 1000); setInterval(note, 10000, 'tick'); }}")
    clock.run_for(20_000, timeout=SHORT_MS)
    assert read_log(worker) == [["tick", 10_000], ["tick", 20_000]]
    sharedworker_loop.run(poll_server.answer())
    worker.wait_for_function("log.length === 3")
    clock.run_for(10_000, timeout=SHORT_MS)
    assert [time for _, time in read_log(worker)] == [10_000, 20_000, 20_000, 30_000]


def test_request_that_is_pending_can_be_ignored(worker: SharedWorker, clock: Clock) -> None:
    worker.evaluate(f"() => {{ {POLLS['fetch']}; setTimeout(note, 1000, 'timer'); }}")
    clock.ignore_requests("GET **/changes")
    clock.run_for(1_000, timeout=SHORT_MS)
    assert read_log(worker) == [["timer", 1_000]]


def test_clock_waits_for_requests_that_are_not_ignored(app: App, worker: SharedWorker, clock: Clock) -> None:
    clock.ignore_requests("/changes")
    worker.evaluate(f"""() => {{
        {POLLS["fetch"]};
        setTimeout(async () => {{ note(await (await fetch("/data")).text()); }}, 1000);
        setTimeout(note, 1001, "after");
    }}""")
    clock.run_for(2_000, timeout=SHORT_MS)
    assert read_log(worker) == [["data", 1_000], ["after", 1_001]]


def test_worker_that_starts_later_ignores_requests_too(app: App) -> None:
    app.workers.clock.ignore_requests("/changes")
    worker = app.start(f"self.onconnect = () => {{}}; {POLLS['fetch']};")
    app.workers.clock.run_for(1_000, timeout=SHORT_MS)
    assert worker.clock.now == 1_000


ELSEWHERE = "https://api.example.test/changes"
REQUESTS_ELSEWHERE: dict[str, tuple[str, URLMatch]] = {
    "fetch": (f"fetch('{ELSEWHERE}', {{ mode: 'no-cors' }})", ELSEWHERE),
    "WebSocket": ("new WebSocket('wss://api.example.test/changes')", "wss://api.example.test/*"),
    "handshake": ("new WebSocket('wss://api.example.test/changes')", re.compile("^https://api")),
    "redirect": ("fetch('/moved', { mode: 'no-cors' })", lambda url: url == ELSEWHERE),
    "own origin": ("fetch('/changes')", "/changes"),
    "own origin by another name": ("new WebSocket(`ws://localhost:${location.port}/changes`)", "/changes"),
}


@pytest.mark.gateway_proxy
@pytest.mark.parametrize("title", REQUESTS_ELSEWHERE)
def test_requests_to_any_origin_can_be_ignored(
    app: App, worker: SharedWorker, clock: Clock, gateway_upstream: str, title: str
) -> None:
    request, pattern = REQUESTS_ELSEWHERE[title]
    app.gateway.origin("https://api.example.test", upstream=gateway_upstream)
    app.gateway.serve("/moved", status=302, headers={"Location": ELSEWHERE})
    clock.ignore_requests(pattern)
    worker.evaluate(f"() => {{ {request}; setTimeout(note, 1000, 'timer'); }}")
    clock.run_for(1_000, timeout=SHORT_MS)
    assert read_log(worker) == [["timer", 1_000]]


@pytest.mark.gateway_proxy
@pytest.mark.parametrize("pattern", ["/changes", "https://other.example.test/changes"])
def test_clock_waits_for_requests_to_an_origin_that_is_not_ignored(
    app: App, worker: SharedWorker, clock: Clock, gateway_upstream: str, pattern: str
) -> None:
    app.gateway.origin("https://api.example.test", upstream=gateway_upstream)
    clock.ignore_requests(pattern)
    worker.evaluate(f"() => {{ {REQUESTS_ELSEWHERE['fetch'][0]}; }}")
    with pytest.raises(ClockError, match=f"still waits for: GET {ELSEWHERE}"):
        clock.run_for(1_000, timeout=500)


def test_pattern_that_cannot_match_is_an_error(app: App, clock: Clock) -> None:
    for each in (clock, app.workers.clock):
        with pytest.raises(GatewayError, match="cannot match any request"):
            each.ignore_requests("POTS /changes")


def test_request_behind_the_cache_lock_of_another_does_not_stop_the_clock(
    app: App, worker: SharedWorker, clock: Clock
) -> None:
    app.gateway.serve("/data.json", "{}", headers={"Cache-Control": "max-age=0"})
    app.gateway.add_toxic(Latency(latency=5_000), on="/data.json")
    worker.evaluate("""() => {
        for (const title of ["first", "second"]) fetch("/data.json").then(() => note(title));
        setTimeout(note, 30000, "timer");
    }""")
    clock.run_for(30_000, timeout=10_000)
    log = dict(read_log(worker))
    assert log["first"] == 5_000
    assert log["second"] in (5_000, 10_000)  # The browser may send it together with the first.
    assert log["timer"] == 30_000


def test_request_without_a_free_connection_does_not_stop_the_clock(
    app: App, worker: SharedWorker, clock: Clock
) -> None:
    app.gateway.add_toxic(Latency(latency=5_000), on="/data?*")
    worker.evaluate("""() => {
        for (let number = 0; number < 8; number++) fetch("/data?" + number).then(() => note(number));
        setTimeout(note, 30000, "timer");
    }""")
    clock.run_for(30_000, timeout=10_000)
    times = [time for _, time in read_log(worker)]
    assert times == [5_000] * 6 + [10_000] * 2 + [30_000]
