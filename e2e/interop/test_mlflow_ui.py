"""MLflow's own web app, driven under an https name; see test_mlflow_server.py for how to get MLflow."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext

from e2e.interop.mlflow_server import PYTHON_VARIABLE, TelemetryService, read_version, run_mlflow
from pytest_sharedworker import Clock, Gateway, SharedWorkers

NAME = "https://mlflow.example.test"
FLUSH_INTERVAL_MS = 30_000

pytestmark = [
    pytest.mark.gateway_proxy,
    pytest.mark.skipif(PYTHON_VARIABLE not in os.environ, reason="MLFLOW_PYTHON names no Python with MLflow"),
    pytest.mark.timeout(240),
]


@pytest.fixture
def gateway_upstream() -> None:
    """Put no server behind the gateway's own origin."""


@pytest.fixture
def mlflow_origin(tmp_path: Path) -> Iterator[str]:
    """Run MLflow's server; return its origin."""
    service = TelemetryService(read_version())
    with closing(service), run_mlflow(tmp_path, service) as server:
        yield server.origin


def test_clicks_of_three_tabs_leave_in_one_request(
    context: BrowserContext,
    gateway: Gateway,
    shared_workers: SharedWorkers,
    worker_clock: Clock,
    mlflow_origin: str,
) -> None:
    gateway.origin(NAME, upstream=mlflow_origin)
    tabs = [context.new_page() for _ in range(3)]
    for tab in tabs:
        tab.goto(NAME)
        tab.get_by_role("link", name="Experiments").first.click()
        tab.wait_for_url("**/experiments*")
    worker = shared_workers.wait_for(f"{NAME}/static-files/TelemetryLogger*.worker.js")
    worker_clock.run_for(FLUSH_INTERVAL_MS)
    (post,) = gateway.journal.select(f"POST {NAME}/ajax-api/3.0/mlflow/ui-telemetry")
    assert (post.worker_id, post.virtual_time) == (worker.id, FLUSH_INTERVAL_MS)
    assert json.loads(post.response_body) == {"status": "success"}
    records = json.loads(post.request_body)["records"]
    assert len(records) >= len(tabs)
    assert {record["event_name"] for record in records} == {"ui_event"}
    assert len({record["session_id"] for record in records}) == 1
