"""The prologue as text: which parts it joins, and the rules that let them be joined.

Its behavior inside a browser is tested in e2e/plugin.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from importlib import resources

import pytest

from pytest_sharedworker import injected
from pytest_sharedworker.injected.prologue import (
    ACTIVITY_PARTS,
    MARK,
    TAB_PARTS,
    VIRTUAL_TIME_PARTS,
    WORKER_PARTS,
    evaluate_script,
    offline_script,
    tab_script,
    worker_prologue,
)

SETTINGS = {"port": 1, "token": "t"}
PARTS = sorted({*WORKER_PARTS, *VIRTUAL_TIME_PARTS, *ACTIVITY_PARTS, *TAB_PARTS})
LINE_MAY_END_IN = re.compile(r"[;{}(\[,:?&|=]$|=>$|\*/$")
LINE_CONTINUES = re.compile(r"[)\]}.?:&|]|$")

per_clock = pytest.mark.parametrize("virtual_clock", [True, False], ids=["virtual", "real"])


def read_part(name: str) -> str:
    return resources.files(injected).joinpath(name).read_text(encoding="utf-8")


def read_code_lines(name: str) -> list[str]:
    """Return the lines of a part without those that hold only comments."""
    lines, in_comment = [], False
    for line in map(str.strip, read_part(name).splitlines()):
        starts_comment = line.startswith("/*") and (line.endswith("*/") or "*/" not in line)
        if line and not in_comment and not starts_comment and not line.startswith("//"):
            lines.append(line)
        in_comment = (in_comment or starts_comment) and not line.endswith("*/")
    return lines


def every_script(virtual_clock: bool) -> list[str]:
    return [
        worker_prologue(SETTINGS, virtual_clock=virtual_clock),
        worker_prologue(SETTINGS, virtual_clock=virtual_clock, reports_activity=True),
        tab_script(counts_messages=virtual_clock, virtual_clock=virtual_clock),
        f"({offline_script()})",
        f"({evaluate_script()})",
    ]


@per_clock
def test_only_an_inspected_worker_reports_its_activity(virtual_clock: bool) -> None:
    texts = [
        worker_prologue(SETTINGS, virtual_clock=virtual_clock, reports_activity=is_inspected)
        for is_inspected in (False, True)
    ]
    assert ["activity" in text for text in texts] == [False, True]


def test_every_javascript_file_is_a_part() -> None:
    files = sorted(file.name for file in resources.files(injected).iterdir() if file.name.endswith(".js"))
    assert files == PARTS


@pytest.mark.parametrize("name", PARTS)
def test_every_statement_of_a_part_ends_explicitly(name: str) -> None:
    lines = read_code_lines(name)
    open_ends = [
        line
        for line, following in zip(lines, [*lines[1:], ""], strict=True)
        if not LINE_MAY_END_IN.search(line) and not LINE_CONTINUES.match(following)
    ]
    assert open_ends == []
    assert lines[-1].endswith(";")


@pytest.mark.parametrize("name", PARTS)
def test_comments_of_a_part_fill_their_lines(name: str) -> None:
    assert [line for line in read_code_lines(name) if re.search(r"(^|[\s;])//(\s|$)", line)] == []


@pytest.mark.parametrize("name", PARTS)
def test_no_text_of_a_part_spans_lines(name: str) -> None:
    assert [line for line in read_code_lines(name) if line.count("`") % 2] == []


@per_clock
def test_every_script_is_one_line_without_line_comments(virtual_clock: bool) -> None:
    for script in every_script(virtual_clock):
        assert "\n" not in script
        assert "// " not in script
        assert "@param" not in script


def test_text_that_looks_like_a_comment_survives() -> None:
    assert "://${hostname}:${settings.port}`" in worker_prologue(SETTINGS, virtual_clock=False)


@per_clock
@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node.js")
def test_every_script_parses(virtual_clock: bool) -> None:
    for script in every_script(virtual_clock):
        run = subprocess.run(
            ["node", "--check", "-"], input=script, capture_output=True, text=True, timeout=30, check=False
        )
        assert run.returncode == 0, run.stderr


def test_settings_are_json() -> None:
    prologue = worker_prologue({"port": 1, "token": 'a"b'}, virtual_clock=False)
    settings, _ = json.JSONDecoder().raw_decode(prologue.partition("const settings = ")[2])
    assert settings["token"] == 'a"b'
    assert settings["mark"] == MARK
    assert settings["virtualClock"] is False


def test_only_virtual_clock_replaces_timers() -> None:
    assert "setTimeout" in worker_prologue(SETTINGS, virtual_clock=True)
    assert "setTimeout" not in worker_prologue(SETTINGS, virtual_clock=False)


@per_clock
def test_requests_are_announced_on_both_clocks(virtual_clock: bool) -> None:
    assert "control.announce(" in worker_prologue(SETTINGS, virtual_clock=virtual_clock)


def test_both_ends_of_a_port_know_the_key_of_the_plugin() -> None:
    assert f'"mark": "{MARK}"' in tab_script(counts_messages=True, virtual_clock=False)
    assert f'"mark": "{MARK}"' in worker_prologue(SETTINGS, virtual_clock=True)


def test_init_scripts_follow_in_order_in_separate_scopes() -> None:
    prologue = worker_prologue(SETTINGS, virtual_clock=False, init_scripts=["first(); // so", "second();"])
    bodies = ["(() => { first(); // so\n})();", "(() => { second();\n})();"]
    isolated = [f"try {{ {body} }} catch (error) {{ globalThis.reportError(error); }}" for body in bodies]
    assert prologue.endswith(" ".join(isolated))
