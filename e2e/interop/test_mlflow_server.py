"""Interop: what the reference worker posts is taken, and passed on, by the real server of MLflow.

Optional, since MLflow is large: MLFLOW_PYTHON names a Python that has it, for example after

    python3 -m venv .cache/mlflow-server && .cache/mlflow-server/bin/pip install mlflow==3.18.0
    MLFLOW_PYTHON=.cache/mlflow-server/bin/python pytest e2e/interop

The other way round, MLflow's workers in front of the reference server, is what the implementations
`mlflow-…` of the suite are; and its tabs' messages are those by which the suite drives every worker.
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
PASSED_ON_TIMEOUT_SECONDS = 60
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
    pytest.mark.skipif("MLFLOW_PYTHON" not in os.environ, reason="MLFLOW_PYTHON names no Python with MLflow"),
    pytest.mark.timeout(240),
]


class Upstream:
    """Stands where MLflow's makers do: tells a configuration, and keeps the records that are passed on."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []
        self._changed = threading.Condition()
        upstream = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(upstream.configuration())

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with upstream._changed:
                    upstream.records += [record["data"] for record in body["records"]]
                    upstream._changed.notify_all()
                self._answer({})

            def _answer(self, value: object) -> None:
                body = json.dumps(value).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Stay silent: pytest shows what matters."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def configuration(self) -> dict[str, object]:
        """Everything enabled, for the server's own telemetry and for the browser's."""
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
        """The interface's events that were passed on, once there are so many or time is up."""

        def events() -> list[dict[str, Any]]:
            return [record for record in self.records if record.get("event_name") == "ui_event"]

        with self._changed:
            self._changed.wait_for(lambda: len(events()) >= count, timeout=PASSED_ON_TIMEOUT_SECONDS)
            return events()

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    upstream = Upstream()
    yield upstream
    upstream.close()


@pytest.fixture
def gateway_upstream(upstream: Upstream, tmp_path: Path) -> Iterator[str]:
    """MLflow's server. Its environment is empty: in a CI machine's its telemetry is off."""
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
        assert port, "MLflow's server did not start; what it said stands above"
        yield f"http://127.0.0.1:{port}"
        server.terminate()


def test_mlflow_takes_and_passes_on_what_the_worker_posts(
    gateway: Gateway, shared_workers: SharedWorkers, context: BrowserContext, upstream: Upstream
) -> None:
    gateway.mount("/static-files/", CHECKOUT / "worker")
    gateway.mount("/app.html", APP, "text/html")
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
    shared_workers.advance(FLUSH_INTERVAL_SECONDS)
    (post,) = gateway.journal.select(POST)
    assert (post.status, json.loads(post.response_body)) == (200, {"status": "success"})
    shared_workers.advance(10 * FLUSH_INTERVAL_SECONDS)
    assert len(gateway.journal.select(POST)) == 1, "what was taken is not sent again"
    passed_on = upstream.wait_for(6)
    components = sorted(json.loads(record["params"])["componentId"] for record in passed_on)
    assert components == [f"tab-{tab}/{click}" for tab in range(2) for click in range(3)]
    assert len({record["session_id"] for record in passed_on}) == 1
