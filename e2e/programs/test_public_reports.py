"""What people reported of SharedWorkers in public, under the plugin."""

from __future__ import annotations

from playwright.sync_api import BrowserContext, Page

from pytest_sharedworker import Clock, Gateway, Route, SharedWorkers

EMPTY = "<!doctype html><title>page</title>"
ECHO_WITH_COUNT = """
self.connects = 0;
onconnect = ({ ports: [port] }) => {
    connects += 1;
    port.onmessage = ({ data }) => port.postMessage(`${data} of ${connects}`);
};
"""
CONNECT = """(options) => {
    window.received = [];
    window.worker = new SharedWorker("/worker.js", options);
    worker.port.onmessage = ({ data }) => received.push(data);
}"""


def open_page(context: BrowserContext, gateway: Gateway, worker: str) -> Page:
    gateway.serve("/", EMPTY)
    gateway.serve("/worker.js", worker)
    page = context.new_page()
    page.goto("/")
    page.evaluate(CONNECT)
    return page


def ask(page: Page, question: str) -> str:
    page.evaluate("(question) => { received.length = 0; worker.port.postMessage(question); }", question)
    page.wait_for_function("received.length")
    return str(page.evaluate("received[0]"))


def test_request_of_the_constructor_is_seen(
    context: BrowserContext, gateway: Gateway, shared_workers: SharedWorkers
) -> None:
    """microsoft/playwright#7107."""
    with gateway.expect_request("/worker.js") as info:
        open_page(context, gateway, "onconnect = () => {};")
    assert info.value.request_headers["Sec-Fetch-Dest"] == "sharedworker"


def test_imported_script_is_intercepted(
    context: BrowserContext, gateway: Gateway, shared_workers: SharedWorkers
) -> None:
    """microsoft/playwright#6403."""

    def mock(route: Route) -> None:
        route.fulfill(body="self.from = 'route';", content_type="text/javascript")

    gateway.serve("/library.js", "self.from = 'server';")
    gateway.route("/library.js", mock)
    open_page(context, gateway, "importScripts('/library.js'); onconnect = () => {};")
    assert shared_workers.wait_for("/worker.js").evaluate("from") == "route"


def test_script_of_another_origin_is_imported(
    context: BrowserContext, gateway: Gateway, shared_workers: SharedWorkers
) -> None:
    """microsoft/playwright#5952."""
    gateway.serve("/library.js", "self.from = 'elsewhere';")
    other = gateway.url.replace("127.0.0.1", "localhost")
    open_page(context, gateway, f"importScripts('{other}/library.js'); onconnect = () => {{}};")
    assert shared_workers.wait_for("/worker.js").evaluate("from") == "elsewhere"


def test_user_agent_of_a_worker_is_changed(
    context: BrowserContext, gateway: Gateway, shared_workers: SharedWorkers
) -> None:
    """microsoft/playwright#6924."""
    shared_workers.add_init_script(
        "Object.defineProperty(WorkerNavigator.prototype, 'userAgent', { get: () => 'mine' });"
    )
    open_page(context, gateway, "self.seen = navigator.userAgent; onconnect = () => {};")
    assert shared_workers.wait_for("/worker.js").evaluate("seen") == "mine"


def test_reloaded_tab_connects_again_to_the_same_worker(
    context: BrowserContext, gateway: Gateway, shared_workers: SharedWorkers, worker_clock: Clock
) -> None:
    """mdn/simple-shared-worker#3, OpenSlides/openslides-client#2127."""
    stays, reloads = (open_page(context, gateway, ECHO_WITH_COUNT) for _ in range(2))
    reloads.reload()
    reloads.evaluate(CONNECT)
    assert ask(reloads, "third") == "third of 3"
    assert ask(stays, "first") == "first of 3"
    worker_clock.run_for(1_000)
    assert len(shared_workers.history) == 1


def test_reload_of_the_only_tab_starts_another_worker(
    context: BrowserContext, gateway: Gateway, shared_workers: SharedWorkers
) -> None:
    """celestiaorg/lumina#281."""
    page = open_page(context, gateway, ECHO_WITH_COUNT)
    first = shared_workers.wait_for("/worker.js")
    page.goto("about:blank")
    first.wait_for_close()
    page.goto("/")
    page.evaluate(CONNECT)
    assert ask(page, "again") == "again of 1"
    assert len(shared_workers.history) == 2


def test_handler_starts_the_port(
    context: BrowserContext, gateway: Gateway, shared_workers: SharedWorkers, worker_clock: Clock
) -> None:
    """mdn/simple-shared-worker#1."""
    page = open_page(context, gateway, ECHO_WITH_COUNT)
    page.evaluate("worker.port.postMessage('no start()')")
    worker_clock.run_for(1)
    page.wait_for_function("received.length")
    assert page.evaluate("received") == ["no start() of 1"]


