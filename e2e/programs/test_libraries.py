"""Libraries in workers or beside them: Comlink, SQLite, MSW; and shapes that apps give their workers."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page

from pytest_sharedworker import Clock, Gateway, SharedWorkerError, SharedWorkers

COMLINK_WORKER = """
import * as Comlink from "/comlink/comlink.mjs";
let count = 0;
const api = {
    increment: () => { count += 1; return count; },
    later: (milliseconds, callback) => { setTimeout(() => callback(`after ${milliseconds}`), milliseconds); },
};
onconnect = ({ ports: [port] }) => Comlink.expose(api, port);
"""
COMLINK_PAGE = """<!doctype html><script type="module">
    import * as Comlink from "/comlink/comlink.mjs";
    const open = () => Comlink.wrap(new SharedWorker("/worker.js", { type: "module" }).port);
    const [first, second] = [open(), open()];
    window.calls = [await first.increment(), await second.increment()];
    await first.later(30_000, Comlink.proxy((text) => calls.push(text)));
    window.isReady = true;
</script>"""

SQLITE_WORKER = """
import init from "/sqlite/sqlite3.mjs";
const ports = [];
onconnect = ({ ports: [port] }) => {
    ports.push(port);
    port.onmessage = async ({ data }) => {
        const database = await opened;
        port.postMessage(database.exec({ sql: data, rowMode: "array", returnValue: "resultRows" }));
    };
};
const opened = init({ print: () => {}, printErr: () => {} }).then(({ oo1 }) => {
    const database = new oo1.DB(":memory:");
    database.exec("CREATE TABLE events (name TEXT); INSERT INTO events VALUES ('one'), ('two')");
    return database;
});
"""
SQLITE_PAGE = """<!doctype html><script>
    const { port } = new SharedWorker("/worker.js", { type: "module" });
    port.onmessage = ({ data }) => { window.rows = data; };
    port.postMessage("SELECT count(*), max(name) FROM events");
</script>"""

MSW_PAGE = """<!doctype html><script src="/msw/index.js"></script><script>
    const { http, HttpResponse, setupWorker } = MockServiceWorker;
    window.start = async () => {
        const mocks = setupWorker(http.get("/user", () => HttpResponse.json({ name: "mocked" })));
        await mocks.start({ quiet: true, onUnhandledRequest: "bypass" });
        const user = await (await fetch("/user")).json();
        new SharedWorker("/worker.js").port.start();
        return user.name;
    };
</script>"""
MSW_WORKER = """
self.names = [];
setInterval(async () => names.push((await (await fetch("/user")).json()).name), 1000);
onconnect = () => {};
"""

BROADCASTER = """
const ports = new Set();
let sent = 0;
onconnect = ({ ports: [port] }) => ports.add(port);
setInterval(() => { sent += 1; ports.forEach((port) => port.postMessage(sent)); }, 1000);
"""
LISTENER = """<!doctype html><script>
    window.received = [];
    const { port } = new SharedWorker("/worker.js");
    port.onmessage = ({ data }) => received.push(data);
    port.postMessage("nobody reads this");
</script>"""

INLINE_PAGE = """<!doctype html><script>
    const text = "onconnect = ({ ports: [port] }) => { port.onmessage = (e) => port.postMessage(e.data); };";
    const inline = new SharedWorker(URL.createObjectURL(new Blob([text], { type: "text/javascript" })));
    window.echoes = [];
    inline.port.onmessage = ({ data }) => echoes.push(data);
    inline.port.postMessage("inline");
    new SharedWorker("/worker.js").port.start();
</script>"""


def test_comlink(
    page: Page, gateway: Gateway, shared_workers: SharedWorkers, worker_clock: Clock, packages: Path
) -> None:
    gateway.serve_directory("/comlink/", packages / "comlink" / "dist" / "esm")
    gateway.serve("/worker.js", COMLINK_WORKER)
    gateway.serve("/", COMLINK_PAGE)
    page.goto("/")
    page.wait_for_function("window.isReady")
    worker_clock.run_for(29_999)
    assert page.evaluate("calls") == [1, 2]
    worker_clock.run_for(1)
    page.wait_for_function("calls.length === 3")
    assert page.evaluate("calls[2]") == "after 30000"
    assert shared_workers.wait_for("/worker.js").errors() == []


def test_sqlite(
    page: Page, gateway: Gateway, shared_workers: SharedWorkers, worker_clock: Clock, packages: Path
) -> None:
    gateway.serve_directory("/sqlite/", packages / "@sqlite.org" / "sqlite-wasm" / "sqlite-wasm" / "jswasm")
    gateway.serve("/worker.js", SQLITE_WORKER)
    gateway.serve("/", SQLITE_PAGE)
    page.goto("/")
    page.wait_for_function("window.rows")
    assert page.evaluate("rows") == [[2, "two"]]
    worker_clock.run_for(60_000)
    assert shared_workers.wait_for("/worker.js").errors() == []


def test_msw_in_the_page(
    page: Page,
    gateway: Gateway,
    shared_workers: SharedWorkers,
    worker_clock: Clock,
    packages: Path,
    request: pytest.FixtureRequest,
    browser_name: str,
) -> None:
    if browser_name == "firefox":
        reason = "Clients.get() waits for the worker, which waits for its first request (docs/browsers.md)"
        request.applymarker(pytest.mark.xfail(reason=reason, raises=SharedWorkerError))
    gateway.serve_directory("/msw/", packages / "msw" / "lib" / "iife")
    gateway.serve_file("/mockServiceWorker.js", packages / "msw" / "lib" / "mockServiceWorker.js")
    gateway.serve("/worker.js", MSW_WORKER)
    gateway.serve("/", MSW_PAGE)
    gateway.add_worker_script("/worker.js")  # MSW's service worker fetches it, like any file.
    page.goto("/")
    assert page.evaluate("start()") == "mocked"
    worker = shared_workers.wait_for("/worker.js")
    worker_clock.run_for(3_000)
    assert worker.evaluate("names") == ["mocked"] * 3
    assert gateway.journal.select("/user") == []
    assert worker.errors() == []


def test_broadcaster_that_reads_nothing(
    page: Page, gateway: Gateway, shared_workers: SharedWorkers, worker_clock: Clock
) -> None:
    gateway.serve("/worker.js", BROADCASTER)
    gateway.serve("/", LISTENER)
    page.goto("/")
    shared_workers.wait_for("/worker.js")
    worker_clock.run_for(3_000)
    page.wait_for_function("received.length === 3")
    assert page.evaluate("received") == [1, 2, 3]


def test_inline_worker_beside_another(
    page: Page, gateway: Gateway, shared_workers: SharedWorkers, worker_clock: Clock
) -> None:
    gateway.serve(
        "/worker.js", "self.seconds = 0; setInterval(() => { seconds += 1; }, 1000); onconnect = () => {};"
    )
    gateway.serve("/", INLINE_PAGE)
    page.goto("/")
    worker = shared_workers.wait_for("/worker.js")
    worker_clock.run_for(5_000)
    assert worker.evaluate("seconds") == 5
    page.wait_for_function("echoes.length === 1")
    assert page.evaluate("echoes") == ["inline"]
