"""README and code agree: commands, options, fixtures, toxics and the TOML example.

Not covered: the prose, and the Python example, which `e2e/plugin/test_readme.py` runs in a browser.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

import pytest_sharedworker.plugin
from e2e.conformance import cli_options
from e2e.conformance.targets.worker import load_implementation
from pytest_sharedworker import Toxic

CHECKOUT = Path(__file__).resolve().parent.parent.parent
README = (CHECKOUT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").rglob("*.md"))]


def find_code_blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("script", sorted(set(re.findall(r"scripts/[a-z-]+", README))))
def test_named_scripts_are_executable(script: str) -> None:
    assert os.access(CHECKOUT / script, os.X_OK)


@pytest.mark.parametrize(
    "command", re.findall(r"^scripts/verify (--[^\n#]*)", "\n".join(find_code_blocks("sh")), re.MULTILINE)
)
def test_options_of_verify_are_valid(command: str) -> None:
    cli_options.parser().parse_args(command.split())


def test_all_toxics_are_named() -> None:
    (sentence,) = re.findall(r"Toxics are dataclasses.*?`\.", README, re.DOTALL)
    classes = {kind.__name__ for kind in Toxic.kinds.values()}
    assert set(re.findall(r"`(\w+)`", sentence)) == classes


@pytest.mark.parametrize("fixture", re.findall(r"^\| `(\w+)` \|", README, re.MULTILINE))
def test_named_fixtures_exist(fixture: str) -> None:
    assert hasattr(pytest_sharedworker.plugin, fixture)


def test_toml_example_loads(tmp_path: Path) -> None:
    (example,) = find_code_blocks("toml")
    (tmp_path / "mine.toml").write_text(example, encoding="utf-8")
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "my.worker.js").touch()
    implementation = load_implementation(str(tmp_path / "mine.toml"))
    assert implementation.name == "mine"
    assert implementation.protocol.flush_interval_ms == 60_000


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_relative_links_have_targets(document: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", document.read_text(encoding="utf-8"))
    missing = [link for link in links if not (document.parent / link).exists()]
    assert not missing
