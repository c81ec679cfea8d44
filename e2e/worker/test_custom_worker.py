"""Custom worker: the suite runs on a worker that only a TOML file describes, without a change to Python.

The worker has another endpoint, another flush interval and other message names. The test writes it outside
of the checkout, where its author would have it.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

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

SETTINGS = WORKER[WORKER.index("const settings") : WORKER.index("setInterval")]
WITHOUT_CONFIGURATION = WORKER.replace(SETTINGS, "open = true;\n\n")

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


ADAPTER_PAGE = dict(
    re.findall(
        r"^`([\w.]+)`:\n\n```\w+\n(.*?)^```$",
        (CHECKOUT / "docs" / "how-to" / "adapter.md").read_text(encoding="utf-8"),
        re.MULTILINE | re.DOTALL,
    )
)
"""The files that the how-to page shows."""


def verify(folder: Path, *cases: str, worker: str = WORKER % INTERVAL_MS) -> subprocess.CompletedProcess[str]:
    """Write the worker and its TOML; run these cases on it."""
    (folder / "build").mkdir()
    (folder / "build" / "collector.js").write_text(worker, encoding="utf-8")
    (folder / "stranger.toml").write_text(TOML % INTERVAL_MS, encoding="utf-8")
    return verify_toml(folder, "stranger.toml", *cases)


def verify_toml(folder: Path, toml: str, *cases: str) -> subprocess.CompletedProcess[str]:
    """Run these cases on the worker that a TOML file in a folder names."""
    command = [
        sys.executable,
        "-m",
        "e2e.conformance.cli",
        "--invoked-from",
        str(folder),
        "--worker",
        toml,
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
def test_worker_without_a_configuration_keeps_its_interval(tmp_path: Path) -> None:
    run = verify(tmp_path, "flush/1", "flush/4/1", worker=WITHOUT_CONFIGURATION % INTERVAL_MS)
    assert run.returncode == 0, run.stdout + run.stderr
    cases = read_cases(tmp_path)
    assert "flush/4/1" in cases
    assert {case["verdict"] for case in cases.values()} == {"ok"}


@pytest.mark.timeout(RUN_TIMEOUT_SECONDS + 10)
def test_custom_worker_must_keep_the_interval_of_its_toml(tmp_path: Path) -> None:
    run = verify(tmp_path, "flush/1/1", worker=WORKER % (INTERVAL_MS // 2))
    assert run.returncode == 1, run.stdout + run.stderr
    assert "actual:   1 POST" in run.stdout


def read_cases(folder: Path) -> dict[str, dict[str, Any]]:
    results = json.loads((folder / "report" / "results.json").read_text(encoding="utf-8"))
    (implementation,) = results["implementations"].values()
    cases: dict[str, dict[str, Any]] = implementation["cases"]
    return cases


@pytest.mark.timeout(RUN_TIMEOUT_SECONDS + 10)
def test_worker_of_other_message_shapes_stops_the_run_early(tmp_path: Path) -> None:
    run = verify(tmp_path, "batch", "flush/1", worker=ADAPTER_PAGE["collector.js"])
    assert run.returncode == 1, run.stdout + run.stderr
    first, *others = read_cases(tmp_path).values()
    assert first["verdict"] in ("failed", "non-strict")
    assert "messages so far: [['hello', 1]]" in first["actual"]
    assert "set `ready`, `log_event` and `shutdown` in the table [protocol]" in first["actual"]
    assert others
    for case in others:
        assert (case["verdict"], case["seconds"] < 1) == ("inconclusive", True)
        assert "write an adapter" in case["actual"]


@pytest.mark.timeout(RUN_TIMEOUT_SECONDS + 10)
def test_worker_that_does_not_start_stops_the_run_early(tmp_path: Path) -> None:
    run = verify(tmp_path, "batch/2/1", "batch/2/2", worker='import "lodash"; onconnect = () => {};')
    assert run.returncode == 1, run.stdout + run.stderr
    first, second = read_cases(tmp_path).values()
    assert first["verdict"] == "failed"
    assert "the worker failed to start" in first["actual"]
    assert "has a build step to bundle it first?" in first["actual"]
    assert second["verdict"] == "inconclusive"


@pytest.mark.timeout(RUN_TIMEOUT_SECONDS + 10)
def test_adapter_of_the_how_to_page_translates_messages(tmp_path: Path) -> None:
    for name, text in ADAPTER_PAGE.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    run = verify_toml(tmp_path, "mine.toml", "handshake/1/1", "batch/2/1")
    assert run.returncode == 0, run.stdout + run.stderr
    assert {case["verdict"] for case in read_cases(tmp_path).values()} == {"ok"}