def test_listener_alone_does_not_start_the_port(
    context: BrowserContext, gateway: Gateway, shared_workers: SharedWorkers, worker_clock: Clock
) -> None:
    """neomjs/neo#3880."""
    page = open_page(
        context,
        gateway,
        """
        self.read = 0;
        onconnect = ({ ports: [port] }) => {
            self.port = port;
            port.addEventListener("message", () => { read += 1; });
        };
        """,
    )
    page.evaluate("worker.port.postMessage('waits')")
    worker = shared_workers.wait_for("/worker.js")
    worker_clock.run_for(5_000)
    assert worker.evaluate("read") == 0
    worker.evaluate("port.start()")
    worker_clock.run_for(1)
    assert worker.evaluate("read") == 1


def test_messages_of_a_tab_stay_in_order(
    context: BrowserContext, gateway: Gateway, shared_workers: SharedWorkers, worker_clock: Clock
) -> None:
    """LadybirdBrowser/ladybird#9669: between tabs there is no order, within one there is."""
    pages = [open_page(context, gateway, ECHO_WITH_COUNT) for _ in range(2)]
    for page in pages:
        page.evaluate("for (const each of [1, 2, 3]) worker.port.postMessage(each)")
    worker_clock.run_for(1)
    for page in pages:
        page.wait_for_function("received.length === 3")
        assert page.evaluate("received.map(parseFloat)") == [1, 2, 3]


def test_socket_reconnects_after_its_delay(
    context: BrowserContext, gateway: Gateway, shared_workers: SharedWorkers, worker_clock: Clock
) -> None:
    """robtaussig/react-use-websocket#34, systeminit/si#6420."""
    gateway.route_web_socket("/live", lambda socket: socket.close(code=1012, reason="restart"))
    page = open_page(
        context,
        gateway,
        """
        self.closes = [];
        const connect = () => {
            const socket = new WebSocket("/live");
            socket.onclose = ({ code }) => { closes.push(code); setTimeout(connect, 3000); };
        };
        connect();
        onconnect = () => {};
        """,
    )
    worker = shared_workers.wait_for("/worker.js")
    worker.wait_for_function("closes.length === 1")
    worker_clock.run_for(2_999)
    assert worker.evaluate("closes") == [1012]
    worker_clock.run_for(1)
    worker.wait_for_function("closes.length === 2")
    assert page.evaluate("received") == []


def test_options_that_do_not_match_fail_for_the_second_tab_only(
    context: BrowserContext, gateway: Gateway, shared_workers: SharedWorkers, worker_clock: Clock
) -> None:
    """whatwg/html, "run a worker": another type or credentials of a running worker is an error."""
    first = open_page(context, gateway, ECHO_WITH_COUNT)
    second = context.new_page()
    second.goto("/")
    second.evaluate("""() => new Promise((resolve) => {
        new SharedWorker("/worker.js", { type: "module" }).onerror = resolve;
    })""")
    worker_clock.run_for(1_000)
    assert ask(first, "alive") == "alive of 1"


def test_relative_urls_fail_in_an_inline_worker(
    context: BrowserContext, gateway: Gateway, shared_workers: SharedWorkers, worker_clock: Clock
) -> None:
    """microsoft/monaco-editor#4675, miki995/ngx-monaco-editor-v2#44: a blob: URL is no base."""
    page = open_page(context, gateway, "onconnect = () => {};")
    names = page.evaluate("""() => new Promise((resolve) => {
        const text = `
            const names = [];
            try { importScripts("library.js"); } catch ({ name }) { names.push(name); }
            const done = fetch("/library.js").catch(({ name }) => names.push(name));
            onconnect = async ({ ports: [port] }) => { await done; port.postMessage(names); };`;
        const url = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
        new SharedWorker(url).port.onmessage = ({ data }) => resolve(data);
    })""")
    assert names == ["SyntaxError", "TypeError"]


def test_blocked_deletion_of_a_database_lets_time_pass(
    context: BrowserContext, gateway: Gateway, shared_workers: SharedWorkers, worker_clock: Clock
) -> None:
    """dexie/Dexie.js#1779: the page keeps a connection to the database that the worker deletes."""
    page = open_page(
        context,
        gateway,
        """
        self.events = [];
        self.remove = () => {
            const request = indexedDB.deleteDatabase("shared");
            request.onblocked = () => setTimeout(() => events.push("still blocked"), 5000);
            request.onsuccess = () => events.push("deleted");
        };
        onconnect = () => {};
        """,
    )
    page.evaluate("""() => new Promise((resolve) => {
        indexedDB.open("shared").onsuccess = ({ target }) => { window.database = target.result; resolve(); };
    })""")
    worker = shared_workers.wait_for("/worker.js")
    worker.evaluate("remove()")
    worker_clock.run_for(10_000)
    assert worker.evaluate("events") == ["still blocked"]
    page.evaluate("database.close()")
    worker.wait_for_function("events.length === 2")
    assert worker.evaluate("events") == ["still blocked", "deleted"]
