"""An app of its own for the client's tests: its page exposes the client as `telemetry`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, CDPSession, Page

from e2e.conformance.paths import CHECKOUT
from e2e.worker.driver.waiting import MAX_BACKOFF_MS
from pytest_sharedworker import Clock
from pytest_sharedworker.gateway.gateway import Gateway
from pytest_sharedworker.workers.shared_workers import SharedWorkers

FLUSH_INTERVAL_MS = 30_000
MINUTE_MS = 60_000
CONSENT_KEY = "mlflow.settings.telemetry.enabled_v1"
INSTALLATION_ID_KEY = "mlflow-telemetry-installation-id"
REPLACE_TIMEOUT_MS = 30_000
"""Firefox may connect a new client to the worker that is just ending. The client then connects again."""
BUILD = "/build-1/"
OTHER_BUILD = "/build-2/"
"""Other script URL, other worker; the same endpoint, and so the same outbox."""

_PAGE = """<!doctype html><title>app</title><link rel=icon href=data:,>
<script type=module>
  import {{ createTelemetryClient }} from "{build}telemetry-client.js";
  self.states = [];
  self.warnings = [];
  const warn = console.warn;
  console.warn = (...values) => {{ warnings.push(values.map(String).join(" ")); warn(...values); }};
  self.createClient = (build) => createTelemetryClient({{
    workerUrl: (build ?? "{build}") + "telemetry.worker.js",
    type: "module",
    onStateChange: (state) => states.push(state),
  }});
  self.telemetry = createClient();
  self.returns = 0;
  addEventListener("pageshow", ({{ persisted }}) => persisted && returns++);
