"""The command and its exit status, each as a real process on made-up cases.

The shell script in front of it, which sets the checkout up first, is not here.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from e2e.conformance.cli import main
from e2e.conformance.paths import CHECKOUT

Results = Callable[..., dict[str, Any]]
Toml = Callable[..., str]

HOLDS = '@numbered("flush/1/1")\ndef test_a(implementation): pass\n'
FAILS = '@numbered("flush/1/2")\ndef test_b(implementation): raise FindingError("1 POST", "3 POSTs")\n'
SHOULD_FAILS = FAILS.replace('"flush/1/2"', '"flush/1/3", Level.SHOULD').replace("test_b", "test_c")
SKIPS = '@numbered("flush/1/4")\ndef test_d(implementation): pytest.skip("no such feature")\n'
ENDLESS_SECONDS = 90


@pytest.fixture
def verify(
    tmp_path: Path, write_suite: Callable[..., Path]
) -> Callable[..., subprocess.CompletedProcess[str]]:
    def run(cases: str, *arguments: str, **files: str) -> subprocess.CompletedProcess[str]:
        write_suite(tmp_path / "cases", cases, **files)
        command = command_for(tmp_path, *arguments)
        return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=ENDLESS_SECONDS)

    return run


Verify = Callable[..., "subprocess.CompletedProcess[str]"]


def command_for(folder: Path, *arguments: str) -> list[str]:
    worker = [] if "--worker" in arguments else ["--worker", "cases/one.js"]
    processes = [] if "-n" in arguments else ["-n", "0"]
    where = ["--invoked-from", str(folder), "--cases-dir", "cases", "--report", "out"]
    return [sys.executable, "-m", "e2e.conformance.cli", *where, *worker, *processes, *arguments]


@pytest.mark.parametrize(
    ("cases", "status"),
    [
        (HOLDS, 0),
        (HOLDS + SHOULD_FAILS, 0),
        (HOLDS + SKIPS, 0),
        (HOLDS + FAILS, 1),
        (SKIPS, 1),
        ("def test_that_is_no_case(): pass\n", 1),
    ],
    ids=[
        "all hold",
        "a SHOULD does not",
        "one is unimplemented",
        "a MUST fails",
        "nothing judged",
        "no case",
    ],
)
def test_the_exit_status_follows_from_the_verdicts(verify: Verify, cases: str, status: int) -> None:
    assert verify(cases).returncode == status


@pytest.mark.parametrize("processes", ["0", "2"])
def test_a_run_prints_verdicts_and_nothing_of_pytest(
    verify: Verify, results: Results, tmp_path: Path, processes: str
) -> None:
    done = verify(HOLDS + FAILS + "def test_that_is_no_case(): pass\n", "-n", processes)
    lines = done.stdout.splitlines()
    assert lines[0].startswith("[1/2] ")
    assert sum(line.startswith("[2/2] ") for line in lines) == 1
    assert "        actual:   3 POSTs" in done.stdout
    assert done.stdout.rstrip().endswith(f"report: {tmp_path / 'out' / 'index.html'}")
    assert "Traceback" not in done.stdout
    assert "passed" not in done.stdout
    assert done.stderr == ""
    assert results(tmp_path / "out")["flush/1/2"]["verdict"] == "failed"


def test_a_known_deviation_still_fails_the_run(verify: Verify, toml: Toml) -> None:
    done = verify(HOLDS + FAILS, "--worker", "cases/mine.toml", mine=toml("mine", flush_1_2="posts thrice"))
    assert done.returncode == 1
    assert "known:    posts thrice" in done.stdout


def test_a_known_deviation_that_holds_fails_the_run(verify: Verify, toml: Toml) -> None:
    done = verify(HOLDS, "--worker", "cases/mine.toml", mine=toml("mine", flush_1_1="long ago"))
    assert done.returncode == 1
    assert "flush/1/1 holds on mine now: remove it from known_deviations." in done.stdout


def test_only_a_level_is_judged(verify: Verify, results: Results, tmp_path: Path) -> None:
    assert verify(HOLDS + SHOULD_FAILS, "--level", "must").returncode == 0
    assert list(results(tmp_path / "out")) == ["flush/1/1"]


def test_costs_are_shown_where_they_are_asked_for(verify: Verify) -> None:
    assert "the slowest" not in verify(HOLDS).stdout
    lines = verify(HOLDS + FAILS, "--durations", "-n", "2").stdout.splitlines()
    assert "the slowest 2 of 2 cases:" in lines
    assert "flush (2)" in lines[-3]


def test_github_is_told_what_does_not_hold(verify: Verify, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    lines = verify(HOLDS + FAILS + SHOULD_FAILS).stdout.splitlines()
    commands = [line.split("::")[1] for line in lines if line.startswith("::")]
    assert commands == ["error title=flush/1/2 on one", "warning title=flush/1/3 on one"]


def test_junit_stands_beside_the_results(verify: Verify, tmp_path: Path) -> None:
    verify(HOLDS + FAILS)
    suites = ElementTree.parse(tmp_path / "out" / "junit.xml").getroot()
    assert [test.attrib["name"] for test in suites.iter("testcase")] == ["flush/1/1", "flush/1/2"]


TELLS = """
from e2e.conformance.report.timeline import Kind, Mark, timeline

