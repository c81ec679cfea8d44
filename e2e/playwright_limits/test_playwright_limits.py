"""The limits of Playwright that this plugin works around: one probe per limit, with plain Playwright only.

Each probe asserts that Playwright has an ability. Where it does not, the probe is a strict xfail: as soon as
a browser or Playwright gains the ability, the probe fails, and a part of the plugin can be removed. Only a
wrong result counts as the expected failure; a probe that fails in another way is an error.

Not covered: abilities of a browser that Playwright does not offer (the plugin's own tests cover them), and
what is lost when a browser is killed.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, CDPSession, ConsoleMessage, Page, Request, Route
from playwright.sync_api import Error as PlaywrightError

from pytest_sharedworker.gateway.gateway import Gateway

REPLY_TIMEOUT_MS = 5000
NO_EVENT_TIMEOUT_MS = 500
"""How long a probe waits for an event that it does not expect."""
FAKE_YEAR = 2001

# Evaluates each expression that a tab sends, and posts the value back.
WORKER = """
console.log("hello from the worker");
onconnect = ({ ports: [port] }) => {
    port.onmessage = async ({ data }) => port.postMessage(await eval(data));
};
"""
MODULE_WORKER = f'import {{ part }} from "./part.js";\nself.part = part;\n{WORKER}'
ROUTED_WORKER = 'onconnect = ({ ports: [port] }) => { port.onmessage = () => port.postMessage("routed"); };'

EVALUATE_IN_WORKER = """({ script, options, expression, timeout_ms }) => new Promise((resolve) => {
    window.worker ??= new SharedWorker(script, options);
    window.worker.onerror = () => resolve("the worker failed to start");
    window.worker.port.onmessage = ({ data }) => resolve(data);
    window.worker.port.postMessage(expression);
    setTimeout(resolve, timeout_ms, "no reply");
})"""


def expect_unsupported(reason: str, *, raises: type[Exception] = AssertionError) -> pytest.MarkDecorator:
    return pytest.mark.xfail(strict=True, raises=raises, reason=reason)


@pytest.fixture
def expect_unsupported_in_firefox(request: pytest.FixtureRequest, browser_name: str) -> Callable[[str], None]:
    """Return a function that expects the probe to fail in Firefox alone."""

    def expect(reason: str) -> None:
        if browser_name == "firefox":
            request.applymarker(expect_unsupported(reason))

    return expect


@pytest.fixture
def tab(page: Page, gateway: Gateway) -> Page:
    """Open a page of an origin that serves both workers."""
    gateway.serve(
        "/", "<!doctype html><title>tab</title><link rel=icon href=data:,>", content_type="text/html"
    )
    gateway.serve("/worker.js", WORKER)
    gateway.serve("/module-worker.js", MODULE_WORKER)
    gateway.serve("/part.js", "export const part = 'served';")
    gateway.serve("/data", "served", content_type="text/plain")
    page.goto(gateway.url + "/")
    return page


def evaluate_in_worker(
    tab: Page,
    expression: str,
    *,
    script: str = "worker.js",
    module: bool = False,
    timeout_ms: int = REPLY_TIMEOUT_MS,
) -> Any:
    """Evaluate an expression in the tab's worker, without the plugin."""
    options = {"type": "module" if module else "classic"}
    return tab.evaluate(
        EVALUATE_IN_WORKER,
        {"script": script, "options": options, "expression": expression, "timeout_ms": timeout_ms},
    )


def fulfill_with(text: str, content_type: str = "text/javascript") -> Callable[[Route], None]:
    return lambda route: route.fulfill(body=text, content_type=content_type)


# --- requests -------------------------------------------------------------------------------------------


def test_route_intercepts_the_workers_main_script(
    context: BrowserContext, tab: Page, expect_unsupported_in_firefox: Callable[[str], None]
) -> None:
    expect_unsupported_in_firefox(
        "WebDriver BiDi does not report a SharedWorker's script as a request of a page"
    )
    context.route("**/worker.js", fulfill_with(ROUTED_WORKER))
    assert evaluate_in_worker(tab, "'served'") == "routed"


