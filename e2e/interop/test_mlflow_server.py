"""Interoperability: MLflow's own server accepts and forwards what the reference worker posts.

Optional, because MLflow is large. MLFLOW_PYTHON names a Python that has MLflow, for example:

    python3 -m venv .cache/mlflow-server && .cache/mlflow-server/bin/pip install mlflow==3.18.0
    MLFLOW_PYTHON=.cache/mlflow-server/bin/python pytest e2e/interop

The suite itself covers the other direction: the implementations `mlflow-…` are MLflow's workers in front of
the reference server, and the suite drives every worker with the messages of MLflow's tabs.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext

from e2e.conformance.paths import CHECKOUT
from pytest_sharedworker.gateway.gateway import Gateway
from pytest_sharedworker.workers.shared_workers import SharedWorkers

MLFLOW_VERSION = "3.18.0"
FORWARD_TIMEOUT_SECONDS = 60
FLUSH_INTERVAL_SECONDS = 30
POST = "POST */ui-telemetry"
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
    pytest.mark.skipif("MLFLOW_PYTHON" not in os.environ, reason="MLFLOW_PYTHON names no Python with MLflow"),
    pytest.mark.timeout(240),
]


class FakeUpstream:
    """Replaces MLflow's telemetry service: serves a configuration and keeps the forwarded records."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []
        self._changed = threading.Condition()
        upstream = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._respond(upstream.get_configuration())

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with upstream._changed:
                    upstream.records += [record["data"] for record in body["records"]]
                    upstream._changed.notify_all()
                self._respond({})

            def _respond(self, value: object) -> None:
                body = json.dumps(value).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Do not log requests."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def get_configuration(self) -> dict[str, object]:
        """Return a configuration that enables the telemetry of the server and of the browser."""
        return {
            "mlflow_version": MLFLOW_VERSION,
            "disable_telemetry": False,
            "disable_ui_telemetry": False,
            "disable_ui_events": [],
            "ui_rollout_percentage": 100,
            "rollout_percentage": 100,
            "ingestion_url": f"{self.url}/ingest",
        }

    def wait_for(self, count: int) -> list[dict[str, Any]]:
        """Wait until `count` UI events were forwarded, or for the timeout, and return those that were."""

        def get_events() -> list[dict[str, Any]]:
            return [record for record in self.records if record.get("event_name") == "ui_event"]

        with self._changed:
            self._changed.wait_for(lambda: len(get_events()) >= count, timeout=FORWARD_TIMEOUT_SECONDS)
            return get_events()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def upstream() -> Iterator[FakeUpstream]:
    upstream = FakeUpstream()
    yield upstream
    upstream.close()


@pytest.fixture
def gateway_upstream(upstream: FakeUpstream, tmp_path: Path) -> Iterator[str]:
    """Run MLflow's server. Its environment is minimal, because MLflow disables telemetry on CI machines."""
    environment = {
        "HOME": str(tmp_path),
        "PATH": os.environ["PATH"],
        "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/db",
    }
    runner = Path(__file__).with_name("serve_mlflow.py")
    python = CHECKOUT / os.environ["MLFLOW_PYTHON"]
    with subprocess.Popen(
        [python, runner, upstream.url], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        port = server.stdout.readline().strip()
        assert port, "MLflow's server did not start; see its output above"
        yield f"http://127.0.0.1:{port}"
        server.terminate()


def test_mlflow_accepts_and_forwards_records(
    gateway: Gateway, shared_workers: SharedWorkers, context: BrowserContext, upstream: FakeUpstream
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
    forwarded = upstream.wait_for(6)
    components = sorted(json.loads(record["params"])["componentId"] for record in forwarded)
    assert components == [f"tab-{tab}/{click}" for tab in range(2) for click in range(3)]
    assert len({record["session_id"] for record in forwarded}) == 1