def told():
    marks = [Mark(float(n), "worker", Kind.FLUSHED, f"#{n}") for n in range(60)]
    return timeline("seconds", ("worker",), marks)

@numbered("flush/1/5")
def test_e(implementation, observations):
    observations.at_end(timeline=told, if_not_held=lambda: "the journal's end")
    raise FindingError("1 POST", "60 POSTs")
"""


@pytest.mark.parametrize("processes", ["0", "2"])
def test_a_failure_tells_requirement_expected_actual_and_the_end_of_the_timeline(
    verify: Verify, results: Results, tmp_path: Path, processes: str
) -> None:
    lines = verify(TELLS, "-n", processes).stdout.splitlines()
    assert [line.split(":")[0].strip() for line in lines[1:5]] == [
        "requires",
        "expected",
        "actual",
        "timeline",
    ]
    assert "… 20 marks before these stand in the report" in lines[5]
    assert lines[6].split() == ["20.000", "worker", "▲", "#20"]
    assert results(tmp_path / "out")["flush/1/5"]["details"] == "the journal's end"
    assert (tmp_path / "out" / "index.html").read_text().count('href="#mark-flushed"') == 60


def test_a_known_failure_is_told_in_short(verify: Verify, toml: Toml) -> None:
    known = toml("mine", flush_1_5="posts too often")
    done = verify(TELLS, "--worker", "cases/mine.toml", mine=known)
    assert "known:    posts too often" in done.stdout
    assert "timeline" not in done.stdout


def test_a_timeline_that_cannot_be_made_costs_no_verdict(
    verify: Verify, results: Results, tmp_path: Path
) -> None:
    done = verify(
        TELLS.replace("range(60)", "1 / 0").replace('raise FindingError("1 POST", "60 POSTs")', "pass")
    )
    assert done.returncode == 0
    assert "ZeroDivisionError" in results(tmp_path / "out")["flush/1/5"]["details"]


def test_only_the_cases_asked_for_are_judged(verify: Verify) -> None:
    assert verify(HOLDS + FAILS, "--case", "flush/1/1").returncode == 0


def test_the_list_has_every_case_once_and_runs_none(verify: Verify, tmp_path: Path) -> None:
    done = verify(
        HOLDS + FAILS + SHOULD_FAILS, "--list", "--worker", "cases/one.js", "--worker", "cases/two.js"
    )
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        "flush/1/1  MUST    requirement of flush/1/1",
        "flush/1/2  MUST    requirement of flush/1/2",
        "flush/1/3  SHOULD  requirement of flush/1/3",
    ]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--worker", "nobody"], "scripts/verify: --worker: no implementation is called 'nobody'"),
        (["--worker", "absent.js"], "absent.js: no such file"),
        (["--rollout-samples", "0"], "expected a whole number above 0"),
        (["-n", "-1"], "expected a whole number above 0"),
        (["--worker-clock", "slow"], "invalid choice"),
        (["--colour"], "unrecognized arguments: --colour"),
        (["--cases-dir", "absent"], "--cases-dir absent: no such folder"),
    ],
)
def test_wrong_options_end_in_one_sentence(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status_of("--invoked-from", str(tmp_path), *arguments) == 2
    assert message in capsys.readouterr().err


def status_of(*arguments: str) -> object:
    """The exit status of the command in this process, for what ends before any case is collected."""
    try:
        return main(arguments)
    except SystemExit as exit:
        return exit.code


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--worker", "cases/one.js", "--worker", "cases/one.js"], "two of them are named 'one'"),
        (["--case", "flsh"], "scripts/verify: --case flsh: no case is called so; the families are flush"),
        (["--report", "cases/one.js"], "cases/one.js: cannot be made a folder"),
    ],
)
def test_wrong_use_of_a_suite_ends_in_one_sentence(
    verify: Verify, arguments: list[str], message: str, tmp_path: Path
) -> None:
    done = verify(HOLDS, *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert not (tmp_path / "out").exists()


def test_cases_that_cannot_be_read_are_a_failure_with_the_reason(verify: Verify) -> None:
    done = verify("import no_such_module\n")
    assert done.returncode == 1
    assert "no_such_module" in done.stderr
    assert "The cases could not be collected." in done.stderr


@pytest.mark.parametrize("processes", ["0", "1"])
def test_an_interrupted_run_keeps_what_was_judged(
    tmp_path: Path, write_suite: Callable[..., Path], results: Results, processes: str
) -> None:
    endless = f"""
import threading

@numbered("flush/1/2")
def test_b(implementation): threading.Event().wait({ENDLESS_SECONDS})
"""
    write_suite(tmp_path / "cases", HOLDS + endless)
    command = command_for(tmp_path, "-n", processes)
    with subprocess.Popen(
        command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("[1/2]"):
                break
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
    assert process.returncode == 130
    assert "The report is not whole: interrupted." in rest
    assert list(results(tmp_path / "out")) == ["flush/1/1"]


def test_the_help_names_every_option_and_status(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of("--help") == 0
    text = capsys.readouterr().out
    options = ["--worker", "--case", "--list", "--report", "--rollout-samples", "--worker-clock", "--headed"]
    options += ["--browser"]
    options += ["--level", "--durations", "--shuffle", "--server"]
    for expected in (*options, "--slowmo", "-n N", "NAME|FILE.toml|FILE.js", "mlflow-3.18.0", "130"):
        assert expected in text
