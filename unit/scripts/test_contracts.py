"""The import contracts of pyproject.toml fail when a forbidden import is added."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
PACKAGES = ("pytest_sharedworker", "reference_server", "e2e")
TIMEOUT_SECONDS = 60


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the sources and the contracts."""
    folder = tmp_path_factory.mktemp("contracts")
    for package in PACKAGES:
        shutil.copytree(CHECKOUT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(CHECKOUT / "pyproject.toml", folder)
    return folder


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    script = (
        "import sys; sys.path.insert(0, '.'); from importlinter.cli import lint_imports_command as c; c()"
    )
    return subprocess.run(
        [sys.executable, "-c", script, "--no-cache"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
    )


def test_contracts_hold(copy: Path) -> None:
    result = lint(copy)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("file", "statement"),
    [
        ("pytest_sharedworker/gateway/headers.py", "import pytest_sharedworker.workers.crash"),
        ("pytest_sharedworker/gateway/journal.py", "import playwright.sync_api"),
        ("pytest_sharedworker/control/messages.py", "import pytest_sharedworker.gateway.gateway"),
        ("pytest_sharedworker/errors.py", "import reference_server.errors"),
        ("reference_server/model/record.py", "import reference_server.storage.store"),
        ("reference_server/errors.py", "import pytest_sharedworker.errors"),
        ("e2e/conformance/case.py", "import e2e.worker.driver.tab"),
        ("e2e/worker/driver/tab.py", "import e2e.server.driver.system"),
        ("e2e/mutants/model.py", "import e2e.worker.driver.tab"),
    ],
)
def test_forbidden_import_breaks_a_contract(copy: Path, file: str, statement: str) -> None:
    path = copy / file
    source = path.read_text(encoding="utf-8")
    path.write_text(f"{source}\n{statement}\n", encoding="utf-8")
    try:
        result = lint(copy)
    finally:
        path.write_text(source, encoding="utf-8")
    assert result.returncode == 1
    assert "BROKEN" in result.stdout
