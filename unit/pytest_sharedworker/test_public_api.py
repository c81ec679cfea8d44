"""The package's face: every public name, imported lazily and typed statically."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest_sharedworker

SOURCE = Path(pytest_sharedworker.__file__).read_text(encoding="utf-8")


def test_every_public_name_can_be_imported() -> None:
    for name in pytest_sharedworker.__all__:
        assert getattr(pytest_sharedworker, name) is not None


def test_public_names_are_sorted_and_typed() -> None:
    """Type checkers read the imports under TYPE_CHECKING; they have to name what `__all__` names."""
    imported = {
        alias.asname or alias.name: (node.module or "").removeprefix("pytest_sharedworker.")
        for node in ast.walk(ast.parse(SOURCE))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    typed = {name for name, module in imported.items() if module not in ("__future__", "importlib", "typing")}
    assert typed == set(pytest_sharedworker.__all__)
    assert list(pytest_sharedworker.__all__) == sorted(pytest_sharedworker.__all__)


def test_import_of_the_package_loads_no_dependency() -> None:
    code = (
        "import sys, pytest_sharedworker; print([m for m in ('playwright', 'aiohttp') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
