"""The example project passes with the built wheel, without the checkout.

The tests build the wheel, install it into a new virtual environment with links to this environment's other
packages, and run a copy of `examples/counter`, in one process and in two. Not covered: the download of the
dependencies.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
PACKAGE = CHECKOUT / "pytest_sharedworker"
COMMAND_TIMEOUT_SECONDS = 100

EXAMPLE = CHECKOUT / "examples" / "counter"


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command without this test run's environment variables; return its output."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "PYTHON"))
    }
    result = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=COMMAND_TIMEOUT_SECONDS,
    )
    assert result.returncode == 0, result.stdout
    return result.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, CHECKOUT, cwd=folder)
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the Python of an environment with the wheel and all packages but the checkout."""
    environment = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", "--without-pip", environment, cwd=environment)
    python = environment / "bin" / "python"
    packages = Path(
        run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=environment).strip()
    )
    for source in {Path(sysconfig.get_path("purelib")), Path(sysconfig.get_path("platlib"))}:
        for entry in source.iterdir():
            if "pytest_sharedworker" not in entry.name and not (packages / entry.name).exists():
                (packages / entry.name).symlink_to(entry)
    run(
        python,
        "-m",
        "pip",
        "install",
        "--no-deps",
        "--no-index",
        "--disable-pip-version-check",
        wheel,
        cwd=environment,
    )
    return python


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Copy the example out of the checkout."""
    return shutil.copytree(EXAMPLE, tmp_path / "counter", ignore=shutil.ignore_patterns("__pycache__"))


def test_wheel_contains_only_the_package_with_its_scripts(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    package = {name for name in names if not name.split("/")[0].endswith(".dist-info")}
    paths = {path.relative_to(CHECKOUT) for path in PACKAGE.rglob("*") if path.is_file()}
    caches = {path for path in paths if any(part.startswith((".", "__pycache__")) for part in path.parts)}
    assert package == {path.as_posix() for path in paths - caches}
    assert "pytest_sharedworker/py.typed" in package
    assert [name for name in package if name.endswith(".js")]


def test_imported_module_is_from_the_wheel(python: Path, project: Path) -> None:
    file = run(python, "-c", "import pytest_sharedworker; print(pytest_sharedworker.__file__)", cwd=project)
    assert Path(file.strip()).is_relative_to(python.parents[1])


@pytest.mark.usefixtures("once_a_run")
def test_example_passes_with_the_wheel(python: Path, project: Path, browser_name: str) -> None:
    output = run(python, "-m", "pytest", "-v", "--trace-config", "--installed-browser", cwd=project)
    assert "4 passed" in output
    # Pytest prints the file of each entry point.
    (plugin,) = [line.split()[-1] for line in output.splitlines() if line.strip().startswith("sharedworker ")]
    assert Path(plugin).is_relative_to(python.parents[1])


def test_example_passes_in_two_processes(python: Path, project: Path, browser_name: str) -> None:
    options = ("--installed-browser", "--browser", browser_name)
    output = run(python, "-m", "pytest", "-v", "--numprocesses", "2", *options, cwd=project)
    assert "4 passed" in output
    assert "[gw0]" in output
    assert "[gw1]" in output
