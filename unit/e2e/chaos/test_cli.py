"""The command scripts/chaos without a browser: its options, its summary, its exit status."""

from __future__ import annotations

from collections import Counter

import pytest

from e2e.chaos import cli
from e2e.chaos.model import Verdict
from e2e.chaos.summary import Summary
from e2e.conformance.accounting import Accounting

BALANCED = Verdict(Accounting(5, 1, 2, (), (), ()), (), (), {"their tab ended": 2})
UNBALANCED = Verdict(Accounting(5, 1, 2, ("t/1",), ("t/2",), ("t/3",)), ("u/2",), ("t/4 before t/3",))


def test_help_names_all_options_and_exit_statuses(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["--help"])
    text = capsys.readouterr().out
    assert ended.value.code == 0
    for word in (
        "--minutes",
        "--seed",
        "--headed",
        "--browser",
        "--mutants",
        "--focus",
        "exit status",
        "default: 2",
    ):
        assert word in text


@pytest.mark.parametrize(
    "words",
    [
        ["--minutes", "0"],
        ["--minutes", "nan"],
        ["--minutes", "long"],
        ["--browser", "lynx"],
        ["--mutants", "no-such-mutant"],
        ["go"],
    ],
)
def test_wrong_use_ends_with_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(words)
    assert ended.value.code == cli.EXIT_WRONG_USE
    assert "usage: scripts/chaos" in capsys.readouterr().err


def test_balanced_summary_has_exit_status_0() -> None:
    summary = Summary()
    summary.add(8, Counter({"tab crashed": 2, "never": 0}), BALANCED)
    summary.add(8, Counter(), BALANCED)
    assert summary.exit_status == 0
    text = str(summary)
    assert "events      16" in text
    assert "2 tab crashed" in text
    assert "never" not in text, "a fault that was never applied is not shown"
    for word in (
        "lost        0",
        "duplicated  0",
        "unexpected  0",
        "optional    4, 2 of them stored",
        "4 their tab ended",
    ):
        assert word in text


def test_summary_names_offending_events() -> None:
    summary = Summary()
    summary.add(8, Counter(), UNBALANCED)
    assert summary.exit_status == 1
    text = str(summary)
    for word in ("lost: t/1", "duplicated: t/2, u/2", "unexpected: t/3", "t/4 before t/3"):
        assert word in text


def test_problem_has_exit_status_1_and_prints_the_seed(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli._conclude(Summary(problems=["a tab does not load"]), 42, interrupted=True) == 1
    text = capsys.readouterr().out
    assert "a tab does not load" in text
    assert "scripts/chaos --seed 42" in text


def test_interrupted_run_prints_its_summary(capsys: pytest.CaptureFixture[str]) -> None:
    summary = Summary()
    summary.add(8, Counter(), BALANCED)
    assert cli._conclude(summary, 1, interrupted=True) == cli.EXIT_INTERRUPTED
    assert "events      8" in capsys.readouterr().out
