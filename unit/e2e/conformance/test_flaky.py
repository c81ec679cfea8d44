"""Repeated runs: what counts as a difference, and the command as a real process on made-up cases."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from e2e.conformance.flaky import Run, list_differences
from e2e.conformance.paths import CHECKOUT

TIMEOUT_SECONDS = 110
STEADY = '@numbered("flush/1/1")\ndef test_a(implementation): pass\n'
ALTERNATING = """
from pathlib import Path

@numbered("flush/1/2")
def test_b(implementation):
    mark = Path(__file__).with_name("ran")
    if mark.exists():
        mark.unlink()
        raise FindingError("1 POST", "none")
    mark.touch()
"""


def make_run(number: int, *verdicts: str, problems: tuple[str, ...] = ()) -> Run:
    found = {("one", f"flush/1/{n}"): verdict for n, verdict in enumerate(verdicts, start=1)}
    return Run(number, 100 + number, found, problems)


def test_equal_verdicts_are_no_difference() -> None:
    assert list_differences([make_run(1, "ok", "failed"), make_run(2, "ok", "failed")]) == []


def test_differing_verdict_is_named_with_run_and_seed() -> None:
    runs = [make_run(1, "ok", "ok"), make_run(2, "ok", "failed"), make_run(3, "ok", "ok"), make_run(4, "ok")]
    assert list_differences(runs) == [
        "flush/1/2 on one: ok, but failed in run 2 (--shuffle 102), not judged in run 4 (--shuffle 104)"
    ]


def test_incomplete_run_is_a_difference() -> None:
    assert list_differences([make_run(1, "ok", problems=("1 of 2 cases were not judged",))]) == [
        "run 1 (--shuffle 101) is incomplete: 1 of 2 cases were not judged"
    ]


def run_flaky(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "e2e.conformance.flaky", *arguments, "--invoked-from", str(folder)]
    command += ["--cases-dir", "cases", "--worker", "cases/one.js", "-n", "0"]
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=TIMEOUT_SECONDS)


def test_steady_cases_print_a_line_for_each_run(tmp_path: Path, write_suite: Callable[..., Path]) -> None:
    write_suite(tmp_path / "cases", STEADY)
    done = run_flaky(tmp_path, "2", "--seed", "5")
    assert done.returncode == 0, done.stdout + done.stderr
    first, second, last = [line for line in done.stdout.splitlines() if line]
    assert first.startswith("[1/2] --shuffle 5: 1 ok in ")
    assert second.startswith("[2/2] --shuffle 6: 1 ok in ")
    assert last == "2 runs of 1 verdicts: none differ."


def test_alternating_case_is_found(tmp_path: Path, write_suite: Callable[..., Path]) -> None:
    write_suite(tmp_path / "cases", STEADY + ALTERNATING)
    done = run_flaky(tmp_path, "2", "--seed", "5")
    assert done.returncode == 1
    assert "flush/1/2 on one: ok, but failed in run 2 (--shuffle 6)" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"), [(["0"], "above 0"), (["1", "--case", "flsh"], "--case flsh")]
)
def test_wrong_use_is_reported(
    tmp_path: Path, write_suite: Callable[..., Path], arguments: list[str], message: str
) -> None:
    write_suite(tmp_path / "cases", STEADY)
    done = run_flaky(tmp_path, *arguments)
    assert done.returncode != 0
    assert message in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
