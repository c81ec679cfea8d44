"""Where Playwright ends and this project's harness begins: one probe for each limit, plain Playwright only.

Each probe asserts that the ability is there, and is expected to fail where it is not. The expectation is
strict: the day a browser or Playwright learns it, the probe fails, and a part of the harness can go. Only a
wrong outcome counts as the expected failure; a probe that breaks in another way is an error.

Not here: what a browser can do although Playwright does not offer it (the harness's own tests show that),
and what a killed browser loses.
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

ANSWER_TIMEOUT_MS = 5000
SILENCE_MS = 500
"""How long a worker that no longer is has to be silent."""
YEAR_SET_BY_A_PROBE = 2001

# Evaluates what a tab sends and sends the value back.
WORKER = """
console.log("hello from the worker");
onconnect = ({ ports: [port] }) => {
    port.onmessage = async ({ data }) => port.postMessage(await eval(data));
};
"""
MODULE_WORKER = f'import {{ part }} from "./part.js";\nself.part = part;\n{WORKER}'
ROUTED_WORKER = 'onconnect = ({ ports: [port] }) => { port.onmessage = () => port.postMessage("routed"); };'

ASK = """({ script, options, expression, timeout_ms }) => new Promise((resolve) => {
    window.worker ??= new SharedWorker(script, options);
    window.worker.onerror = () => resolve("the worker failed to start");
    window.worker.port.onmessage = ({ data }) => resolve(data);
    window.worker.port.postMessage(expression);
    setTimeout(resolve, timeout_ms, "no answer");
})"""


def unable(reason: str, *, raises: type[Exception] = AssertionError) -> pytest.MarkDecorator:
    return pytest.mark.xfail(strict=True, raises=raises, reason=reason)


@pytest.fixture
def unable_in_firefox(request: pytest.FixtureRequest, browser_name: str) -> Callable[[str], None]:
    """Expect the failure in Firefox alone."""

    def expect(reason: str) -> None:
        if browser_name == "firefox":
            request.applymarker(unable(reason))

    return expect


@pytest.fixture
def tab(page: Page, gateway: Gateway) -> Page:
    """A page of an origin that has both workers."""
    gateway.mount("/", "<!doctype html><title>tab</title><link rel=icon href=data:,>", "text/html")
    gateway.mount("/worker.js", WORKER)
    gateway.mount("/module-worker.js", MODULE_WORKER)
    gateway.mount("/part.js", "export const part = 'served';")
    gateway.mount("/data", "served", "text/plain")
    page.goto(gateway.url + "/")
    return page


def ask(
    tab: Page,
    expression: str,
    *,
    script: str = "worker.js",
    module: bool = False,
    timeout_ms: int = ANSWER_TIMEOUT_MS,
) -> Any:
    """Evaluate an expression in the tab's worker, without help from the harness."""
    options = {"type": "module" if module else "classic"}
    return tab.evaluate(
        ASK,
        {"script": script, "options": options, "expression": expression, "timeout_ms": timeout_ms},
    )


def fulfil(text: str, content_type: str = "text/javascript") -> Callable[[Route], None]:
    return lambda route: route.fulfill(body=text, content_type=content_type)


# --- requests -------------------------------------------------------------------------------------------


def test_route_reaches_the_workers_main_script(
    context: BrowserContext, tab: Page, unable_in_firefox: Callable[[str], None]
) -> None:
    unable_in_firefox("a SharedWorker's script is no request of a page in WebDriver BiDi")
    context.route("**/worker.js", fulfil(ROUTED_WORKER))
    assert ask(tab, "'served'") == "routed"


def test_request_events_tell_of_the_workers_main_script(
    context: BrowserContext, tab: Page, unable_in_firefox: Callable[[str], None]
) -> None:
    unable_in_firefox("a SharedWorker's script is no request of a page in WebDriver BiDi")
    requests: list[Request] = []
    context.on("request", lambda request: requests.append(request))
    assert ask(tab, "1") == 1
    assert [request.url for request in requests if request.url.endswith("/worker.js")]


@unable("playwright#36690: routes do not see what a SharedWorker fetches")
def test_route_reaches_the_workers_own_fetch(context: BrowserContext, tab: Page) -> None:
    context.route("**/data", fulfil("routed", "text/plain"))
    assert ask(tab, "fetch('data').then((answer) => answer.text())") == "routed"


@unable("playwright#33917: request events do not tell of what a SharedWorker fetches")
def test_request_events_tell_of_the_workers_own_fetch(context: BrowserContext, tab: Page) -> None:
    requests: list[Request] = []
    context.on("request", lambda request: requests.append(request))
    assert ask(tab, "fetch('data').then((answer) => answer.text())") == "served"
    tab.evaluate("fetch('data?tab')")
    urls = [request.url.rpartition("/")[2] for request in requests]
    assert [url for url in urls if url.startswith("data")] == ["data", "data?tab"]


