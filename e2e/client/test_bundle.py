"""The bundle as a web app ships it: one classic script, which is the client in a page and the worker."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext

from e2e.client.page import POST, get_components
from e2e.conformance.paths import CHECKOUT
from pytest_sharedworker.gateway.gateway import Gateway
from pytest_sharedworker.workers.shared_workers import SharedWorkers

pytestmark = pytest.mark.usefixtures("worker_clock")

FLUSH_INTERVAL_SECONDS = 30
BUILD_TIMEOUT_SECONDS = 100


@pytest.fixture(scope="module")
def build() -> subprocess.CompletedProcess[str]:
    if shutil.which("npx") is None:
        pytest.skip("npx is not installed: it comes with Node.js")
    return subprocess.run(
        [CHECKOUT / "scripts" / "bundle"],
        cwd=CHECKOUT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=BUILD_TIMEOUT_SECONDS,
    )


@pytest.fixture(scope="module")
def bundle(build: subprocess.CompletedProcess[str]) -> Path:
    assert build.stdout, build.stderr
    return CHECKOUT / build.stdout.strip()


def test_bundle_is_within_its_size_limit(build: subprocess.CompletedProcess[str]) -> None:
    assert build.returncode == 0, build.stderr


def test_bundle_is_client_and_worker(
    bundle: Path, gateway: Gateway, shared_workers: SharedWorkers, context: BrowserContext
) -> None:
    script = f"/static-files/{bundle.name}"
    gateway.serve_file(script, bundle)
    page = f"<!doctype html><title>app</title><link rel=icon href=data:,><script src='{script}'></script>"
    gateway.serve("/app.html", page, content_type="text/html")
    tabs = [context.new_page() for _ in range(2)]
    for number, tab in enumerate(tabs):
        tab.goto(gateway.url + "/app.html")
        tab.evaluate(
            """(number) => new Promise((resolve) => {
                const onStateChange = (state) => state === "worker" && resolve();
                self.telemetry = createTelemetryClient({ onStateChange });
                telemetry.logEvent({ componentId: `tab-${number}`, eventType: "onClick" });
            })""",
            number,
        )
    assert shared_workers.wait_for().url == gateway.url + script
    shared_workers.clock.run_for(FLUSH_INTERVAL_SECONDS * 1000)
    assert len(gateway.journal.select(POST)) == 1
    assert get_components(gateway) == ["tab-0", "tab-1"]
