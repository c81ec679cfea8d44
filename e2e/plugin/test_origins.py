"""Any origin: pages, workers and their APIs at https names, through the gateway's proxy."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import Page

from pytest_sharedworker import (
    Clock,
    Gateway,
    GatewayOrigin,
    Latency,
    PersistentBrowser,
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


def test_inline_worker_imports_a_script_of_another_origin(
    page: Page, gateway: Gateway, shared_workers: SharedWorkers, worker_clock: Clock
) -> None:
    app, cdn = gateway.origin("https://app.example.test"), gateway.origin("https://cdn.example.test")
    app.serve("/", "<!doctype html>")
    app.serve("/api", "fine", headers={"Access-Control-Allow-Origin": "*"})
    cdn.serve("/worker.js", "setInterval(() => fetch('https://app.example.test/api'), 60_000);")
    page.goto("https://app.example.test/")
    page.evaluate(
        """() => {
            const text = "importScripts('https://cdn.example.test/worker.js')";
            const url = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
            new SharedWorker(url, "inline").port.start();
        }"""
    )
    shared_workers.wait_for(name="inline")
    worker_clock.run_for("02:00")
    polls = gateway.journal.select("https://app.example.test/api")
    assert [(each.sender, each.virtual_time) for each in polls] == [("worker", 60_000), ("worker", 120_000)]
    [script] = gateway.journal.select("https://cdn.example.test/worker.js")
    assert script.sender == "worker"


def test_persistent_browser_reaches_the_origins_before_and_after_a_kill(
    persistent_browser: PersistentBrowser, gateway: Gateway, shared_workers: SharedWorkers
) -> None:
    app = gateway.origin("https://app.example.test")
    app.serve("/", PAGE)
    app.serve("/worker.js", "self.runs = 1; onconnect = () => {};")
    for context in (persistent_browser.context, None):
        page = (context or persistent_browser.reopen()).new_page()
        page.goto("https://app.example.test/")
        assert shared_workers.wait_for("**/worker.js").evaluate("runs") == 1
        persistent_browser.kill()
    assert len(gateway.journal.select("https://app.example.test/worker.js")) == 2


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
    with gateway.expect_web_socket_message(
        f"wss://{host}/socket?a=b", lambda message: message.sender == "server"
    ) as info:
        page.goto(f"{app.url}/")
    assert info.value.data == "echo of hello"
    worker = shared_workers.wait_for("**/worker.js")
    assert worker.wait_for_function("texts[0]") == "echo of hello"
    [exchange] = gateway.journal.select(f"https://{host}/socket?a=b")
    assert (exchange.status, exchange.sender, exchange.worker_id) == (101, "worker", worker.id)
    assert [message.data for message in exchange.messages] == ["hello", "echo of hello"]
    assert urls == [f"wss://{host}/socket?a=b"]


def test_module_worker_under_a_content_security_policy(
    page: Page, gateway: Gateway, shared_workers: SharedWorkers, worker_clock: Clock
) -> None:
    app = gateway.origin("https://app.example.test")
    policy = {"Content-Security-Policy": "default-src 'self'; script-src 'self' 'unsafe-inline'"}
    app.serve("/", PAGE.replace("'/worker.js'", "'/worker.js', { type: 'module' }"), headers=policy)
    app.serve(
        "/worker.js",
        """
            import { path } from "/path.js";
            onconnect = () => {};
            setInterval(() => {
                const names = performance.getEntriesByType("resource").map((entry) => entry.name);
                fetch(path, { method: "POST", body: JSON.stringify(names) });
            }, 1_000);
        """,
        headers=policy,
    )
    app.serve("/path.js", "export const path = '/names';", headers=policy)
    app.serve("/names")
    page.goto(f"{app.url}/")
    shared_workers.wait_for("**/worker.js")
    worker_clock.run_for(1_000)
    [post] = gateway.journal.select("POST https://app.example.test/names")
    # The plugin's own requests are hidden on https, too.
    assert [name for name in post.json() if "path.js" not in name] == []


def test_senders_of_requests_to_another_origin(
    app_and_api: tuple[GatewayOrigin, GatewayOrigin],
    page: Page,
    gateway: Gateway,
    shared_workers: SharedWorkers,
    worker_clock: Clock,
) -> None:
    app, api = app_and_api
    allowed = {"Access-Control-Allow-Origin": "*"}
    for name in ("tab", "xhr", "target"):
        api.serve(f"/{name}", name, headers=allowed)
    app.serve("/moved", status=307, headers={"Location": f"{api.url}/target"})
    page.goto(f"{app.url}/")
    worker = shared_workers.wait_for("**/worker.js")
    assert page.evaluate("fetch('https://api.example.test/tab').then((r) => r.text())") == "tab"
    assert worker.evaluate("fetch('/moved', { method: 'POST', body: 'x' }).then((r) => r.text())") == "target"
    xhr = """new Promise((resolve) => {
        const request = new XMLHttpRequest();
        request.onload = () => resolve(request.responseText);
        request.open("GET", "https://api.example.test/xhr");
        request.send();
    })"""
    assert worker.evaluate(xhr) == "xhr"
    seen = {each.path: (each.sender, each.worker_id) for each in gateway.journal.select(f"{api.url}/**")}
    own = ("worker", worker.id)
    assert seen == {"/tab": ("tab", None), "/target": own, "/xhr": own}


def test_many_delayed_requests_to_many_origins(
    page: Page, gateway: Gateway, shared_workers: SharedWorkers, worker_clock: Clock, browser_name: str
) -> None:
    # Chromium sends six of them at a time to each host, Firefox all of them.
    hosts = [f"api{number}.example.test" for number in range(8)]
    for host in hosts:
        gateway.origin(f"http://{host}").serve("/slow", "fine")
    gateway.serve("/", PAGE)
    gateway.serve(
        "/worker.js",
        f"""
            self.times = [];
            onconnect = () => {{}};
            self.start = () => {{
                for (const host of {json.dumps(hosts)}) for (let number = 0; number < 7; number++) {{
                    fetch(`http://${{host}}/slow?${{number}}`, {{ mode: "no-cors" }})
                        .then(() => times.push(performance.now()));
                }}
            }};
        """,
    )
    page.goto("/")
    worker = shared_workers.wait_for("**/worker.js")
    gateway.add_toxic(Latency(latency=5_000), on="**/slow?*")
    worker.evaluate("() => start()")
    worker_clock.run_for(10_000)
    at_once = 56 if browser_name == "firefox" else 48
    assert worker.evaluate("times") == [5_000] * at_once + [10_000] * (56 - at_once)


def test_worker_goes_offline_for_all_origins(
    app_and_api: tuple[GatewayOrigin, GatewayOrigin],
    page: Page,
    gateway: Gateway,
    shared_workers: SharedWorkers,
) -> None:
    app, api = app_and_api
    page.goto(f"{app.url}/")
    worker = shared_workers.wait_for("**/worker.js")
    with worker.offline():
        assert worker.evaluate("fetch('https://api.example.test/events').catch((e) => e.name)") == "TypeError"
    assert gateway.journal.select(f"{api.url}/**") == []


def test_own_origin_and_localhost_work_as_before(
    page: Page, gateway: Gateway, shared_workers: SharedWorkers, worker_clock: Clock
) -> None:
    for origin in (gateway, gateway.origin("http://localhost:5173")):
        origin.serve("/", PAGE)
        origin.serve("/worker.js", "onconnect = () => {}; setInterval(() => fetch('/api'), 60_000);")
        origin.serve("/api", "fine")
    page.goto("/")
    shared_workers.wait_for(f"{gateway.url}/worker.js")
    worker_clock.run_for("01:00")
    page.goto("http://localhost:5173/")
    shared_workers.wait_for("http://localhost:5173/worker.js")
    worker_clock.run_for("01:00")
    polls = [(each.url, each.sender) for each in gateway.journal.select("**/api")]
    assert polls == [(f"{gateway.url}/api", "worker"), ("http://localhost:5173/api", "worker")]


def test_har_has_the_urls_of_all_origins(
    app_and_api: tuple[GatewayOrigin, GatewayOrigin],
    page: Page,
    gateway: Gateway,
    shared_workers: SharedWorkers,
    worker_clock: Clock,
    tmp_path: Path,
) -> None:
    app, api = app_and_api
    page.goto(f"{app.url}/")
    shared_workers.wait_for("**/worker.js")
    worker_clock.run_for("01:00")
    archive = json.loads(gateway.save_har(tmp_path / "journal.har").read_text(encoding="utf-8"))
    urls = [(entry["request"]["method"], entry["request"]["url"]) for entry in archive["log"]["entries"]]
    assert ("GET", f"{app.url}/worker.js") in urls
    assert urls[-2:] == [("OPTIONS", f"{api.url}/events"), ("POST", f"{api.url}/events")]


@pytest.mark.worker_clock("devtools")
def test_devtools_clock_at_https_name(page: Page, gateway: Gateway, shared_workers: SharedWorkers) -> None:
    app = gateway.origin("https://app.example.test")
    app.serve("/", PAGE)
    app.serve(
        "/worker.js", "onconnect = () => {}; setInterval(async () => (await fetch('/api')).text(), 60_000);"
    )
    app.serve("/api", "fine")
    page.goto(f"{app.url}/")
    shared_workers.wait_for("**/worker.js")
    shared_workers.clock.run_for("01:00")
    assert [each.sender for each in gateway.journal.wait_for(f"{app.url}/api")] == ["worker"]


@pytest.mark.parametrize("kind", ["blob", "data"])
def test_inline_worker_of_an_https_page(
    kind: str, page: Page, gateway: Gateway, shared_workers: SharedWorkers, worker_clock: Clock
) -> None:
    app = gateway.origin("https://app.example.test")
    api = gateway.origin("https://api.example.test")
    script = "onconnect = () => {}; setInterval(() => fetch('https://api.example.test/poll'), 60_000);"
    url = f"data:text/javascript,{script}" if kind == "data" else None
    app.serve(
        "/",
        f"""<!doctype html><script>
            const script = new Blob([{json.dumps(script)}], {{ type: "text/javascript" }});
            new SharedWorker({json.dumps(url)} ?? URL.createObjectURL(script)).port.start();
        </script>""",
    )
    api.serve("/poll", "fine", headers={"Access-Control-Allow-Origin": "*"})
    page.goto(f"{app.url}/")
    worker = shared_workers.wait_for(f"{kind}:**")
    worker_clock.run_for("01:00")
    [poll] = gateway.journal.select(f"{api.url}/poll")
    assert (poll.sender, poll.worker_id, poll.virtual_time) == ("worker", worker.id, 60_000)