@unable("playwright#36690: routes do not see what a module worker imports")
def test_route_reaches_what_a_module_worker_imports(context: BrowserContext, tab: Page) -> None:
    context.route("**/part.js", fulfil("export const part = 'routed';"))
    assert ask(tab, "self.part", script="module-worker.js", module=True) == "routed"


@unable("playwright#33917: request events do not tell of what a module worker imports")
def test_request_events_tell_of_what_a_module_worker_imports(context: BrowserContext, tab: Page) -> None:
    requests: list[Request] = []
    context.on("request", lambda request: requests.append(request))
    assert ask(tab, "self.part", script="module-worker.js", module=True) == "served"
    tab.evaluate("fetch('part.js?tab')")
    urls = [request.url.rpartition("/")[2] for request in requests]
    assert [url for url in urls if url.startswith("part.js")] == ["part.js", "part.js?tab"]


@unable("only pages go offline; the worker's fetch still reaches the server")
def test_set_offline_reaches_the_worker(context: BrowserContext, tab: Page) -> None:
    assert ask(tab, "1") == 1
    context.set_offline(True)
    assert ask(tab, "fetch('data').then(() => 'online', () => 'offline')") == "offline"


def test_set_offline_changes_the_workers_navigator(
    context: BrowserContext, tab: Page, unable_in_firefox: Callable[[str], None]
) -> None:
    """In Chromium the word of a page that goes offline counts for its whole renderer."""
    unable_in_firefox("only pages go offline; navigator.onLine of the worker stays true")
    assert ask(tab, "1") == 1
    context.set_offline(True)
    assert ask(tab, "navigator.onLine") is False


# --- eyes and hands inside ------------------------------------------------------------------------------


@unable("playwright#17197: a SharedWorker is no Worker of a page")
def test_page_workers_holds_the_worker(tab: Page) -> None:
    announced: list[object] = []
    tab.on("worker", lambda worker: announced.append(worker))
    assert ask(tab, "1") == 1
    assert tab.workers
    assert announced


@unable("playwright#17197: the console of a SharedWorker is not told")
def test_context_console_holds_the_workers_lines(context: BrowserContext, tab: Page) -> None:
    messages: list[ConsoleMessage] = []
    context.on("console", lambda message: messages.append(message))
    assert ask(tab, "console.log('once more')") is None
    tab.evaluate("console.log('from the tab')")
    texts = [message.text for message in messages]
    assert texts == ["hello from the worker", "once more", "from the tab"]


@unable("playwright#28029: init scripts run in pages only")
def test_init_script_runs_in_the_worker(context: BrowserContext, tab: Page) -> None:
    context.add_init_script("self.injected = 'by the init script'")
    tab.reload()
    assert tab.evaluate("self.injected") == "by the init script"
    assert ask(tab, "self.injected") == "by the init script"


@unable("playwright#31772: the clock is that of pages only")
def test_page_clock_is_the_workers_clock_too(tab: Page) -> None:
    tab.clock.install(time=f"{YEAR_SET_BY_A_PROBE}-06-01")
    tab.reload()
    assert tab.evaluate("new Date().getFullYear()") == YEAR_SET_BY_A_PROBE
    assert ask(tab, "new Date().getFullYear()") == YEAR_SET_BY_A_PROBE


# --- DevTools ------------------------------------------------------------------------------------------


def shared_worker_target(session: CDPSession) -> str:
    infos = session.send("Target.getTargets", {"filter": [{}]})["targetInfos"]
    (target,) = [info["targetId"] for info in infos if info["type"] == "shared_worker"]
    return str(target)


@pytest.mark.usefixtures("needs_devtools")
@unable("playwright#22992: a CDP session is for a page or a frame")
def test_pages_devtools_session_attaches_to_its_worker(context: BrowserContext, tab: Page) -> None:
    session = context.new_cdp_session(tab)
    attached: list[dict[str, Any]] = []
    session.on("Target.attachedToTarget", lambda event: attached.append(event))
    session.send(
        "Target.setAutoAttach", {"autoAttach": True, "waitForDebuggerOnStart": False, "flatten": False}
    )
    assert ask(tab, "1") == 1
    session.send("Runtime.evaluate", {"expression": "1"})
    assert [event for event in attached if event["targetInfo"]["type"] == "shared_worker"]


@pytest.mark.usefixtures("needs_devtools")
@unable("Playwright cannot address flat sessions that it did not open itself", raises=PlaywrightError)
def test_flat_devtools_sessions_answer(context: BrowserContext, tab: Page) -> None:
    assert evaluate_by_devtools(context, tab, flatten=True) == [3]


@pytest.mark.usefixtures("needs_devtools")
def test_nested_devtools_sessions_answer(context: BrowserContext, tab: Page) -> None:
    """What the harness stands on; it is deprecated upstream (crbug.com/991325)."""
    assert evaluate_by_devtools(context, tab, flatten=False) == [3]


