"""Workers of blob: and data: URLs: handles, time and requests, and what the app sees of them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page

from e2e.plugin.app import ECHO, PAGE, App, read_log
from pytest_sharedworker import Latency, SharedWorker

BLOB = "URL.createObjectURL(new Blob([script], { type: 'text/javascript' }))"
DATA = "'data:text/javascript;charset=utf-8,' + encodeURIComponent(script)"
BASE64 = "'data:text/javascript;base64,' + btoa(script)"

_CONNECT = """([script, options]) => {
    window.messages = [];
    window.failures = [];
    window.url = %s;
    window.worker = new SharedWorker(window.url, options);
    worker.onerror = () => failures.push("error");
    worker.port.onmessage = ({ data }) => messages.push(data);
}"""


def connect(page: Page, make_url: str, script: str = ECHO, **options: Any) -> str:
    """Start an inline worker; return its URL."""
    page.evaluate(_CONNECT % make_url, [script, options])
    return str(page.evaluate("url"))


@pytest.mark.parametrize("make_url", [BLOB, DATA, BASE64], ids=["blob", "data", "base64"])
def test_inline_worker_has_a_handle_and_virtual_time(app: App, make_url: str) -> None:
    page = app.open()
    url = connect(page, make_url, f"{ECHO} console.log('hello'); setInterval(note, 1000, 'tick');")
    worker = app.workers.wait_for(re.compile("^(blob|data):"))
    assert worker.url == url
    assert worker.evaluate("[location.href, String(location), location.protocol]") == [
        *(url, url),
        url.partition(":")[0] + ":",
    ]
    page.evaluate("() => worker.port.postMessage('message')")
    worker.clock.run_for(3_600_000)
    log = read_log(worker)
    assert log[0] == ["message", 0]
    assert log[-1] == ["tick", 3_600_000]
    assert len(log) == 3_601
    page.wait_for_function("() => messages[0] === 'message'")
    assert page.evaluate("messages") == ["message"]
    assert [message.text for message in worker.console_messages()] == ["hello"]


@pytest.mark.parametrize("make_url", [BLOB, DATA], ids=["blob", "data"])
def test_inline_worker_is_found_by_name_and_glob(app: App, make_url: str) -> None:
    url = connect(app.open(), make_url, name="inline")
    worker = app.workers.wait_for(name="inline")
    assert app.workers.wait_for(f"{url.partition(':')[0]}:**") is worker
    assert worker.evaluate("name") == "inline"


def test_script_imported_from_the_cache_announces_no_request_of_a_tab(app: App) -> None:
    script, headers = "self.n = (self.n ?? 0) + 1;", {"Cache-Control": "max-age=1000"}
    app.gateway.serve("/imported.js", script, headers=headers)
    page = app.open()
    connect(page, BLOB)
    worker = app.workers.wait_for("blob:**")
    url = f"{app.gateway.url}/imported.js"
    assert worker.evaluate("(url) => { importScripts(url); importScripts(url); return n; }", url) == 2
    page.evaluate("(url) => fetch(url, { cache: 'reload', referrerPolicy: 'no-referrer' })", url)
    senders = [each.sender for each in app.gateway.journal.select("/imported.js")]
    assert senders == ["worker", "unknown"]


@pytest.mark.parametrize("make_url", [BLOB, DATA], ids=["blob", "data"])
def test_requests_of_an_inline_worker_meet_toxics_and_wait_in_virtual_time(app: App, make_url: str) -> None:
    app.gateway.serve("/data.json", "{}", headers={"Access-Control-Allow-Origin": "*"})
    app.gateway.add_toxic(Latency(latency=5_000), on="/data.json")
    connect(app.open(), make_url)
    worker = app.workers.wait_for(re.compile("^(blob|data):"))
    worker.evaluate(
        """(url) => {
            setTimeout(() => fetch(url).then(({ status }) => note(status), () => note("failed")), 1000);
        }""",
        f"{app.gateway.url}/data.json",
    )
    worker.clock.run_for(10_000)
    assert read_log(worker) == [[200, 6_000]]
    [exchange] = app.gateway.journal.select("/data.json")
    assert (exchange.sender, exchange.worker_id) == ("worker", worker.id)


@pytest.mark.parametrize("make_url", [BLOB, DATA], ids=["blob", "data"])
def test_tabs_share_an_inline_worker(app: App, make_url: str) -> None:
    first, second = app.open(), app.open()
    url = connect(first, make_url)
    for page in (first, second):
        connect(page, f"'{url}'" if make_url == BLOB else make_url)
        page.evaluate("() => worker.port.postMessage('message')")
    worker = app.workers.wait_for(re.compile("^(blob|data):"))
    worker.clock.run_for(1_000)
    assert read_log(worker) == [["message", 0]] * 2
    assert len(app.workers.history) == 1


def test_two_blobs_are_two_workers(app: App) -> None:
    page = app.open()
    for _ in range(2):
        connect(page, BLOB)
    for _ in range(100):
        if len(app.workers.alive) == 2:
            break
        page.wait_for_timeout(50)
    assert len(app.workers.alive) == 2


def test_blob_may_be_revoked_after_the_constructor(app: App) -> None:
    page = app.open()
    connect(page, BLOB)
    page.evaluate("URL.revokeObjectURL(url)")
    worker = app.workers.wait_for(re.compile("^blob:"))
    worker.clock.run_for(1_000)
    assert worker.evaluate("performance.now()") == 1_000


def test_blob_starts_again_after_the_frame_that_started_it_has_gone(app: App) -> None:
    page = app.open()
    answers = page.evaluate(
        """async (path) => {
            const text = "onconnect = ({ ports: [port] }) => port.postMessage('here')";
            const url = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
            const answers = [];
            for (let i = 0; i < 3; i += 1) {
                const frame = document.createElement("iframe");
                frame.src = path;
                document.body.append(frame);
                await new Promise((resolve) => { frame.onload = resolve; });
                const { port } = new frame.contentWindow.SharedWorker(url);
                answers.push(await new Promise((resolve) => {
                    port.onmessage = ({ data }) => resolve(data);
                    setTimeout(resolve, 5000, "nothing");
                }));
                frame.remove();
            }
            return answers;
        }""",
        PAGE,
    )
    assert answers == ["here"] * 3


def test_revoked_blob_fails_as_in_the_browser(app: App) -> None:
    page = app.open()
    connect(page, f"(() => {{ const url = {BLOB}; URL.revokeObjectURL(url); return url; }})()")
    page.wait_for_function("() => failures.length === 1")
    assert app.workers.alive == []


MODULES = {
    "module": ECHO,
    "static import": "import { step } from '{origin}/step.js'; self.step = step;" + ECHO,
    "dynamic import": "const { step } = await import('{origin}/step.js'); self.step = step;" + ECHO,
}


@pytest.mark.parametrize("make_url", [BLOB, DATA], ids=["blob", "data"])
@pytest.mark.parametrize("title", MODULES)
def test_inline_module_runs_on_virtual_time(app: App, title: str, make_url: str) -> None:
    app.gateway.serve(
        "/step.js",
        "export const step = performance.now();",
        content_type="text/javascript",
        headers={"Access-Control-Allow-Origin": "*"},
    )
    connect(app.open(), make_url, MODULES[title].replace("{origin}", app.gateway.url), type="module")
    worker = app.workers.wait_for(re.compile("^(blob|data):"))
    worker.wait_for_function("Boolean(self.onconnect)")
    worker.clock.run_for(1_000)
    assert worker.evaluate("[performance.now(), self.step ?? 0]") == [1_000, 0]


def test_blob_that_imports_the_script_of_a_worker_runs_on_virtual_time(app: App) -> None:
    app.gateway.serve("/worker.js", ECHO)
    connect(app.open(), BLOB, f"importScripts('{app.gateway.url}/worker.js');")
    worker = app.workers.wait_for(re.compile("^blob:"))
    worker.evaluate("() => { setTimeout(note, 1000, 'timer'); }")
    worker.clock.run_for(1_000)
    assert read_log(worker) == [["timer", 1_000]]


SCRIPTS = {
    "strict": ("'use strict'; self.value = (function () { return this; })() === undefined;", True),
    "sloppy": ("self.value = (function () { return this; })() === self;", True),
    "text": ("self.value = 'grüße, 世界 \\u{1f600}';", "grüße, 世界 \U0001f600"),
    "line": ("\n\nself.value = new Error().stack.match(/:(\\d+):\\d+/)[1];", "3"),
}


@pytest.mark.parametrize("title", SCRIPTS)
def test_script_of_a_blob_runs_as_it_is(app: App, title: str) -> None:
    script, value = SCRIPTS[title]
    connect(app.open(), BLOB, script + ECHO)
    assert app.workers.wait_for(re.compile("^blob:")).evaluate("value") == value


CONSTRUCTORS = {
    "no type": "new SharedWorker(URL.createObjectURL(new Blob([script])), 'inline')",
    "charset": """new SharedWorker(
        URL.createObjectURL(new Blob([script], { type: "text/javascript;charset=utf-8" })), "inline")""",
    "file": "new SharedWorker(URL.createObjectURL(new File([script], 'worker.js')), { name: 'inline' })",
    "URL": "new SharedWorker(new URL(URL.createObjectURL(new Blob([script]))), { name: 'inline' })",
    "subclass": "new (class extends SharedWorker {})(URL.createObjectURL(new Blob([script])), 'inline')",
    "upper case": "new SharedWorker('DATA:text/javascript,' + encodeURIComponent(script), 'inline')",
    "no media type": "new SharedWorker('data:,' + encodeURIComponent(script), 'inline')",
    "frame": """new (document.body.appendChild(document.createElement("iframe")).contentWindow.SharedWorker)(
        URL.createObjectURL(new Blob([script])), "inline")""",
}


@pytest.mark.parametrize("title", CONSTRUCTORS)
def test_inline_worker_is_seen_however_it_is_made(
    app: App, title: str, request: pytest.FixtureRequest
) -> None:
    if title == "frame":
        request.getfixturevalue("needs_blank_documents")
    page = app.open()
    page.evaluate(f"(script) => {{ window.worker = {CONSTRUCTORS[title]}; }}", ECHO)
    worker = app.workers.wait_for(name="inline")
    page.evaluate("() => worker.port.postMessage('message')")
    worker.clock.run_for(1_000)
    assert read_log(worker) == [["message", 0]]


def test_page_sees_nothing_of_the_plugin(app: App) -> None:
    page = app.open()
    connect(page, BLOB)
    app.workers.wait_for(re.compile("^blob:"))
    names = page.evaluate("performance.getEntriesByType('resource').map(({ name }) => name)")
    assert [name for name in names if not name.endswith("/favicon.ico")] == []
    assert page.evaluate("worker.constructor === SharedWorker && worker instanceof SharedWorker")
    paths = [exchange.path for exchange in app.gateway.journal]
    assert [path for path in paths if path != "/favicon.ico"] == [PAGE]


def open_with_policy(app: App, policy: str) -> Page:
    app.gateway.serve(
        "/policy.html",
        "<!doctype html><title>policy</title>",
        headers={"Content-Security-Policy": policy},
    )
    page = app.context.new_page()
    page.goto(app.gateway.url + "/policy.html")
    page.evaluate("""() => {
        window.violations = [];
        document.addEventListener("securitypolicyviolation", ({ effectiveDirective }) => {
            violations.push(effectiveDirective);
        });
    }""")
    return page


def test_policy_that_forbids_blobs_gives_the_error_of_the_app(app: App) -> None:
    page = open_with_policy(app, "default-src 'self'; worker-src 'self'")
    with_error = page.evaluate("""() => {
        try {
            new SharedWorker(URL.createObjectURL(new Blob([""]))).onerror = () => { window.failed = true; };
        } catch { window.failed = true; }
    }""")
    assert with_error is None
    page.wait_for_function("() => window.failed && violations.length")
    assert set(page.evaluate("violations")) == {"worker-src"}
    assert app.workers.alive == []


def test_policy_that_allows_blobs_lets_the_worker_be_seen(app: App) -> None:
    page = open_with_policy(app, "default-src 'self' 'unsafe-eval'; worker-src blob:; connect-src 'none'")
    connect(page, BLOB)
    worker = app.workers.wait_for(re.compile("^blob:"))
    worker.clock.run_for(1_000)
    assert worker.evaluate("performance.now()") == 1_000
    assert page.evaluate("violations") == []


@pytest.mark.worker_clock("real")
def test_inline_worker_is_seen_on_the_real_clock(app: App) -> None:
    connect(app.open(), BLOB, name="real")
    worker: SharedWorker = app.workers.wait_for(name="real")
    assert worker.evaluate("1 + 1") == 2
