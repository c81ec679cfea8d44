"""A running server, given by its URL: what the suite says about a store that it cannot read."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from e2e.conformance.paths import CHECKOUT
from e2e.server.driver.process import ServerProcess
from e2e.server.driver.system import ENABLED, STORE_NOT_READ, write_config

RUN_TIMEOUT_SECONDS = 100


@pytest.mark.timeout(RUN_TIMEOUT_SECONDS + 10)
def test_case_about_the_store_of_a_running_server_is_unimplemented(tmp_path: Path) -> None:
    config_file = tmp_path / "config.json"
    write_config(config_file, json.dumps(ENABLED))
    process = ServerProcess(CHECKOUT / "reference_server", tmp_path, config_file)
    try:
        cases = ["server/config/1/1", "server/ingest/1/1", "server/errors/1/1"]
        command = [sys.executable, "-m", "e2e.conformance.cli", "--invoked-from", str(tmp_path)]
        chosen = [f"--case={case_id}" for case_id in cases]
        run = subprocess.run(
            [*command, "--server", process.url, *chosen, "--report=report", "-n", "0"],
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            timeout=RUN_TIMEOUT_SECONDS,
        )
    finally:
        process.kill()
    assert run.returncode == 0, run.stdout + run.stderr
    results = json.loads((tmp_path / "report" / "results.json").read_text(encoding="utf-8"))
    (found,) = results["implementations"].values()
    verdicts = {case_id: case["verdict"] for case_id, case in found["cases"].items()}
    assert verdicts["server/config/1/1"] == "ok"
    assert {verdicts.pop(case_id) for case_id in cases[1:]} == {"unimplemented"}
    assert found["cases"]["server/ingest/1/1"]["actual"] == STORE_NOT_READ
