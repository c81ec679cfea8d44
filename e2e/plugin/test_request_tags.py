"""Requests of a worker carry a tag, on the virtual and the real clock, and are otherwise unchanged."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page

from e2e.plugin.app import App
from pytest_sharedworker import Exchange, SharedWorker

PER_CLOCK = pytest.mark.parametrize(
    "is_virtual",
    [
        pytest.param(True, marks=pytest.mark.worker_clock("virtual"), id="virtual"),
        pytest.param(False, marks=pytest.mark.worker_clock("real"), id="real"),
    ],
)
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


@PER_CLOCK
@pytest.mark.parametrize("form", FORMS)
def test_request_equals_that_of_a_page(app: App, worker: SharedWorker, form: str, is_virtual: bool) -> None:
    [page] = app.context.pages
    outcome = send(page, FORMS[form])
    page_requests = [summarize(exchange) for exchange in app.gateway.journal.select("/data")]
    assert send(worker, FORMS[form]) == outcome
    all_requests = [summarize(exchange) for exchange in app.gateway.journal.select("/data")]
    assert all_requests == page_requests * 2
    tagged = [exchange for exchange in app.gateway.journal.select("/data") if exchange.worker_id]
    assert [exchange.worker_id for exchange in tagged] == [worker.id] * len(page_requests)


@PER_CLOCK
def test_tag_holds_worker_number_and_virtual_time(app: App, worker: SharedWorker, is_virtual: bool) -> None:
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
def test_synchronous_request_is_tagged_on_the_real_clock(app: App, worker: SharedWorker) -> None:
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
