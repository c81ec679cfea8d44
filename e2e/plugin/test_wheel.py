"""The example project passes with the built wheel, without the checkout.

The tests build the wheel, install it into a new virtual environment with links to this environment's other
packages, and run a copy of `examples/counter`, in one process and in two. Not covered: the download of the
dependencies.
"""

from __future__ import annotations

import re
import shutil
import zipfile
from pathlib import Path

import pytest

from unit.support.wheel import CHECKOUT, build_wheel, create_environment, run

PACKAGE = CHECKOUT / "pytest_sharedworker"
BLOCK = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
EXAMPLE = CHECKOUT / "examples" / "counter"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the Python of an environment with the wheel and all packages but the checkout."""
    return create_environment(wheel, tmp_path_factory.mktemp("environment"))


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


def test_links_of_the_description_work_on_a_package_index(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = [archive.read(name) for name in archive.namelist() if name.endswith("/METADATA")]
    description = metadata.decode()
    links = re.findall(r"\]\(([^)]*)\)", BLOCK.sub("", description))
    assert any(link.endswith("/main/docs/inspector.png") for link in links)
    assert [link for link in links if not link.startswith("https://")] == []
    readme = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    assert BLOCK.findall(description) == BLOCK.findall(readme)


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


@pytest.mark.usefixtures("needs_locators")
def test_example_passes_in_two_processes(python: Path, project: Path, browser_name: str) -> None:
    options = ("--installed-browser", "--browser", browser_name)
    output = run(python, "-m", "pytest", "-v", "--numprocesses", "2", *options, cwd=project)
    assert "4 passed" in output
    assert "[gw0]" in output
    assert "[gw1]" in output
