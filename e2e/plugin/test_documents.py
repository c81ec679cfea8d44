"""Every Python block with a test in docs/plugin.md and docs/how-to passes unchanged, in a separate project.

Not covered: docs/how-to/vite.md, which needs an app; `e2e/client/test_npm_package.py` has one.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent.parent
HOW_TO = sorted((CHECKOUT / "docs" / "how-to").glob("*.md"))
DOCUMENTS = [CHECKOUT / "docs" / "plugin.md", *(page for page in HOW_TO if page.stem != "vite")]
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
    texts = [document.read_text(encoding="utf-8") for document in DOCUMENTS]
    found = re.findall(r"^```python\n(.*?)^```", "\n".join(texts), re.MULTILINE | re.DOTALL)
    blocks = [block for block in found if "\ndef test_" in block]
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