def test_request_events_include_the_workers_main_script(
    context: BrowserContext, tab: Page, expect_unsupported_in_firefox: Callable[[str], None]
) -> None:
    expect_unsupported_in_firefox(
        "WebDriver BiDi does not report a SharedWorker's script as a request of a page"
    )
    requests: list[Request] = []
    context.on("request", lambda request: requests.append(request))
    assert evaluate_in_worker(tab, "1") == 1
    assert [request.url for request in requests if request.url.endswith("/worker.js")]


@expect_unsupported("playwright#36690: routes do not intercept the requests of a SharedWorker")
def test_route_intercepts_the_workers_fetch(context: BrowserContext, tab: Page) -> None:
    context.route("**/data", fulfill_with("routed", "text/plain"))
    assert evaluate_in_worker(tab, "fetch('data').then((response) => response.text())") == "routed"


@expect_unsupported("playwright#33917: there are no request events for the requests of a SharedWorker")
def test_request_events_include_the_workers_fetch(context: BrowserContext, tab: Page) -> None:
    requests: list[Request] = []
    context.on("request", lambda request: requests.append(request))
    assert evaluate_in_worker(tab, "fetch('data').then((response) => response.text())") == "served"
    tab.evaluate("fetch('data?tab')")
    urls = [request.url.rpartition("/")[2] for request in requests]
    assert [url for url in urls if url.startswith("data")] == ["data", "data?tab"]


@expect_unsupported("playwright#36690: routes do not intercept the imports of a module worker")
def test_route_intercepts_a_module_workers_imports(context: BrowserContext, tab: Page) -> None:
    context.route("**/part.js", fulfill_with("export const part = 'routed';"))
    assert evaluate_in_worker(tab, "self.part", script="module-worker.js", module=True) == "routed"


@expect_unsupported("playwright#33917: there are no request events for the imports of a module worker")
def test_request_events_include_a_module_workers_imports(context: BrowserContext, tab: Page) -> None:
    requests: list[Request] = []
    context.on("request", lambda request: requests.append(request))
    assert evaluate_in_worker(tab, "self.part", script="module-worker.js", module=True) == "served"
    tab.evaluate("fetch('part.js?tab')")
    urls = [request.url.rpartition("/")[2] for request in requests]
    assert [url for url in urls if url.startswith("part.js")] == ["part.js", "part.js?tab"]


@expect_unsupported("only pages go offline; the worker's requests still reach the server")
def test_set_offline_blocks_the_workers_requests(context: BrowserContext, tab: Page) -> None:
    assert evaluate_in_worker(tab, "1") == 1
    context.set_offline(True)
    assert evaluate_in_worker(tab, "fetch('data').then(() => 'online', () => 'offline')") == "offline"


def test_set_offline_changes_the_workers_navigator(
    context: BrowserContext, tab: Page, expect_unsupported_in_firefox: Callable[[str], None]
) -> None:
    """In Chromium, a page that goes offline changes `navigator.onLine` in its whole renderer process."""
    expect_unsupported_in_firefox("only pages go offline; the worker's navigator.onLine stays true")
    assert evaluate_in_worker(tab, "1") == 1
    context.set_offline(True)
    assert evaluate_in_worker(tab, "navigator.onLine") is False


# --- inspection and control -----------------------------------------------------------------------------


@expect_unsupported("playwright#17197: a page does not list its SharedWorkers")
def test_page_workers_includes_the_worker(tab: Page) -> None:
    announced: list[object] = []
    tab.on("worker", lambda worker: announced.append(worker))
    assert evaluate_in_worker(tab, "1") == 1
    assert tab.workers
    assert announced


@expect_unsupported("playwright#17197: there are no console events for a SharedWorker")
def test_context_console_includes_the_workers_messages(context: BrowserContext, tab: Page) -> None:
    messages: list[ConsoleMessage] = []
    context.on("console", lambda message: messages.append(message))
    assert evaluate_in_worker(tab, "console.log('second message')") is None
    tab.evaluate("console.log('from the tab')")
    texts = [message.text for message in messages]
    assert texts == ["hello from the worker", "second message", "from the tab"]


