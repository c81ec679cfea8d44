"""The options of client and worker, in an app without a bundler: each is passed to both, or has its default.

`unit/worker/test_package.py` covers options that are refused.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page

from e2e.conformance.paths import CHECKOUT
from pytest_sharedworker.gateway.gateway import Gateway
from pytest_sharedworker.webkitgtk.context import WebKitGtkContext
from pytest_sharedworker.workers.shared_workers import SharedWorkers
from reference_server.api.telemetry import ENDPOINT

pytestmark = pytest.mark.usefixtures("worker_clock")

POST = "POST **/collect"
FLUSH_INTERVAL_MS = 5_000
PATH = "/collect"
OPTIONS: dict[str, Any] = {"endpoint": PATH, "flushIntervalMs": FLUSH_INTERVAL_MS}
PAGE = """<!doctype html><title>app</title><link rel=icon href=data:,><script type=module>
    import { createTelemetryClient } from "/static-files/index.js";
    self.connected = new Promise((resolve) => {
        self.telemetry = createTelemetryClient({
            ...%s, workerUrl: "/scripts/own.worker.js", type: "module",
            onStateChange: (state) => ["worker", "page"].includes(state) && resolve(state),
        });
    });
</script>"""
WORKER = """
    import { serveTabs } from "/static-files/serve-tabs.js";
    serveTabs(%s);
