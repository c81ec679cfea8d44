"""CONTRIBUTING.md and the code agree: its examples, links, file names and names of tables.

Not covered: that its example of a case passes, which needs a browser.
"""

from __future__ import annotations

import ast
import os
import re
from pathlib import Path
from types import ModuleType

import pytest

from e2e.conformance.case import get_family, is_case_id
from e2e.mutants.model import load_mutants
from e2e.worker.driver.system import Telemetry

CHECKOUT = Path(__file__).resolve().parents[2]
TEXT = (CHECKOUT / "CONTRIBUTING.md").read_text(encoding="utf-8")
SOURCE_FOLDERS = ("e2e", "pytest_sharedworker", "reference_server", "unit", "worker")
PROSE = re.sub(r"^```.*?^```", "", TEXT, flags=re.MULTILINE | re.DOTALL)
QUOTED = sorted(set(re.findall(r"`([^`\s]+)`", PROSE)))
FILE_NAMES = [
    each
    for each in QUOTED
    if "<" not in each and (re.search(r"\.(js|json|md|py|toml)$", each) or each.endswith("/"))
]
CONSTANTS = re.findall(r"`(_?[A-Z][A-Z_]+)`\s(?:of|in)\s`([\w/]+\.py)`", PROSE)


def get_block(language: str) -> str:
    (block,) = re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    return str(block)


def find_files(name: str) -> list[Path]:
    """Return the files and folders of the sources whose path ends with this name."""
    if (CHECKOUT / name).exists():
        return [CHECKOUT / name]
    return [path for folder in SOURCE_FOLDERS for path in (CHECKOUT / folder).rglob(name)]


def test_mutant_example_is_a_mutant_and_applies(tmp_path: Path) -> None:
    (name,) = re.findall(r"`([a-z-]+\.toml)`:\n\n```toml", TEXT)
    example = get_block("toml")
    assert example == (CHECKOUT / "e2e" / "mutants" / "workers" / name).read_text(encoding="utf-8")
    (tmp_path / "workers").mkdir()
    (tmp_path / "workers" / name).write_text(example, encoding="utf-8")
    (mutant,) = load_mutants(tmp_path)
    mutant.check_applies()


def test_case_example_compiles_and_its_imports_exist() -> None:
    module = ModuleType("example")
    exec(compile(get_block("python"), "CONTRIBUTING.md", "exec"), module.__dict__)
    (test,) = [value for name, value in vars(module).items() if name.startswith("test_")]
    (mark,) = test.pytestmark
    (case,) = mark.args
    assert is_case_id(case.id)
    assert (CHECKOUT / "e2e" / "worker" / f"test_{get_family(case.id)}.py").is_file()


def test_case_example_uses_methods_that_exist() -> None:
    names = {
        node.attr
        for node in ast.walk(ast.parse(get_block("python")))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "telemetry"
    }
    assert names
    assert names <= {*dir(Telemetry), *Telemetry.__init__.__code__.co_names}


@pytest.mark.parametrize("name", FILE_NAMES)
def test_named_files_exist(name: str) -> None:
    assert find_files(name)


@pytest.mark.parametrize(("constant", "file"), CONSTANTS)
def test_named_constants_are_in_their_files(constant: str, file: str) -> None:
    assert any(
        re.search(rf"^{constant}\b", path.read_text(encoding="utf-8"), re.MULTILINE)
        for path in find_files(file)
    )


@pytest.mark.parametrize("script", sorted(set(re.findall(r"scripts/[a-z-]+", TEXT))))
def test_named_scripts_are_executable(script: str) -> None:
    assert os.access(CHECKOUT / script, os.X_OK)


def test_links_have_targets() -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", TEXT)
    assert links
    assert [link for link in links if not (CHECKOUT / link).exists()] == []


def test_names_are_found() -> None:
    assert {"reset_peer.py", "junit.py", "github.py", "e2e/conformance/case.py"} <= set(FILE_NAMES)
    assert {name for name, _ in CONSTANTS} == {
        "RETIRED", "CAPABILITIES", "_KINDS", "BROWSERS", "VIRTUAL_TIME_PARTS",
    }  # fmt: skip
