"""Interoperability: MLflow's own server accepts and forwards what the reference worker posts.

Optional, because MLflow is large. MLFLOW_PYTHON names a Python that has MLflow, for example:

    python3 -m venv .cache/mlflow-server && .cache/mlflow-server/bin/pip install mlflow
    MLFLOW_PYTHON=.cache/mlflow-server/bin/python pytest e2e/interop

The suite itself covers the other direction: the implementations `mlflow-…` are MLflow's workers in front of
the reference server, and the suite drives every worker with the messages of MLflow's tabs.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext

from e2e.conformance.paths import CHECKOUT
from e2e.interop.mlflow_server import PYTHON_VARIABLE, TelemetryService, read_version, run_mlflow
from pytest_sharedworker.gateway.gateway import Gateway
from pytest_sharedworker.workers.shared_workers import SharedWorkers

FORWARD_TIMEOUT_SECONDS = 60
FLUSH_INTERVAL_SECONDS = 30
POST = "POST **/ui-telemetry"
APP = """<!doctype html><title>app</title><link rel=icon href=data:,><script type=module>
    import { createTelemetryClient } from "./static-files/telemetry-client.js";
    self.connected = new Promise((resolve) => {
        self.telemetry = createTelemetryClient({
            workerUrl: "static-files/telemetry.worker.js", type: "module",
            onStateChange: (state) => state === "worker" && resolve(),
        });
    });
</script>"""

pytestmark = [
    pytest.mark.usefixtures("worker_clock"),
    pytest.mark.skipif(PYTHON_VARIABLE not in os.environ, reason="MLFLOW_PYTHON names no Python with MLflow"),
    pytest.mark.timeout(240),
]


class Forwarded:
    """The records that MLflow's server has forwarded."""

    def __init__(self) -> None:
        self._records: list[dict[str, Any]] = []
        self._changed = threading.Condition()

    def add(self, record: dict[str, Any]) -> None:
        """Add a record, in any thread."""
        with self._changed:
            self._records.append(record)
            self._changed.notify_all()

    def wait_for(self, count: int) -> list[dict[str, Any]]:
        """Wait until `count` UI events were forwarded, or for the timeout, and return those that were."""

        def get_events() -> list[dict[str, Any]]:
            return [record for record in self._records if record.get("event_name") == "ui_event"]

        with self._changed:
            self._changed.wait_for(lambda: len(get_events()) >= count, timeout=FORWARD_TIMEOUT_SECONDS)
            return get_events()


@pytest.fixture
def forwarded() -> Forwarded:
    return Forwarded()


@pytest.fixture
def gateway_upstream(forwarded: Forwarded, tmp_path: Path) -> Iterator[str]:
    """Run MLflow's server; return its origin."""
    service = TelemetryService(read_version(), forwarded.add)
    with closing(service), run_mlflow(tmp_path, service) as server:
        yield server.origin


def test_mlflow_accepts_and_forwards_records(
    gateway: Gateway, shared_workers: SharedWorkers, context: BrowserContext, forwarded: Forwarded
) -> None:
    gateway.serve_directory("/static-files/", CHECKOUT / "worker")
    gateway.serve("/app.html", APP, content_type="text/html")
    for number in range(2):
        tab = context.new_page()
        tab.goto(gateway.url + "/app.html")
        tab.evaluate(
            """async (tab) => {
                await connected;
                for (const click of [0, 1, 2]) telemetry.logEvent({ componentId: `tab-${tab}/${click}` });
            }""",
            number,
        )
    shared_workers.clock.run_for(FLUSH_INTERVAL_SECONDS * 1000)
    (post,) = gateway.journal.select(POST)
    assert (post.status, json.loads(post.response_body)) == (200, {"status": "success"})
    shared_workers.clock.run_for(10 * FLUSH_INTERVAL_SECONDS * 1000)
    assert len(gateway.journal.select(POST)) == 1, "the worker does not send accepted records again"
    records = forwarded.wait_for(6)
    components = sorted(json.loads(record["params"])["componentId"] for record in records)
    assert components == [f"tab-{tab}/{click}" for tab in range(2) for click in range(3)]
    assert len({record["session_id"] for record in records}) == 1
