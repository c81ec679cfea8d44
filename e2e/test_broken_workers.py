"""Each worker broken on purpose fails the cases that claim to catch it: no case is a decoration.

What the unbroken worker does is tried by the cases themselves.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from e2e.broken import build, load_defects
from e2e.implementation import CHECKOUT

RUN_TIMEOUT_SECONDS = 280


@pytest.mark.timeout(RUN_TIMEOUT_SECONDS + 20)
def test_every_broken_worker_is_caught(tmp_path: Path) -> None:
    defects = load_defects()
    workers = [f"--worker={build(defect, tmp_path)}" for defect in defects]
    report = tmp_path / "report"
    # In a process of its own: these cases have to fail, and a test cannot fail and pass.
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "e2e", *workers, f"--report={report}", "-p", "no:cacheprovider"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=RUN_TIMEOUT_SECONDS,
    )
    assert (report / "results.json").exists(), run.stdout[-4000:] + run.stderr[-4000:]
    results = json.loads((report / "results.json").read_text(encoding="utf-8"))["implementations"]
    survived = [
        f"{defect.name} ({defect.description}) passes {case_id}"
        for defect in defects
        for case_id in defect.caught_by
        if results[defect.name]["cases"][case_id]["verdict"] not in ("failed", "non-strict")
    ]
    assert not survived, "\n".join(survived)
