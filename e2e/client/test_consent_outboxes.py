"""An opt-out where apps of one origin have outboxes of their own, and no worker runs that could empty them.

Not covered: a page that ends before the browser has listed the databases.
"""

from __future__ import annotations

import pytest

from e2e.client.app import App, log, read_outbox, wait_for_outbox
from e2e.conformance.paths import CHECKOUT
from pytest_sharedworker import HttpStatus
from pytest_sharedworker.gateway.gateway import Gateway
from pytest_sharedworker.workers.shared_workers import SharedWorkers

pytestmark = pytest.mark.usefixtures("worker_clock")

ENDPOINT = "/ajax-api/3.0/mlflow/ui-telemetry"
OTHER_FOLDER = "/other/app/"
CREATE_OTHER_CLIENT = """() => new Promise((resolve) => {
  const onStateChange = (state) => state === "worker" && resolve();
  import("/build-1/telemetry-client.js").then(({ createTelemetryClient }) => {
    const workerUrl = "/other/app/telemetry.worker.js";
    self.telemetry = createTelemetryClient({ workerUrl, type: "module", onStateChange });
  });
})"""
# A session in the page has the options of its client.
CREATE_CLIENT_WITH_OWN_CONSENT = """() => new Promise((resolve) => {
  const onStateChange = (state) => state === "page" && resolve();
  const createWorker = () => { throw new Error("no worker"); };
  import("/build-1/telemetry-client.js").then(({ createTelemetryClient }) => {
    const endpoint = "/own/ajax-api/3.0/mlflow/ui-telemetry";
    self.telemetry = createTelemetryClient({ createWorker, endpoint, consentKey: "own", onStateChange });
  });
})"""
# Returns when the browser has done what the client requested: it handles one request after the other.
OPT_OUT = """async () => {
  telemetry.optOut();
  await indexedDB.databases();
  await new Promise((resolve) => { indexedDB.deleteDatabase("none").onsuccess = resolve; });
}"""


def leave_event(app: App, gateway: Gateway, shared_workers: SharedWorkers) -> None:
    """Log an event in an app with another endpoint, whose worker crashes before it posts."""
    gateway.serve_directory(OTHER_FOLDER, CHECKOUT / "worker")
    for prefix in ("/other", "/own"):
        gateway.rewrite(f"{prefix}{ENDPOINT}", ENDPOINT)
    gateway.add_toxic(HttpStatus(503), on="POST **/ui-telemetry", optional=True)
    page = app.open_blank()
    page.evaluate(CREATE_OTHER_CLIENT)
    log(page, "left-behind")
    wait_for_outbox(page, shared_workers.clock, "left-behind")
    page.close()
    for worker in shared_workers.alive:
        worker.terminate()


def test_opt_out_empties_the_outboxes_of_all_endpoints(
    app: App, gateway: Gateway, shared_workers: SharedWorkers
) -> None:
    leave_event(app, gateway, shared_workers)
    page = app.open()
    assert read_outbox(page) == ["left-behind"]
    page.evaluate(OPT_OUT)
    assert read_outbox(page) == []


def test_opt_out_leaves_the_outbox_of_an_app_with_another_consent(
    app: App, gateway: Gateway, shared_workers: SharedWorkers
) -> None:
    leave_event(app, gateway, shared_workers)
    page = app.open_blank()
    page.evaluate(CREATE_CLIENT_WITH_OWN_CONSENT)
    page.evaluate(OPT_OUT)
    assert read_outbox(page) == ["left-behind"]