</script>"""

_READ_OUTBOX = """async () => {
  const found = [];
  for (const { name } of await indexedDB.databases()) {
    if (!name.startsWith("telemetry-outbox")) continue;
    const database = await new Promise((resolve, reject) => {
      const request = indexedDB.open(name);
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
    if (database.objectStoreNames.contains("records")) {
      const request = database.transaction("records").objectStore("records").getAll();
      await new Promise((resolve) => { request.onsuccess = resolve; });
      found.push(...request.result.map(({ text }) => JSON.parse(text).params.componentId));
    }
    database.close();
  }
  return found;
}"""

# Fills localStorage to the last character.
FILL_STORAGE = """() => {
  let size = 1 << 20;
  let number = 0;
  while (size >= 1) {
    try {
      localStorage.setItem(`fill-${number}`, "x".repeat(size));
      number++;
    } catch {
      size = size >> 1;
    }
  }
  try {
    for (;;) localStorage.setItem("f", (localStorage.getItem("f") ?? "") + "x");
  } catch {}
}"""

_FILL_STORAGE_WITHOUT_ID = f"""() => {{
  localStorage.removeItem("{INSTALLATION_ID_KEY}");
  ({FILL_STORAGE})();
  return JSON.stringify(localStorage).length;
}}"""
"""In one task: a client that is called meanwhile writes the id again."""

STEAL_SESSION_LOCKS = """async () => {
  for (const { name } of (await navigator.locks.query()).held) {
    if (!name.startsWith("telemetry-outbox")) continue;
    await navigator.locks.request(name, { steal: true }, () => {});
  }
}"""


class App:
    """The app behind the gateway, in two builds."""

    def __init__(self, gateway: Gateway, context: BrowserContext, host: str = "127.0.0.1") -> None:
        self.gateway = gateway
        self.context = context
        self.origin = f"http://{host}:{urlsplit(gateway.url).port}"
        for build in (BUILD, OTHER_BUILD):
            gateway.serve_directory(build, CHECKOUT / "worker")
            # Browsers send no Sec-Fetch-Dest to an origin that is not secure.
            gateway.add_worker_script(f"GET {build}telemetry.worker.js")
            gateway.serve(self.get_path(build), _PAGE.format(build=build), content_type="text/html")
        gateway.serve("/blank.html", "<!doctype html><title>blank</title>", content_type="text/html")

    @staticmethod
    def get_path(build: str = BUILD) -> str:
        """Return the path of a build's page."""
        return f"/{build.strip('/')}.html"

    def open(self, build: str = BUILD, *, state: str | None = "worker") -> Page:
        """Open the app in a new tab, and wait for the client's state."""
        page = self.context.new_page()
        page.goto(self.origin + self.get_path(build))
        wait_for_client(page)
        if state is not None:
            wait_for_state(page, state)
        return page

    def open_blank(self) -> Page:
        """Open a page of the app's origin without a client."""
        page = self.context.new_page()
        self.leave(page)
        return page

    def leave(self, page: Page) -> None:
        """Navigate to a page of the app's origin without a client."""
        page.goto(self.origin + "/blank.html")


def wait_for_client(page: Page) -> None:
    """Wait until the page has created its client."""
    page.wait_for_function("() => 'telemetry' in self")


def wait_for_state(page: Page, state: str, *, timeout: float = 20_000) -> None:
    """Wait until the client is in this state."""
    page.wait_for_function("(state) => telemetry.state() === state", arg=state, timeout=timeout)


def fill_storage_without_id(page: Page, *others: Page) -> None:
    """Leave no room in localStorage for an opt-out.

    Chromium writes in the background. Meanwhile another tab's write can succeed, and the last ones of this
    page are taken back instead. So wait until all tabs see them.
    """
    length = page.evaluate(_FILL_STORAGE_WITHOUT_ID)
    for other in others:
        other.wait_for_function("(length) => JSON.stringify(localStorage).length === length", arg=length)


def leave_and_return(app: App, page: Page, meanwhile: Callable[[], None] = lambda: None) -> bool:
    """Navigate to another page and back. Return whether the browser restored the first one from its cache.

    It loads the page again when something happened that a cached page cannot wait for.
    """
    page.evaluate("() => { returns = 0; self.isFirst = true; }")
    app.leave(page)
    meanwhile()
    # Playwright's own `go_back` waits for a page load, and there is none.
    page.evaluate("() => { history.back(); }")
    page.wait_for_function("() => self.returns > 0 || ('telemetry' in self && !self.isFirst)")
    return bool(page.evaluate("() => returns > 0"))


def log(page: Page, component: str, count: int = 1) -> None:
    """Log events; the component ids are `component/0`, `component/1` and so on, or `component` for one."""
    names = [component] if count == 1 else [f"{component}/{number}" for number in range(count)]
    page.evaluate("(names) => names.forEach((componentId) => telemetry.logEvent({ componentId }))", names)


def read_outbox(page: Page) -> list[str]:
    """Return the component ids of the records on disk, in order."""
    components: list[str] = page.evaluate(_READ_OUTBOX)
    return components


def wait_for_outbox(page: Page, clock: Clock, *components: str) -> None:
    """Wait until exactly these records are on disk. The worker repeats a failed write some seconds later."""
    for _ in range(20):
        clock.settle()
        if sorted(read_outbox(page)) == sorted(components):
            return
        clock.run_for(1_000)
    assert sorted(read_outbox(page)) == sorted(components)


def wait_until(page: Page, condition: str, argument: object, *, timeout_ms: float = 20_000) -> None:
    """Wait until an asynchronous function is true in the page: `wait_for_function` takes a promise for true.

    Raise AssertionError after the timeout.
    """
    is_met = page.evaluate(
        f"""async ([argument, timeoutMs]) => {{
            const isMet = {condition};
            const end = performance.now() + timeoutMs;
            while (!(await isMet(argument))) {{
                if (performance.now() > end) return false;
                await new Promise((resolve) => setTimeout(resolve, 20));
            }}
            return true;
        }}""",
        [argument, timeout_ms],
    )
    assert is_met, f"after {timeout_ms:g} ms still not: {condition} for {argument!r}"


def wait_until_on_disk(page: Page, component: str) -> None:
    """Wait until a session in the page has a record on disk: it has its configuration, and can post."""
    wait_until(page, f"async (component) => (await ({_READ_OUTBOX})()).includes(component)", component)


def drain(clock: Clock) -> None:
    """Give the worker time for all retries."""
    clock.run_for(MAX_BACKOFF_MS)


def replace_worker(workers: SharedWorkers, url: str = "**") -> None:
    """End this worker, and wait for the one that its clients start in its place.

    Their state alone does not tell: for a moment they are still connected to the worker that has ended.
    """
    with workers.expect_worker(url, timeout=REPLACE_TIMEOUT_MS):
        workers.wait_for(url).terminate()


def end_lingering_workers(workers: SharedWorkers) -> None:
    """Let workers with an extended lifetime notice that no tab is left; others have ended already."""
    for _ in range(30):
        if not workers.alive:
            return
        workers.clock.run_for(MINUTE_MS)


def get_dropped(gateway: Gateway) -> int:
    """Return how many events the server knows to be dropped: the last count of each session, added up."""
    totals: dict[str, int] = {}
    for post in gateway.journal.select("POST **/ui-telemetry"):
        totals[post.json()["session_id"]] = post.json()["dropped"]
    return sum(totals.values())


def count_locks(page: Page) -> dict[str, int]:
    """Return how many Web Locks of the origin are held and how many are requested."""
    counts: dict[str, int] = page.evaluate(
        """async () => {
            const { held, pending } = await navigator.locks.query();
            return { held: held.length, pending: pending.length };
        }"""
    )
    return counts


@contextmanager
def open_devtools(page: Page) -> Iterator[Any]:
    """Open a DevTools session of the page (Chromium)."""
    session: CDPSession = page.context.new_cdp_session(page)
    yield session
    session.detach()
