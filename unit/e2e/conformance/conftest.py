"""A small suite of made-up cases in its own folder, for tests that run pytest."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from e2e.conformance.report.formats.step_summary import VARIABLE

CONFTEST = """
from e2e.conformance import selection
from e2e.conformance.report import plugin

def pytest_addoption(parser):
    selection.add_options(parser)

def pytest_configure(config):
    plugin.install(config)

def pytest_generate_tests(metafunc):
    selection.parametrize_targets(metafunc)

def pytest_collection_modifyitems(config, items):
    selection.select_cases(config, items)
"""

HEAD = """
import os
import pytest
from e2e.conformance.case import FindingError, Level, case
from e2e.conformance.preconditions import require_exercised, require_supported

def numbered(id, level=Level.MUST):
    return case(id, level, f"requirement of {id}", expected=f"expected of {id}", source=f"source of {id}")
"""

ONE_CASE = """
@numbered("flush/1/1")
def test_holds(implementation):
    pass
"""

WriteSuite = Callable[..., Path]
ReadResults = Callable[..., dict[str, Any]]


@pytest.fixture(autouse=True)
def no_step_summary(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the runs of made-up cases out of the summary of the CI run that these tests are in."""
    monkeypatch.delenv(VARIABLE, raising=False)


@pytest.fixture
def write_suite() -> WriteSuite:
    """Write cases, a suite's conftest, and two workers (one.js, two.js) into a folder."""

    def write(folder: Path, cases: str = ONE_CASE, **files: str) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "conftest.py").write_text(CONFTEST)
        (folder / "test_made_up_cases.py").write_text(HEAD + cases)
        for name in ("one", "two"):
            (folder / f"{name}.js").write_text("// a worker\n")
        for name, text in files.items():
            (folder / f"{name}.toml").write_text(text)
        return folder

    return write


@pytest.fixture
def suite(
    pytester: pytest.Pytester, write_suite: WriteSuite, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., pytest.RunResult]:
    """Run made-up cases under pytest: `suite(cases, "--case", "flush", implementation_toml=...)`.

    Only pytest-xdist is loaded beside pytest itself, so that no other plugin affects the run.
    """
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")

    def run(cases: str, *arguments: str, **files: str) -> pytest.RunResult:
        write_suite(pytester.path, cases, **files)
        workers = [] if "--worker" in arguments else ["--worker", "one.js"]
        return pytester.runpytest("-p", "xdist.plugin", "-p", "no:cacheprovider", *workers, *arguments)

    return run


@pytest.fixture
def results() -> ReadResults:
    """Read the cases of one implementation from a folder's results.json."""

    def read(folder: Path, implementation: str = "one") -> dict[str, Any]:
        data = json.loads((folder / "results.json").read_text(encoding="utf-8"))
        assert data["schema"] == 1
        cases: dict[str, Any] = data["implementations"][implementation]["cases"]
        return cases

    return read


def make_toml(name: str, script: str = "one.js", **deviations: str) -> str:
    """Return a worker's TOML; the keyword `flush_2_1="reason"` is a known deviation of flush/2/1."""
    lines = [f'name = "{name}"', "[worker]", f'script = "{script}"', 'type = "classic"', "[known_deviations]"]
    lines += [f'"{case_id.replace("_", "/")}" = "{reason}"' for case_id, reason in deviations.items()]
    return "\n".join(lines)


@pytest.fixture
def toml() -> Callable[..., str]:
    """Return `make_toml`."""
    return make_toml
