"""Every Python block of README and docs, and the examples, are clean under mypy --strict and pyright.

The checkers see an environment in which the wheel is the only part of this checkout.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

import pytest

from unit.support.wheel import CHECKOUT, build_wheel, create_environment, run_clean

DOCUMENTS = [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").rglob("*.md"))]
EXAMPLES = CHECKOUT / "examples"
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def find_blocks() -> list[tuple[str, str]]:
    """Return name and text of each Python block, named by its document."""
    return [
        (f"{document.stem.lower()}_{number}", text)
        for document in DOCUMENTS
        for number, text in enumerate(BLOCK.findall(document.read_text(encoding="utf-8")))
    ]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return a folder with all blocks and examples, and the Python of an environment with the wheel."""
    root = tmp_path_factory.mktemp("types")
    wheel = build_wheel(root)
    (root / "environment").mkdir()
    python = create_environment(wheel, root / "environment")
    folder = root / "project"
    folder.mkdir()
    for name, text in find_blocks():
        (folder / f"test_{name}.py").write_text(text, encoding="utf-8")
    shutil.copytree(EXAMPLES, folder / "examples", ignore=shutil.ignore_patterns("__pycache__"))
    return folder, python


def test_documents_have_python_blocks() -> None:
    assert len(find_blocks()) >= 3


def test_blocks_and_examples_are_clean_under_mypy_strict(project: tuple[Path, Path]) -> None:
    folder, python = project
    options = ("--strict", "--python-executable", python, "--explicit-package-bases", "--no-error-summary")
    result = run_clean(sys.executable, "-m", "mypy", *options, ".", cwd=folder)
    assert (result.returncode, result.stdout) == (0, "")


@pytest.mark.skipif(shutil.which("node") is None, reason="pyright needs Node.js")
def test_blocks_and_examples_are_clean_under_pyright(project: tuple[Path, Path]) -> None:
    folder, python = project
    (folder / "pyrightconfig.json").write_text(json.dumps({"typeCheckingMode": "strict"}), encoding="utf-8")
    result = run_clean(sys.executable, "-m", "pyright", "--pythonpath", python, ".", cwd=folder)
    assert result.returncode == 0, result.stdout
    assert "0 errors, 0 warnings" in result.stdout
