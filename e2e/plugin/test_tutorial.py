"""The tutorial, followed literally in an empty folder: its files, its commands, the output that it shows.

Not covered: the installation, which the tests replace by this environment and the browser of this machine.
"""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pytest

from unit.support.wheel import CHECKOUT, run_clean

STEP = re.compile(r"^(?:`(?P<file>[\w./]+)`:\n\n)?```(?P<language>\w+)\n(?P<text>.*?)^```$", re.M | re.S)
VOLATILE = re.compile(r"(?<=#\d)\s+[\d.]+ s|(?<=127\.0\.0\.1:)\d+|\[ *\d+%\]|\s*=+")
"""What differs from run to run: times in the journal, ports, and how lines are filled."""


def normalize(text: str) -> str:
    return VOLATILE.sub("", text)


def follow(text: str, folder: Path) -> int:
    """Write the files, run the commands, and compare their output. Return how many outputs were compared."""
    output = ""
    compared = 0
    for step in STEP.finditer(text):
        if step["file"]:
            (folder / step["file"]).parent.mkdir(exist_ok=True)
            (folder / step["file"]).write_text(step["text"], encoding="utf-8")
        elif step["language"] == "sh" and step["text"].startswith("pytest"):
            output = run_pytest(step["text"], folder)
        elif step["language"] == "text":
            require_lines(step["text"], output)
            compared += 1
    return compared


def run_pytest(command: str, folder: Path) -> str:
    _, *arguments = shlex.split(command)
    return run_clean(sys.executable, "-m", "pytest", *arguments, "--installed-browser", cwd=folder).stdout


def require_lines(expected: str, output: str) -> None:
    """Require that each line is in the output, in this order; other lines may stand between them."""
    rest = normalize(output)
    for line in normalize(expected).splitlines():
        _, found, rest = rest.partition(line)
        assert found, f"{line!r} is not in the output, or not in this place:\n{output}"


@pytest.mark.timeout(300)  # Three runs of pytest, each with a browser.
def test_tutorial_shows_what_happens(tmp_path: Path, browser_name: str) -> None:
    if browser_name != "chromium":
        pytest.skip("the tutorial starts its own Chromium; it runs once, with --browser chromium")
    text = (CHECKOUT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    assert follow(text, tmp_path) == 3
    assert {path.name for path in tmp_path.glob("*.py")} == {"test_batch.py", "test_faults.py"}