@expect_unsupported("playwright#28029: init scripts run only in pages")
def test_init_script_runs_in_the_worker(context: BrowserContext, tab: Page) -> None:
    context.add_init_script("self.injected = 'by the init script'")
    tab.reload()
    assert tab.evaluate("self.injected") == "by the init script"
    assert evaluate_in_worker(tab, "self.injected") == "by the init script"


@expect_unsupported("playwright#31772: the clock controls only pages")
def test_page_clock_controls_the_worker(tab: Page) -> None:
    tab.clock.install(time=f"{FAKE_YEAR}-06-01")
    tab.reload()
    assert tab.evaluate("new Date().getFullYear()") == FAKE_YEAR
    assert evaluate_in_worker(tab, "new Date().getFullYear()") == FAKE_YEAR


# --- DevTools ------------------------------------------------------------------------------------------


def get_shared_worker_target(session: CDPSession) -> str:
    infos = session.send("Target.getTargets", {"filter": [{}]})["targetInfos"]
    (target,) = [info["targetId"] for info in infos if info["type"] == "shared_worker"]
    return str(target)


@pytest.mark.usefixtures("needs_devtools")
@expect_unsupported("playwright#22992: a CDP session belongs to a page or a frame")
def test_page_cdp_session_attaches_to_the_worker(context: BrowserContext, tab: Page) -> None:
    session = context.new_cdp_session(tab)
    attached: list[dict[str, Any]] = []
    session.on("Target.attachedToTarget", lambda event: attached.append(event))
    session.send(
        "Target.setAutoAttach", {"autoAttach": True, "waitForDebuggerOnStart": False, "flatten": False}
    )
    assert evaluate_in_worker(tab, "1") == 1
    session.send("Runtime.evaluate", {"expression": "1"})
    assert [event for event in attached if event["targetInfo"]["type"] == "shared_worker"]


@pytest.mark.usefixtures("needs_devtools")
@expect_unsupported(
    "Playwright cannot send to flat sessions that it did not open itself", raises=PlaywrightError
)
def test_flat_cdp_session_replies(context: BrowserContext, tab: Page) -> None:
    assert evaluate_with_cdp(context, tab, flatten=True) == [3]


@pytest.mark.usefixtures("needs_devtools")
def test_nested_cdp_session_replies(context: BrowserContext, tab: Page) -> None:
    """The plugin depends on nested sessions, which are deprecated upstream (crbug.com/991325)."""
    assert evaluate_with_cdp(context, tab, flatten=False) == [3]


def evaluate_with_cdp(context: BrowserContext, tab: Page, *, flatten: bool) -> list[int]:
    assert context.browser is not None
    session = context.browser.new_browser_cdp_session()
    replies: list[dict[str, Any]] = []
    session.on("Target.receivedMessageFromTarget", lambda event: replies.append(json.loads(event["message"])))
    assert evaluate_in_worker(tab, "1") == 1
    target = get_shared_worker_target(session)
    attached = session.send("Target.attachToTarget", {"targetId": target, "flatten": flatten})
    message = {"id": 1, "method": "Runtime.evaluate", "params": {"expression": "1 + 2"}}
    try:
        session.send(
            "Target.sendMessageToTarget",
            {"sessionId": attached["sessionId"], "message": json.dumps(message)},
        )
    finally:
        evaluate_in_worker(tab, "2")
        session.send("Browser.getVersion")
        session.detach()
    return [reply["result"]["result"]["value"] for reply in replies if reply.get("id") == 1]


