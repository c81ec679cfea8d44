"""The command scripts/chaos without a browser: its options, its figures, its exit status."""

from __future__ import annotations

import random
from collections import Counter
from types import SimpleNamespace
from typing import Any, cast

import pytest

from e2e.chaos import cli
from e2e.chaos.model import Verdict
from e2e.chaos.random_walk import Walk
from e2e.chaos.summary import Figures
from e2e.chaos.system import SystemUnderTest
from e2e.conformance.accounting import Accounting

BALANCED = Verdict(Accounting(5, 1, 2, (), (), ()), (), ())
UNBALANCED = Verdict(Accounting(5, 1, 2, ("t/1",), ("t/2",), ("t/3",)), ("u/2",), ("t/4 before t/3",))


def test_help_tells_all_options_and_exit_statuses(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["--help"])
    text = capsys.readouterr().out
    assert ended.value.code == 0
    for word in ("--minutes", "--seed", "--headed", "--browser", "exit status", "default: 2"):
        assert word in text


@pytest.mark.parametrize(
    "words", [["--minutes", "0"], ["--minutes", "nan"], ["--minutes", "long"], ["--browser", "lynx"], ["go"]]
)
def test_wrong_use_ends_with_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(words)
    assert ended.value.code == cli.EXIT_WRONG_USE
    assert "usage: scripts/chaos" in capsys.readouterr().err


def test_figures_of_balanced_books_end_with_0() -> None:
    figures = Figures(faults=Counter({"tab crashed": 2, "never": 0}))
    figures.add(BALANCED, 8)
    figures.add(BALANCED, 8)
    assert figures.exit_status == 0
    text = "\n".join(figures.lines())
    assert "events      16" in text
    assert "2 tab crashed" in text
    assert "never" not in text, "a fault that met nothing is none"
    for word in ("lost        0", "duplicated  0", "unexpected  0", "recovered   2"):
        assert word in text


def test_figures_name_the_offenders() -> None:
    figures = Figures()
    figures.add(UNBALANCED, 8)
    assert figures.exit_status == 1
    text = "\n".join(figures.lines())
    for word in ("lost: t/1", "duplicated: t/2, u/2", "unexpected: t/3", "t/4 before t/3"):
        assert word in text


def test_a_problem_ends_with_1_and_the_seed(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli._conclude(Figures(problems=["a tab never came"]), 42, interrupted=True) == 1
    text = capsys.readouterr().out
    assert "a tab never came" in text
    assert "scripts/chaos --seed 42" in text


def test_interrupted_run_tells_its_figures(capsys: pytest.CaptureFixture[str]) -> None:
    figures = Figures()
    figures.add(BALANCED, 8)
    assert cli._conclude(figures, 1, interrupted=True) == cli.EXIT_INTERRUPTED
    assert "events      8" in capsys.readouterr().out


class Paper:
    """A world on paper: it writes down what is asked of it."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, tuple[object, ...]]] = []
        self.tabs = ["a", "b"]
        self.consent = True
        self.server = SimpleNamespace(is_running=True)

    def __getattr__(self, name: str) -> Any:
        def ask(*values: object) -> Any:
            self.asked.append((name, values))
            return pytest.MonkeyPatch.context()

        return ask


def walked(seed: int, steps: int = 200) -> list[tuple[str, tuple[object, ...]]]:
    paper = Paper()
    walk = Walk(
        cast(SystemUnderTest, paper),
        random.Random(seed),
        can_crash=True,
        kill_browser=lambda: paper.browser_dies(),
    )
    for _ in range(steps):
        walk.step()
    return paper.asked


def test_a_seed_decides_every_step() -> None:
    assert walked(1) == walked(1)
    assert walked(1) != walked(2)


def test_a_walk_comes_by_every_fault() -> None:
    names = {name for name, _ in walked(1, steps=400)}
    assert {
        "open_tab", "close_tab", "reload_tab", "leave_and_return", "crash_tab", "terminate_worker",
        "set_offline", "kill_server", "server_dying_at_next_post", "break_wire", "lift_faults", "opt_out",
        "flip", "browser_dies", "pass_time",
    } <= names  # fmt: skip
