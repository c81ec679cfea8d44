"""Custom worker: the suite runs on a worker that only a TOML file describes, without a change to Python.

The worker has another endpoint, another flush interval and other message names. The test writes it outside
of the checkout, where its author would have it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from e2e.conformance.paths import CHECKOUT

RUN_TIMEOUT_SECONDS = 240
INTERVAL_MS = 10_000

WORKER = """
const collect = new URL("../../collect/v2", self.location.href);
const session_id = String(Math.random());
let queue = [];
let open = false;

const settings = fetch(collect).then((response) => response.json());
settings.then((config) => { open = config.disable_ui_telemetry === false; if (!open) queue = []; });

setInterval(async () => {
    if (!open || queue.length === 0) return;
    const records = queue.splice(0);
    const headers = { "Content-Type": "application/json" };
    const body = JSON.stringify({ records });
    const response = await fetch(collect, { method: "POST", headers, body }).catch(() => null);
    if (!response || !response.ok) queue.unshift(...records);
}, %d);

self.onconnect = ({ ports: [port] }) => {
    port.onmessage = ({ data }) => {
        if (data.type === "track") queue.push({ ...data.payload, session_id });
        if (data.type === "bye") self.close();
    };
    port.postMessage({ type: "hello" });
};
"""

TOML = """
name = "stranger"

[worker]
script = "build/collector.js"
type = "classic"
static_path = "assets/js"

[protocol]
endpoint = "../../collect/v2"
flush_interval_ms = %d
log_event = "track"
shutdown = "bye"
ready = "hello"
"""


def verify(folder: Path, *cases: str, interval_ms: int = INTERVAL_MS) -> subprocess.CompletedProcess[str]:
    """Write the worker, with this interval, and its TOML; run these cases on it."""
    (folder / "build").mkdir()
    (folder / "build" / "collector.js").write_text(WORKER % interval_ms, encoding="utf-8")
    (folder / "stranger.toml").write_text(TOML % INTERVAL_MS, encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "e2e.conformance.cli",
        "--invoked-from",
        str(folder),
        "--worker",
        "stranger.toml",
    ]
    chosen = [f"--case={case_id}" for case_id in cases]
    return subprocess.run(
        [*command, *chosen, "--report=report", "-n", "0"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=RUN_TIMEOUT_SECONDS,
    )


@pytest.mark.timeout(RUN_TIMEOUT_SECONDS + 10)
def test_custom_worker_runs_with_only_a_toml_file(tmp_path: Path) -> None:
    run = verify(tmp_path, "batch", "flush/1")
    assert run.returncode == 0, run.stdout + run.stderr
    results = json.loads((tmp_path / "report" / "results.json").read_text(encoding="utf-8"))
    cases = results["implementations"]["stranger"]["cases"]
    assert {case_id.split("/")[0] for case_id in cases} == {"batch", "flush"}
    assert {case["verdict"] for case in cases.values()} == {"ok"}


@pytest.mark.timeout(RUN_TIMEOUT_SECONDS + 10)
def test_custom_worker_must_keep_the_interval_of_its_toml(tmp_path: Path) -> None:
    run = verify(tmp_path, "flush/1/1", interval_ms=INTERVAL_MS // 2)
    assert run.returncode == 1, run.stdout + run.stderr
    assert "actual:   1 POST" in run.stdout
