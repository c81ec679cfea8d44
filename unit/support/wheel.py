"""The plugin's wheel, and environments in which it is the only part of this checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
COMMAND_TIMEOUT_SECONDS = 100


def run_clean(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command without the variables that this test run has added to the environment."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "PYTHON"))
    }
    return subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=COMMAND_TIMEOUT_SECONDS,
    )


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command as `run_clean` does, and return its output. Raise AssertionError if it fails."""
    result = run_clean(*command, cwd=cwd)
    assert result.returncode == 0, result.stdout
    return result.stdout


def build_wheel(folder: Path) -> Path:
    """Build the wheel into `folder` and return its path."""
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, CHECKOUT, cwd=folder)
    (wheel,) = folder.glob("*.whl")
    return wheel


def create_environment(wheel: Path, folder: Path) -> Path:
    """Create an environment with the wheel and this environment's other packages; return its Python."""
    run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder)
    python = folder / "bin" / "python"
    packages = Path(
        run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).strip()
    )
    for source in {Path(sysconfig.get_path("purelib")), Path(sysconfig.get_path("platlib"))}:
        for entry in source.iterdir():
            if "pytest_sharedworker" not in entry.name and not (packages / entry.name).exists():
                (packages / entry.name).symlink_to(entry)
    options = ("--no-deps", "--no-index", "--disable-pip-version-check")
    run(python, "-m", "pip", "install", *options, wheel, cwd=folder)
    return python