@pytest.mark.usefixtures("needs_devtools")
@expect_unsupported("Fetch.enable succeeds in a worker's session, but never pauses a request")
def test_fetch_domain_pauses_the_workers_requests(context: BrowserContext, tab: Page) -> None:
    assert context.browser is not None
    session = context.browser.new_browser_cdp_session()
    received: list[dict[str, Any]] = []
    session.on(
        "Target.receivedMessageFromTarget", lambda event: received.append(json.loads(event["message"]))
    )
    assert evaluate_in_worker(tab, "1") == 1
    target = get_shared_worker_target(session)
    attached = session.send("Target.attachToTarget", {"targetId": target, "flatten": False})
    message = {"id": 1, "method": "Fetch.enable", "params": {}}
    session.send(
        "Target.sendMessageToTarget", {"sessionId": attached["sessionId"], "message": json.dumps(message)}
    )
    evaluate_in_worker(tab, "fetch('data').then((response) => response.text())")
    session.send("Browser.getVersion")
    session.detach()
    assert {"id": 1, "result": {}} in received
    assert "Fetch.requestPaused" in [each.get("method") for each in received]


# --- lifetime -------------------------------------------------------------------------------------------


LISTEN_FOR_CLOSE = """
self.tabClosed = false;
self.addEventListener("connect", ({ ports: [port] }) => {
    port.addEventListener("close", () => { self.tabClosed = true; });
});
"listening";
"""


@expect_unsupported("whatwg/html#1386: a worker gets no event when a tab closes")
def test_worker_gets_an_event_when_a_tab_closes(context: BrowserContext, tab: Page, gateway: Gateway) -> None:
    other = context.new_page()
    other.goto(gateway.url + "/")
    assert evaluate_in_worker(tab, LISTEN_FOR_CLOSE) == "listening"
    assert evaluate_in_worker(other, "2") == 2
    other.close()
    assert evaluate_in_worker(
        tab, f"new Promise((resolve) => setTimeout(() => resolve(self.tabClosed), {NO_EVENT_TIMEOUT_MS}))"
    )


@expect_unsupported("a worker ends with its last tab, and a reload counts as the end of the tab")
def test_worker_survives_a_reload_of_its_only_tab(tab: Page) -> None:
    assert evaluate_in_worker(tab, "self.mark = 'kept'") == "kept"
    tab.reload()
    assert evaluate_in_worker(tab, "self.mark ?? 'lost'") == "kept"


@expect_unsupported("each context has its own workers")
def test_two_contexts_share_a_worker(
    new_context: Callable[[], BrowserContext], tab: Page, gateway: Gateway
) -> None:
    other_tab = new_context().new_page()
    other_tab.goto(gateway.url + "/")
    assert evaluate_in_worker(tab, "self.mark = 'shared'") == "shared"
    assert evaluate_in_worker(other_tab, "self.mark ?? 'its own'") == "shared"


@pytest.mark.usefixtures("needs_devtools")
@expect_unsupported("tabs get no event when their worker is killed, and its queue is lost")
def test_tabs_get_an_event_when_their_worker_is_killed(context: BrowserContext, tab: Page) -> None:
    assert context.browser is not None
    assert evaluate_in_worker(tab, "1") == 1
    tab.evaluate(
        "() => { window.events = []; const { worker } = window;"
        " for (const name of ['error', 'close'])"
        " for (const source of [worker, worker.port])"
        " source.addEventListener(name, () => window.events.push(name)); }"
    )
    session = context.browser.new_browser_cdp_session()
    session.send("Target.closeTarget", {"targetId": get_shared_worker_target(session)})
    session.detach()
    assert tab.evaluate(
        f"new Promise((resolve) => setTimeout(() => resolve(window.events), {NO_EVENT_TIMEOUT_MS}))"
    )


@pytest.mark.usefixtures("needs_crash")
@expect_unsupported("Chromium runs a worker in the renderer process of the tab that started it")
def test_worker_survives_a_crash_of_the_tab_that_started_it(
    context: BrowserContext, tab: Page, gateway: Gateway
) -> None:
    other = context.new_page()
    other.goto(gateway.url + "/")
    assert evaluate_in_worker(tab, "self.mark = 'kept'") == "kept"
    assert evaluate_in_worker(other, "self.mark") == "kept"
    with tab.expect_event("crash"), suppress(PlaywrightError):
        tab.goto("chrome://crash")
    assert evaluate_in_worker(other, "self.mark", timeout_ms=NO_EVENT_TIMEOUT_MS) == "kept"