"""


class ConfiguredApp:
    """An app whose client and worker have the same options."""

    def __init__(self, gateway: Gateway, context: BrowserContext, **options: Any) -> None:
        """Serve the app. `options` are added to OPTIONS."""
        self._gateway = gateway
        self._context = context
        text = json.dumps({**OPTIONS, **options})
        gateway.serve_directory("/static-files/", CHECKOUT / "worker")
        gateway.serve("/app/page.html", PAGE % text, content_type="text/html")
        gateway.serve("/scripts/own.worker.js", WORKER % text, content_type="text/javascript")
        gateway.rewrite(PATH, ENDPOINT)

    def open_tab(self, connected: str = "worker") -> Page:
        """Open a tab and wait until it is connected to a session in the worker or in the page."""
        tab = self._context.new_page()
        tab.goto(self._gateway.url + "/app/page.html")
        assert tab.evaluate("connected") == connected
        return tab

    def get_batches(self) -> list[list[str]]:
        """Return the component ids of each POST."""
        posts = self._gateway.journal.select(POST)
        return [[record["params"]["componentId"] for record in post.json()["records"]] for post in posts]


def log(tab: Page, *components: str) -> list[bool]:
    accepted: list[bool] = tab.evaluate(
        "(ids) => ids.map((componentId) => telemetry.logEvent({ componentId }))", list(components)
    )
    return accepted


CreateApp = Callable[..., ConfiguredApp]


@pytest.fixture
def create_app(gateway: Gateway, context: BrowserContext) -> CreateApp:
    """Return a function that serves an app with options."""

    def create(**options: Any) -> ConfiguredApp:
        return ConfiguredApp(gateway, context, **options)

    return create


def test_endpoint_and_flush_interval_hold_in_the_worker(
    create_app: CreateApp, shared_workers: SharedWorkers
) -> None:
    app = create_app()
    log(app.open_tab(), "one")
    shared_workers.clock.run_for(FLUSH_INTERVAL_MS - 1)
    assert app.get_batches() == []
    shared_workers.clock.run_for(1)
    assert app.get_batches() == [["one"]]


def test_endpoint_and_flush_interval_hold_in_the_page(
    create_app: CreateApp, gateway: Gateway, context: BrowserContext
) -> None:
    context.add_init_script("delete self.SharedWorker")
    context.clock.install()
    app = create_app()
    tab = app.open_tab("page")
    log(tab, "one")
    with gateway.expect_response(POST):
        tab.clock.run_for(FLUSH_INTERVAL_MS)
    assert app.get_batches() == [["one"]]


def test_frame_with_srcdoc_has_the_endpoint_of_its_origin(
    create_app: CreateApp, gateway: Gateway, shared_workers: SharedWorkers
) -> None:
    app = create_app()
    tab = app.open_tab()
    frame_document = PAGE % json.dumps(OPTIONS)
    state = tab.evaluate(
        """async (text) => {
            const frame = document.createElement("iframe");
            frame.srcdoc = text;
            document.body.append(frame);
            await new Promise((resolve) => { frame.onload = resolve; });
            const state = await frame.contentWindow.connected;
            frame.contentWindow.telemetry.logEvent({ componentId: "framed" });
            return state;
        }""",
        frame_document,
    )
    assert state == "worker"
    shared_workers.clock.run_for(FLUSH_INTERVAL_MS)
    assert app.get_batches() == [["framed"]]


def test_batch_has_at_most_the_given_number_of_records(
    create_app: CreateApp, shared_workers: SharedWorkers
) -> None:
    app = create_app(maxBatchRecords=2)
    log(app.open_tab(), "a", "b", "c", "d", "e")
    shared_workers.clock.run_for(10 * FLUSH_INTERVAL_MS)
    assert app.get_batches() == [["a", "b"], ["c", "d"], ["e"]]


def test_batch_has_at_most_the_given_size(create_app: CreateApp, shared_workers: SharedWorkers) -> None:
    app = create_app(maxBatchBytes=1)
    log(app.open_tab(), "a", "b")
    shared_workers.clock.run_for(10 * FLUSH_INTERVAL_MS)
    assert app.get_batches() == [["a"], ["b"]]


@pytest.mark.parametrize(
    ("options", "components", "sent", "dropped"),
    [
        ({"maxQueuedRecords": 3}, ["a", "b", "c", "d", "e"], ["c", "d", "e"], 2),
        ({"maxQueuedBytes": 3000}, ["a" * 1000, "b" * 1000, "c" * 1000], ["b" * 1000, "c" * 1000], 1),
        ({"maxRecordBytes": 1000}, ["a", "b" * 1000, "c"], ["a", "c"], 1),
    ],
)
def test_bounds_of_the_queue_are_those_given(
    create_app: CreateApp,
    gateway: Gateway,
    shared_workers: SharedWorkers,
    options: dict[str, int],
    components: list[str],
    sent: list[str],
    dropped: int,
) -> None:
    app = create_app(**options)
    log(app.open_tab(), *components)
    shared_workers.clock.run_for(FLUSH_INTERVAL_MS)
    assert app.get_batches() == [sent]
    assert gateway.journal.select(POST)[0].json()["dropped"] == dropped


def test_events_beyond_the_waiting_bound_are_refused(create_app: CreateApp) -> None:
    app = create_app(maxWaitingEvents=2)
    tab = app.open_tab()
    assert log(tab, "a", "b", "c") == [True, True, False]


def test_consent_and_installation_id_have_the_given_keys(
    create_app: CreateApp, gateway: Gateway, shared_workers: SharedWorkers
) -> None:
    app = create_app(consentKey="app.consent", installationIdKey="app.id")
    first, second = app.open_tab(), app.open_tab()
    log(first, "one")
    shared_workers.clock.run_for(FLUSH_INTERVAL_MS)
    (post,) = gateway.journal.select(POST)
    assert first.evaluate("localStorage['app.id']") == post.json()["records"][0]["installation_id"]
    second.evaluate("telemetry.optOut()")
    first.wait_for_function("telemetry.state() === 'off'")
    assert first.evaluate("telemetry.logEvent({ componentId: 'two' })") is False
    stored: list[str] = first.evaluate("Object.keys(localStorage).filter((key) => key.startsWith('mlflow'))")
    assert first.evaluate("localStorage['app.consent']") == "false"
    assert stored == []
    shared_workers.clock.run_for(10 * FLUSH_INTERVAL_MS)
    assert app.get_batches() == [["one"]]


def test_client_works_without_a_worker_that_refuses_its_options(
    create_app: CreateApp, gateway: Gateway
) -> None:
    app = create_app()
    gateway.serve("/scripts/own.worker.js", WORKER % "{ flushInterval: 5 }", content_type="text/javascript")
    assert app.open_tab("page").evaluate("telemetry.state()") == "page"


@pytest.mark.parametrize(("worker_options", "reports"), [("{}", 1), (json.dumps(OPTIONS), 0)])
def test_worker_with_another_endpoint_is_an_error_on_the_console(
    create_app: CreateApp, gateway: Gateway, context: BrowserContext, worker_options: str, reports: int
) -> None:
    if isinstance(context, WebKitGtkContext):
        pytest.skip("WebKitGTK, driven by WebDriver, reports no console messages of pages")
    errors: list[str] = []
    context.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    app = create_app()
    gateway.serve("/scripts/own.worker.js", WORKER % worker_options, content_type="text/javascript")
    app.open_tab().wait_for_function("telemetry.state() === 'worker'")
    found = [error for error in errors if error.startswith("telemetry: the worker's endpoint is not ")]
    assert len(found) == reports