def evaluate_by_devtools(context: BrowserContext, tab: Page, *, flatten: bool) -> list[int]:
    assert context.browser is not None
    session = context.browser.new_browser_cdp_session()
    replies: list[dict[str, Any]] = []
    session.on("Target.receivedMessageFromTarget", lambda event: replies.append(json.loads(event["message"])))
    assert ask(tab, "1") == 1
    target = shared_worker_target(session)
    attached = session.send("Target.attachToTarget", {"targetId": target, "flatten": flatten})
    message = {"id": 1, "method": "Runtime.evaluate", "params": {"expression": "1 + 2"}}
    try:
        session.send(
            "Target.sendMessageToTarget",
            {"sessionId": attached["sessionId"], "message": json.dumps(message)},
        )
    finally:
        ask(tab, "2")
        session.send("Browser.getVersion")
        session.detach()
    return [reply["result"]["result"]["value"] for reply in replies if reply.get("id") == 1]


@pytest.mark.usefixtures("needs_devtools")
@unable("Fetch.enable is acknowledged in a worker's session and never pauses a request")
def test_fetch_domain_pauses_the_workers_requests(context: BrowserContext, tab: Page) -> None:
    assert context.browser is not None
    session = context.browser.new_browser_cdp_session()
    received: list[dict[str, Any]] = []
    session.on(
        "Target.receivedMessageFromTarget", lambda event: received.append(json.loads(event["message"]))
    )
    assert ask(tab, "1") == 1
    target = shared_worker_target(session)
    attached = session.send("Target.attachToTarget", {"targetId": target, "flatten": False})
    message = {"id": 1, "method": "Fetch.enable", "params": {}}
    session.send(
        "Target.sendMessageToTarget", {"sessionId": attached["sessionId"], "message": json.dumps(message)}
    )
    ask(tab, "fetch('data').then((answer) => answer.text())")
    session.send("Browser.getVersion")
    session.detach()
    assert {"id": 1, "result": {}} in received
    assert "Fetch.requestPaused" in [each.get("method") for each in received]


# --- lifetime: what the platform tells, and what it keeps to itself ----------------------------------------


LISTEN_FOR_CLOSE = """
self.gone = false;
self.addEventListener("connect", ({ ports: [port] }) => {
    port.addEventListener("close", () => { self.gone = true; });
});
"listening";
"""


@unable("whatwg/html#1386: a worker is not told when a tab goes away")
def test_worker_is_told_when_a_tab_closes(context: BrowserContext, tab: Page, gateway: Gateway) -> None:
    other = context.new_page()
    other.goto(gateway.url + "/")
    assert ask(tab, LISTEN_FOR_CLOSE) == "listening"
    assert ask(other, "2") == 2
    other.close()
    assert ask(tab, f"new Promise((resolve) => setTimeout(() => resolve(self.gone), {SILENCE_MS}))")


@unable("a worker ends with its last tab, and a reload ends the tab")
def test_worker_outlives_the_reload_of_its_only_tab(tab: Page) -> None:
    assert ask(tab, "self.mark = 'kept'") == "kept"
    tab.reload()
    assert ask(tab, "self.mark ?? 'lost'") == "kept"


@unable("every context has workers of its own")
def test_two_contexts_share_a_worker(
    new_context: Callable[[], BrowserContext], tab: Page, gateway: Gateway
) -> None:
    elsewhere = new_context().new_page()
    elsewhere.goto(gateway.url + "/")
    assert ask(tab, "self.mark = 'shared'") == "shared"
    assert ask(elsewhere, "self.mark ?? 'its own'") == "shared"


@pytest.mark.usefixtures("needs_devtools")
@unable("a worker that is killed takes its queue along, and its tabs are not told")
def test_tabs_are_told_when_their_worker_dies(context: BrowserContext, tab: Page) -> None:
    assert context.browser is not None
    assert ask(tab, "1") == 1
    tab.evaluate(
        "() => { window.told = []; const { worker } = window;"
        " for (const name of ['error', 'close'])"
        " for (const source of [worker, worker.port])"
        " source.addEventListener(name, () => window.told.push(name)); }"
    )
    session = context.browser.new_browser_cdp_session()
    session.send("Target.closeTarget", {"targetId": shared_worker_target(session)})
    session.detach()
    assert tab.evaluate(f"new Promise((resolve) => setTimeout(() => resolve(window.told), {SILENCE_MS}))")


@pytest.mark.usefixtures("needs_crash")
@unable("Chromium hosts a worker in the renderer of the tab that started it")
def test_worker_outlives_a_crash_of_the_tab_that_started_it(
    context: BrowserContext, tab: Page, gateway: Gateway
) -> None:
    other = context.new_page()
    other.goto(gateway.url + "/")
    assert ask(tab, "self.mark = 'kept'") == "kept"
    assert ask(other, "self.mark") == "kept"
    with tab.expect_event("crash"), suppress(PlaywrightError):
        tab.goto("chrome://crash")
    assert ask(other, "self.mark", timeout_ms=SILENCE_MS) == "kept"
