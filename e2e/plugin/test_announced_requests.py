"""Requests of a worker are known to the journal, on the virtual and the real clock, and are unchanged."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from aiohttp import web
from playwright.sync_api import Page

from e2e.plugin.app import PER_CLOCK, App
from pytest_sharedworker import Exchange, SharedWorker
from pytest_sharedworker.gateway import sender
from pytest_sharedworker.integration.event_loop_thread import LoopThread

XHR = """() => new Promise((resolve) => {
    const request = new XMLHttpRequest();
    request.onload = () => resolve(request.status);
    request.open("GET", "/data");
    request.send();
})"""
SYNCHRONOUS_XHR = """() => {
    const request = new XMLHttpRequest();
    request.open("GET", "/data", false);
    request.send();
    return request.status;
}"""
FORMS = {
    "text": "fetch('/data', { method: 'POST', body: 'text', headers: { 'X-Own': '1' } })",
    "URL": "fetch(new URL('/data', location.href))",
    "form": "fetch('/data', { method: 'PUT', body: new URLSearchParams({ a: 'b' }) })",
    "bytes": "fetch('/data', { method: 'POST', body: new Uint8Array([1, 2]) })",
    "headers as a list": "fetch('/data', { headers: [['X-Own', '1'], ['X-Own', '2']] })",
    "request": "fetch(new Request('/data', { method: 'POST', body: 'text', headers: { 'X-Own': '1' } }))",
    "request and init": "fetch(new Request('/data', { headers: { 'X-Own': '1' } }), { method: 'DELETE' })",
    "request and empty init": "fetch(new Request('/data', { referrer: '/elsewhere' }), {})",
    "request with a referrer": "fetch(new Request('/data', { referrer: '/elsewhere' }))",
    "request without a referrer": "fetch(new Request('/data', { referrer: '' }))",
    "referrer in init": "fetch('/data', { referrer: '/elsewhere' })",
    "request as init": "fetch('/data', new Request('/', { method: 'PATCH', headers: { 'X-Own': '1' } }))",
    "request with a body as init": "fetch('/data', new Request('/other', { method: 'POST', body: 'text' }))",
    "request as init of PUT": "fetch('/data', new Request('/data', { method: 'PUT' }))",
    "method in lower case": "fetch('/data', { method: 'patch' })",
    "unknown method": "fetch('/data', { method: 'CHICKEN' })",
    "no-cors": "fetch('/data', { mode: 'no-cors', method: 'POST', body: 'text' })",
    "keepalive": "fetch('/data', { keepalive: true, method: 'POST', body: 'text' })",
    "no referrer by policy": "fetch('/data', { referrerPolicy: 'no-referrer' })",
    "query and fragment": "fetch('/data?a=%41 b#c')",
    "inherited init": "fetch('/data', Object.create({ method: 'DELETE' }))",
    "used request": """(async () => {
        const request = new Request('/data', { method: 'POST', body: 'text' });
        await request.text();
        return fetch(request);
    })()""",
    "bad header": "fetch('/data', { headers: { 'bad name': '' } })",
    "body of GET": "fetch('/data', { body: 'text' })",
    "symbol": "fetch(Symbol('a'))",
    "nothing": "fetch()",
}


@pytest.fixture
def worker(app: App) -> SharedWorker:
    """Start a worker with a prologue, on the clock of the test."""
    app.gateway.serve("/data", "data", content_type="text/plain")
    app.gateway.serve("/other", "other", content_type="text/plain")
    app.workers.add_init_script("self.ready = true;")
    return app.start()


def send(target: SharedWorker | Page, form: str) -> Any:
    return target.evaluate(f"""async () => {{
        let sent;
        try {{
            sent = {form};
        }} catch (error) {{
            return `throws ${{error.name}}`;
        }}
        return sent.then(({{ status }}) => status, (error) => `rejects with ${{error.name}}`);
    }}""")


def summarize(exchange: Exchange) -> tuple[object, ...]:
    names = ("Content-Type", "X-Own", "Origin")
    referer = exchange.request_headers.get("Referer", "").rpartition("/")[2]
    return (
        exchange.method,
        exchange.request_body,
        "elsewhere" if referer == "elsewhere" else bool(referer),
        *(exchange.request_headers.getall(name, []) for name in names),
    )


def send_and_list(app: App, target: SharedWorker | Page, form: str) -> tuple[Any, list[Exchange]]:
    """Send a request and return its outcome and its exchanges."""
    before = len(app.gateway.journal.select("/data*"))
    outcome = send(target, form)
    return outcome, app.gateway.journal.select("/data*")[before:]


@PER_CLOCK
def test_requests_equal_those_of_a_page(
    app: App, worker: SharedWorker, is_virtual: bool, browser_name: str
) -> None:
    [page] = app.context.pages
    of_page, of_worker, senders = {}, {}, {}
    for title, form in FORMS.items():
        if browser_name == "webkit" and "%" in form:
            continue  # WebKitGTK sends a needless escape (%41) in a URL as its character.
        outcome, exchanges = send_and_list(app, page, form)
        of_page[title] = (outcome, [summarize(each) for each in exchanges])
        outcome, exchanges = send_and_list(app, worker, form)
        of_worker[title] = (outcome, [summarize(each) for each in exchanges])
        senders[title] = [(each.worker_id, each.request_number is not None) for each in exchanges]
    assert of_worker == of_page
    assert senders == {title: [(worker.id, True)] * len(of_page[title][1]) for title in of_page}
    # Without requests, the comparison would show nothing.
    assert sum(len(requests) for _, requests in of_page.values()) >= (19 if browser_name == "webkit" else 20)


@PER_CLOCK
def test_journal_holds_worker_number_and_virtual_time(
    app: App, worker: SharedWorker, is_virtual: bool
) -> None:
    assert send(worker, FORMS["text"]) == 200
    assert worker.evaluate(XHR) == 200
    first, second = app.gateway.journal.select("/data")
    assert (first.worker_id, second.worker_id) == (worker.id, worker.id)
    assert first.request_number is not None
    assert second.request_number is not None
    assert first.request_number < second.request_number
    assert first.virtual_time == (0 if is_virtual else None)
    assert first.sender == "worker"


@pytest.mark.worker_clock("real")
def test_synchronous_request_is_known_on_the_real_clock(app: App, worker: SharedWorker) -> None:
    assert worker.evaluate(SYNCHRONOUS_XHR) == 200
    [exchange] = app.gateway.journal.select("/data")
    assert exchange.worker_id == worker.id


@pytest.mark.worker_clock("real")
def test_route_suspends_a_request_on_the_real_clock(app: App, worker: SharedWorker) -> None:
    rule = app.gateway.route("/data", lambda route: None)
    worker.evaluate("() => { self.seen = []; fetch('/data').then(({ status }) => seen.push(status)); }")
    [route] = rule.wait_for()
    assert worker.evaluate("seen") == []
    route.continue_()
    app.gateway.journal.wait_for("/data")
    assert worker.evaluate("async () => { while (!seen.length) await fetch('/other'); return seen; }") == [
        200
    ]


@pytest.mark.worker_clock("real")
def test_ports_carry_no_plugin_messages_on_the_real_clock(app: App) -> None:
    app.workers.add_init_script("self.ready = true;")
    worker = app.start("""
        self.log = [];
        onconnect = ({ ports: [port] }) => {
            port.onmessage = ({ data }) => { log.push(data); port.postMessage(data); };
        };
    """)
    [page] = app.context.pages
    page.evaluate("() => { worker.port.postMessage('one'); worker.port.close(); }")
    app.open()
    app.workers.wait_for()
    assert worker.evaluate(
        "async () => { while (!log.length) await new Promise((then) => setTimeout(then, 1)); return log; }"
    ) == ["one"]


class OtherOrigin:
    """A server of another origin, which allows requests that need no preflight."""

    async def start(self) -> str:
        """Listen on a free port; return the origin."""
        app = web.Application()
        app.router.add_get("/other", self._respond)
        app.router.add_get("/throws.js", self._respond_script)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        """Stop listening."""
        await self._runner.cleanup()

    async def _respond(self, request: web.Request) -> web.Response:
        return web.Response(text="other", headers={"Access-Control-Allow-Origin": "*"})

    async def _respond_script(self, request: web.Request) -> web.Response:
        return web.Response(text="throw new Error('muted');", content_type="text/javascript")


@pytest.fixture
def other_origin(sharedworker_loop: LoopThread) -> Iterator[str]:
    """Start a server of another origin."""
    server = OtherOrigin()
    yield sharedworker_loop.run(server.start())
    sharedworker_loop.run(server.stop())


@PER_CLOCK
def test_error_of_an_imported_script_of_another_origin_has_the_line_of_the_call(
    app: App, is_virtual: bool, other_origin: str
) -> None:
    worker = app.start(f"""self.seen = [];
        self.onerror = (message, file, line) => {{ seen.push([file, line]); }};
        onconnect = () => {{}};
        importScripts("{other_origin}/throws.js");
    """)
    assert worker.evaluate("seen") == [[f"{app.gateway.url}/worker.js", 4]]


@PER_CLOCK
@pytest.mark.parametrize(
    "form", ["fetch('/file')", f"({XHR.replace('/data', '/file')})()"], ids=["fetch", "xhr"]
)
def test_redirect_to_another_origin_needs_no_preflight(
    app: App, worker: SharedWorker, other_origin: str, form: str, is_virtual: bool
) -> None:
    app.gateway.serve("/file", status=302, headers={"Location": f"{other_origin}/other"})
    assert worker.evaluate(f"async () => {{ const r = await {form}; return r.status ?? r; }}") == 200


@PER_CLOCK
def test_redirect_within_the_origin_keeps_worker_and_number(
    app: App, worker: SharedWorker, is_virtual: bool
) -> None:
    app.gateway.serve("/file", status=307, headers={"Location": "/data?1"})
    assert worker.evaluate("fetch('/file', { method: 'POST', body: '1' }).then((r) => r.text())") == "data"
    first, second = app.gateway.journal.select("POST **")
    assert (second.path, second.worker_id) == ("/data?1", worker.id)
    assert first.request_number == second.request_number is not None


@PER_CLOCK
def test_request_has_no_header_that_a_page_does_not_send(
    app: App, worker: SharedWorker, is_virtual: bool
) -> None:
    [page] = app.context.pages
    names = []
    for target in (page, worker):
        send(target, FORMS["text"])
        names.append({name.lower() for name in app.gateway.journal.select("/data")[-1].request_headers})
    assert names[1] <= names[0]


@PER_CLOCK
def test_requests_of_the_first_lines_are_known(app: App, is_virtual: bool) -> None:
    app.gateway.serve("/data", "data", content_type="text/plain")
    worker = app.start(
        """
        fetch('/data?1');
        const request = new XMLHttpRequest();
        request.open('GET', '/data?2');
        request.send();
        fetch('/data?3', { referrerPolicy: 'no-referrer' });
        onconnect = () => {};
        """
    )
    exchanges = app.gateway.journal.wait_for("/data*", count=3)
    assert {exchange.worker_id for exchange in exchanges} == {worker.id}
    assert {(exchange.path, exchange.request_number) for exchange in exchanges} == {
        ("/data?1", 1), ("/data?2", 2), ("/data?3", 3),
    }  # fmt: skip


ENDED = {
    "aborted at its end": """() => {
        const request = new XMLHttpRequest();
        request.onreadystatechange = () => request.readyState === 4 && request.abort();
        request.open("GET", "/data");
        request.send();
    }""",
    "opened twice": """() => {
        const request = new XMLHttpRequest();
        request.open("GET", "/data");
        request.send();
        request.open("GET", "/other");
    }""",
    "stopped event": """() => {
        const request = new XMLHttpRequest();
        request.addEventListener("loadend", (event) => event.stopImmediatePropagation(), true);
        request.open("GET", "/data");
        request.send();
    }""",
    "sent twice": """() => {
        const request = new XMLHttpRequest();
        request.open("GET", "/data");
        request.send();
        try { request.send(); } catch (error) { self.error = error.name; }
    }""",
    "without an event": """() => {
        class Own extends XMLHttpRequest {}
        const request = new Own();
        request.open("GET", "/data");
        request.send();
        request.abort();
    }""",
}


@pytest.mark.worker_clock("virtual")
@pytest.mark.parametrize("form", ENDED)
def test_clock_waits_for_no_request_that_has_ended(worker: SharedWorker, form: str) -> None:
    worker.evaluate(ENDED[form])
    worker.clock.run_for(1_000, timeout=5_000)


OTHERS = {
    "dedicated worker": "async () => new Worker('/worker.js')",
    "service worker": """async () => {
        const { installing, waiting, active } = await navigator.serviceWorker.register('/worker.js');
        return installing ?? waiting ?? active;
    }""",
}


@PER_CLOCK
@pytest.mark.parametrize("other", OTHERS)
def test_request_of_another_worker_with_the_same_script_does_not_wait(
    app: App, monkeypatch: pytest.MonkeyPatch, other: str, is_virtual: bool
) -> None:
    monkeypatch.setattr(sender, "EXPECTED_SECONDS", 3_600)
    app.gateway.serve("/data", "data", content_type="text/plain")
    app.start("""
        onconnect = () => {};
        onmessage = async ({ ports: [port] }) => port.postMessage(await (await fetch('/data')).text());
    """)
    [tab] = app.context.pages
    ask = """({ port1, port2 }) => new Promise((resolve) => {
        port1.onmessage = ({ data }) => resolve(data);
        other.postMessage(null, [port2]);
    })"""
    tab.evaluate(f"async () => {{ window.other = await ({OTHERS[other]})(); }}")
    assert tab.evaluate(f"() => ({ask})(new MessageChannel())") == "data"


@PER_CLOCK
def test_init_script_that_replaces_natives_leaves_the_channel(app: App, is_virtual: bool) -> None:
    app.gateway.serve("/data", "data", content_type="text/plain")
    app.workers.add_init_script(
        "self.WebSocket = class {}; self.XMLHttpRequest = class {}; JSON.stringify = () => 'stub';"
    )
    worker = app.start()
    assert worker.evaluate("1 + 1") == 2
    assert worker.evaluate("fetch('/data').then((response) => response.text())") == "data"
    assert app.gateway.journal.select("/data")[0].worker_id == worker.id


@PER_CLOCK
def test_policy_that_only_reports_reports_nothing_of_the_plugin(
    app: App, is_virtual: bool, browser_name: str
) -> None:
    if browser_name == "webkit":
        pytest.skip("WebKit sends no reports of workers' policies")
    policy = "connect-src 'none'; report-uri /report"
    app.gateway.serve("/report", "")
    app.gateway.serve("/worker.js", "onconnect = () => {};", headers={
        "Content-Security-Policy-Report-Only": policy,
    })  # fmt: skip
    app.connect(app.open())
    worker = app.workers.wait_for()
    worker.evaluate("fetch('/data').catch(() => null)")
    assert app.gateway.journal.wait_for("POST /report")
    reports = [
        json.loads(each.request_body)["csp-report"] for each in app.gateway.journal.select("POST /report")
    ]
    assert {urlsplit(report["blocked-uri"]).path for report in reports} == {"/data"}
