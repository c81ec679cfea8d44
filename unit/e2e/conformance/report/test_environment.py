"""Where a run took place."""

from __future__ import annotations

import re

import pytest

from e2e.conformance.report.environment import _format_command, read_environment


def test_environment_names_browsers_versions_and_seed() -> None:
    values = read_environment({"firefox": "153.7.0", "chromium": "156.0"}, 7)
    assert list(values)[:2] == ["chromium", "firefox"]
    assert values["seed"] == "7"
    assert values["Playwright"][0].isdigit()
    assert re.fullmatch(r"[0-9a-f]{7,}\+?", values.get("commit", "0000000"))


def test_what_is_unknown_is_left_out() -> None:
    assert "seed" not in read_environment({}, None)


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (["/a/cli.py", "--invoked-from", "/a b", "--case", "x y"], "scripts/verify --case 'x y'"),
        (["/a/cli.py"], "scripts/verify"),
        (["/a/bin/pytest", "e2e", "--report", "r"], "pytest e2e --report r"),
    ],
)
def test_command_is_as_a_person_typed_it(words: list[str], command: str) -> None:
    assert _format_command(words) == command
