"""Every Python block of docs/plugin.md passes unchanged, as a test file of a separate project."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent.parent
DOCUMENT = CHECKOUT / "docs" / "plugin.md"
TIMEOUT_SECONDS = 300
CONFTEST = """
import pytest
from pytest_sharedworker.browsers.discovery import get_launch_arguments

@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args, browser_name):
    return {**get_launch_arguments(browser_name), **browser_type_launch_args}
"""


@pytest.mark.timeout(TIMEOUT_SECONDS)
@pytest.mark.usefixtures("once_a_run")
def test_python_blocks_of_the_plugin_document_pass(tmp_path: Path) -> None:
    blocks = re.findall(
        r"^```python\n(.*?)^```", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    for number, block in enumerate(blocks):
        (tmp_path / f"test_block_{number}.py").write_text(block, encoding="utf-8")
    (tmp_path / "conftest.py").write_text(CONFTEST, encoding="utf-8")
    run = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "--strict-toxics",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert f"{len(blocks)} passed" in run.stdout
