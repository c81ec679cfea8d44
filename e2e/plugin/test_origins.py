"""Any origin: pages, workers and their APIs at https names, through the gateway's proxy."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from pytest_sharedworker import (
    Clock,
    Gateway,
    GatewayOrigin,
    Latency,
    ResetPeer,
    SharedWorkers,
    WebSocketRoute,
)

pytestmark = pytest.mark.gateway_proxy

PAGE = "<!doctype html><script>new SharedWorker('/worker.js').port.start()</script>"


def test_worker_at_http_name(
    page: Page, gateway: Gateway, shared_workers: SharedWorkers, worker_clock: Clock
) -> None:
    app = gateway.origin("http://app.example.test")
    app.serve("/", PAGE)
    app.serve("/worker.js", "onconnect = () => {}; setInterval(() => fetch('/api'), 60_000);")
    app.serve("/api", "fine")
    gateway.add_worker_script("http://app.example.test/worker.js")
    page.goto("http://app.example.test/")
    shared_workers.wait_for("http://app.example.test/worker.js")
    worker_clock.run_for("03:00")
    polls = gateway.journal.select("http://app.example.test/api")
    assert [(each.status, each.sender, each.virtual_time) for each in polls] == [
        (200, "worker", 60_000),
        (200, "worker", 120_000),
        (200, "worker", 180_000),
    ]


def test_worker_at_https_name(
    page: Page, gateway: Gateway, shared_workers: SharedWorkers, worker_clock: Clock
) -> None:
    app = gateway.origin("https://app.example.test")
    app.serve("/", PAGE)
    app.serve("/worker.js", "onconnect = () => {}; setInterval(() => fetch('/api'), 60_000);")
    app.serve("/api", "fine")
    page.goto("https://app.example.test/")
    worker = shared_workers.wait_for("**/worker.js")
    worker_clock.run_for("01:00")
    assert worker.evaluate("[isSecureContext, typeof crypto.randomUUID, typeof navigator.locks]") == [
        True,
        "function",
        "object",
    ]
    [poll] = gateway.journal.select("https://app.example.test/api")
    assert (poll.url, poll.sender, poll.virtual_time) == ("https://app.example.test/api", "worker", 60_000)


@pytest.fixture
def app_and_api(gateway: Gateway) -> tuple[GatewayOrigin, GatewayOrigin]:
    """Return an app at one https origin and its API at another one, which allows the app's requests."""
    app = gateway.origin("https://app.example.test")
    api = gateway.origin("https://api.example.test")
    app.serve("/", PAGE)
    app.serve(
        "/worker.js",
        """
            self.log = [];
            onconnect = () => {};
            const send = async () => {
                try {
                    const response = await fetch("https://api.example.test/events", {
                        method: "POST", body: "[1]", headers: { "content-type": "application/json" },
                    });
                    log.push(await response.text());
                } catch (error) {
                    log.push(error.name);
                }
            };
            setInterval(send, 60_000);
        """,
    )
    allowed = {"Access-Control-Allow-Origin": app.url, "Access-Control-Allow-Headers": "content-type"}
    api.serve("/events", "stored", headers=allowed)
    return app, api


def test_requests_to_another_origin(
    app_and_api: tuple[GatewayOrigin, GatewayOrigin],
    page: Page,
    gateway: Gateway,
    shared_workers: SharedWorkers,
    worker_clock: Clock,
) -> None:
    app, api = app_and_api
    page.goto(f"{app.url}/")
    worker = shared_workers.wait_for("**/worker.js")
    worker_clock.run_for("01:00")
    preflight, post = gateway.journal.select("https://api.example.test/events")
    assert (preflight.method, preflight.sender, preflight.worker_id) == ("OPTIONS", "worker", worker.id)
    assert (post.method, post.sender, post.worker_id) == ("POST", "worker", worker.id)
    assert (post.request_body, post.virtual_time, post.status) == (b"[1]", 60_000, 200)
    assert post.request_headers["Origin"] == app.url

    # The connection breaks; the worker sees the network's error.
    with gateway.add_toxic(ResetPeer(), on="POST https://api.example.test/**") as toxic:
        worker_clock.run_for("01:00")
    assert toxic.hits == 1

    # Virtual time brings about the end of a delay: in the journal it is the request's, not the test's.
    with api.add_toxic(Latency(latency=30_000), on="POST /events"):
        worker_clock.run_for("01:30")
    delayed = gateway.journal.select("POST https://api.example.test/events")[-1]
    assert delayed.paused_seconds == 30
    assert (delayed.ended_seconds or 0) - delayed.started_seconds < 10

    # A route of this origin responds instead.
    allowed = {"Access-Control-Allow-Origin": app.url}
    rule = api.route("POST /events", lambda route: route.fulfill(body="mocked", headers=allowed))
    worker_clock.run_for("00:30")
    assert len(rule.routes) == 1
    assert worker.evaluate("log") == ["stored", "TypeError", "stored", "mocked"]


def test_delay_of_a_preflight_is_virtual(
    app_and_api: tuple[GatewayOrigin, GatewayOrigin],
    page: Page,
    gateway: Gateway,
    shared_workers: SharedWorkers,
    worker_clock: Clock,
) -> None:
    app, api = app_and_api
    page.goto(f"{app.url}/")
    worker = shared_workers.wait_for("**/worker.js")
    with api.add_toxic(Latency(latency=20_000), on="OPTIONS /events"):
        worker_clock.run_for("01:19")
        assert worker.evaluate("log") == []
        worker_clock.run_for("00:02")
    assert worker.evaluate("log") == ["stored"]


@pytest.mark.parametrize("host", ["app.example.test", "sockets.example.test:8443"])
def test_web_socket_over_tls(
    host: str, page: Page, gateway: Gateway, shared_workers: SharedWorkers, worker_clock: Clock
) -> None:
    app = gateway.origin("https://app.example.test")
    sockets = gateway.origin(f"https://{host}")
    app.serve("/", PAGE)
    app.serve(
        "/worker.js",
        f"""
            self.texts = [];
            onconnect = () => {{}};
            const socket = new WebSocket("wss://{host}/socket?a=b");
            socket.onopen = () => socket.send("hello");
            socket.onmessage = ({{ data }}) => texts.push(data);
        """,
    )
    urls = []

    def echo(socket: WebSocketRoute) -> None:
        urls.append(socket.url)
        socket.on_message(lambda message: socket.send(f"echo of {message!s}"))

    sockets.route_web_socket("/socket?a=b", echo)
    page.goto(f"{app.url}/")
    worker = shared_workers.wait_for("**/worker.js")
    assert worker.wait_for_function("texts[0]") == "echo of hello"
    [exchange] = gateway.journal.select(f"https://{host}/socket?a=b")
    assert (exchange.status, exchange.sender, exchange.worker_id) == (101, "worker", worker.id)
    assert [message.data for message in exchange.messages] == ["hello", "echo of hello"]
    assert urls == [f"wss://{host}/socket?a=b"]
