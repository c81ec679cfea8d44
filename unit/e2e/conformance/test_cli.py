"""The command and its exit status; most tests start a real process on made-up cases.

The shell script scripts/verify, which sets up the checkout first, is not tested here.
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

PASSES = '@numbered("flush/1/1")\ndef test_a(implementation): pass\n'
FAILS = '@numbered("flush/1/2")\ndef test_b(implementation): raise FindingError("1 POST", "3 POSTs")\n'
SHOULD_FAILS = FAILS.replace('"flush/1/2"', '"flush/1/3", Level.SHOULD').replace("test_b", "test_c")
SKIPS = '@numbered("flush/1/4")\ndef test_d(implementation): pytest.skip("no such feature")\n'
MET_NOTHING = '@numbered("flush/1/5")\ndef test_e(implementation): require_exercised(0, "no POST was hit")\n'
SHOULD_MET_NOTHING = MET_NOTHING.replace('"flush/1/5"', '"flush/1/6", Level.SHOULD').replace(
    "test_e", "test_f"
)
ENDLESS_SECONDS = 90


@pytest.fixture
def verify(
    tmp_path: Path, write_suite: Callable[..., Path]
) -> Callable[..., subprocess.CompletedProcess[str]]:
    def run(cases: str, *arguments: str, **files: str) -> subprocess.CompletedProcess[str]:
        write_suite(tmp_path / "cases", cases, **files)
        command = build_command(tmp_path, *arguments)
        return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=ENDLESS_SECONDS)

    return run


Verify = Callable[..., "subprocess.CompletedProcess[str]"]


def build_command(folder: Path, *arguments: str) -> list[str]:
    worker = [] if "--worker" in arguments else ["--worker", "cases/one.js"]
    processes = [] if "-n" in arguments else ["-n", "0"]
    where = ["--invoked-from", str(folder), "--cases-dir", "cases", "--report", "out"]
    return [sys.executable, "-m", "e2e.conformance.cli", *where, *worker, *processes, *arguments]


@pytest.mark.parametrize(
    ("cases", "status"),
    [
        (PASSES, 0),
        (PASSES + SHOULD_FAILS, 0),
        (PASSES + SKIPS, 0),
        (PASSES + FAILS, 1),
        (SKIPS, 1),
        (PASSES + MET_NOTHING, 1),
        (PASSES + SHOULD_MET_NOTHING, 0),
        (SHOULD_MET_NOTHING, 1),
        ("def test_without_case(): pass\n", 1),
    ],
    ids=[
        "all pass",
        "a SHOULD fails",
        "one is unimplemented",
        "a MUST fails",
        "nothing judged",
        "a MUST is inconclusive",
        "a SHOULD is inconclusive",
        "nothing conclusive",
        "no case",
    ],
)
def test_exit_status_follows_from_the_verdicts(verify: Verify, cases: str, status: int) -> None:
    assert verify(cases).returncode == status


@pytest.mark.parametrize("processes", ["0", "2"])
def test_run_prints_verdicts_and_no_pytest_output(
    verify: Verify, results: Results, tmp_path: Path, processes: str
) -> None:
    done = verify(PASSES + FAILS + "def test_without_case(): pass\n", "-n", processes)
    lines = done.stdout.splitlines()
    assert lines[0].startswith("[1/2] ")
    assert sum(line.startswith("[2/2] ") for line in lines) == 1
    assert "        actual:   3 POSTs" in done.stdout
    assert done.stdout.rstrip().endswith(f"report: {tmp_path / 'out' / 'index.html'}")
    assert "Traceback" not in done.stdout
    assert "passed" not in done.stdout
    assert done.stderr == ""
    assert results(tmp_path / "out")["flush/1/2"]["verdict"] == "failed"


def test_known_deviation_of_a_must_fails_the_run(verify: Verify, toml: Toml) -> None:
    done = verify(PASSES + FAILS, "--worker", "cases/mine.toml", mine=toml("mine", flush_1_2="posts thrice"))
    assert done.returncode == 1
    assert "known:    posts thrice" in done.stdout


def test_stale_known_deviation_fails_the_run(verify: Verify, toml: Toml) -> None:
    done = verify(PASSES, "--worker", "cases/mine.toml", mine=toml("mine", flush_1_1="long ago"))
    assert done.returncode == 1
    assert "flush/1/1 on mine: the case passes now, remove it from known_deviations." in done.stdout


def test_level_limits_the_cases(verify: Verify, results: Results, tmp_path: Path) -> None:
    assert verify(PASSES + SHOULD_FAILS, "--level", "must").returncode == 0
    assert list(results(tmp_path / "out")) == ["flush/1/1"]


def test_durations_are_shown_on_request(verify: Verify) -> None:
    assert "the slowest" not in verify(PASSES).stdout
    lines = verify(PASSES + FAILS, "--durations", "-n", "2").stdout.splitlines()
    assert "the slowest 2 of 2 cases:" in lines
    assert "flush (2)" in lines[-3]


def test_github_gets_annotations(verify: Verify, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    lines = verify(PASSES + FAILS + SHOULD_FAILS).stdout.splitlines()
    commands = [line.split("::")[1] for line in lines if line.startswith("::")]
    assert commands == ["error title=flush/1/2 on one", "warning title=flush/1/3 on one"]


def test_run_is_compared_with_the_report_that_it_replaces(verify: Verify) -> None:
    assert verify(PASSES + FAILS).returncode == 1
    fixed = FAILS.replace('raise FindingError("1 POST", "3 POSTs")', "pass") + SHOULD_FAILS
    done = verify(PASSES + fixed, "--compare", "out/results.json")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("compared with "))
    assert lines[start].endswith("out/results.json: 0 worse, 1 better, 1 new, 0 gone, 1 unchanged")
    assert [line.strip() for line in lines[start + 1 : -1]] == [
        "flush/1/2  one: better, was failed",
        "flush/1/3  one: new: non-strict",
    ]
    worse = verify(PASSES + SHOULD_FAILS, "--compare", "out", "--case", "flush/1/1")
    assert worse.returncode == 0
    assert "0 worse, 0 better, 0 new, 0 gone, 1 unchanged" in worse.stdout


def test_junit_is_written_with_the_results(verify: Verify, tmp_path: Path) -> None:
    verify(PASSES + FAILS)
    suites = ElementTree.parse(tmp_path / "out" / "junit.xml").getroot()
    assert [test.attrib["name"] for test in suites.iter("testcase")] == ["flush/1/1", "flush/1/2"]


WITH_TIMELINE = """
from e2e.conformance.report.timeline import Kind, Mark, build_timeline

def build():
    marks = [Mark(float(n), "worker", Kind.FLUSHED, f"#{n}") for n in range(60)]
    return build_timeline("seconds", ("worker",), marks)

@numbered("flush/1/5")
def test_e(implementation, observations):
    observations.build_at_end(timeline=build, details_if_failed=lambda: "the journal's end")
    raise FindingError("1 POST", "60 POSTs")
"""


@pytest.mark.parametrize("processes", ["0", "2"])
def test_failure_is_printed_with_the_end_of_its_timeline(
    verify: Verify, results: Results, tmp_path: Path, processes: str
) -> None:
    lines = verify(WITH_TIMELINE, "-n", processes).stdout.splitlines()
    assert [line.split(":")[0].strip() for line in lines[1:5]] == [
        "requires",
        "expected",
        "actual",
        "timeline",
    ]
    assert "… 20 earlier marks are in the report" in lines[5]
    assert lines[6].split() == ["20.000", "worker", "▲", "#20"]
    assert results(tmp_path / "out")["flush/1/5"]["details"] == "the journal's end"
    assert (tmp_path / "out" / "index.html").read_text().count('href="#mark-flushed"') == 60


WITH_GATEWAY = """
@pytest.fixture
def gateway_upstream(): return None

@numbered("flush/1/6")
def test_f(implementation, gateway): raise FindingError("1 POST", "no POST")
"""


@pytest.mark.parametrize("processes", ["0", "1"])
def test_report_keeps_timeline_and_artifacts_of_a_failed_case(
    verify: Verify, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, processes: str
) -> None:
    usual, own = tmp_path / "usual", tmp_path / "out" / "test-results"
    usual.mkdir()
    (usual / "of-another-run.txt").touch()
    monkeypatch.setenv("PYTEST_ADDOPTS", f"--output={usual}")
    link = "timelines/flush-1-6.on.one.html"
    assert verify(WITH_GATEWAY, "-n", processes).returncode == 1
    assert [file.name for file in usual.iterdir()] == ["of-another-run.txt"]
    assert len(list(own.glob("*/timeline.html"))) == 1
    assert f'href="{link}"' in (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert "<title>" in (tmp_path / "out" / link).read_text(encoding="utf-8")
    verify(PASSES)
    assert not (tmp_path / "out" / link).exists()
    assert not list(own.glob("*/timeline.html"))


def test_known_failure_is_printed_without_timeline(verify: Verify, toml: Toml) -> None:
    known = toml("mine", flush_1_5="posts too often")
    done = verify(WITH_TIMELINE, "--worker", "cases/mine.toml", mine=known)
    assert "known:    posts too often" in done.stdout
    assert "timeline" not in done.stdout


def test_timeline_that_raises_costs_no_verdict(verify: Verify, results: Results, tmp_path: Path) -> None:
    done = verify(
        WITH_TIMELINE.replace("range(60)", "1 / 0").replace(
            'raise FindingError("1 POST", "60 POSTs")', "pass"
        )
    )
    assert done.returncode == 0
    assert "ZeroDivisionError" in results(tmp_path / "out")["flush/1/5"]["details"]


def test_case_option_limits_the_cases(verify: Verify) -> None:
    assert verify(PASSES + FAILS, "--case", "flush/1/1").returncode == 0


def test_list_prints_each_case_once_with_its_file_and_line(verify: Verify, tmp_path: Path) -> None:
    done = verify(
        PASSES + FAILS + SHOULD_FAILS, "--list", "--worker", "cases/one.js", "--worker", "cases/two.js"
    )
    assert done.returncode == 0
    file = tmp_path / "cases" / "test_made_up_cases.py"
    lines = file.read_text().splitlines()
    decorators = {number: line for number, line in enumerate(lines, 1) if line.startswith("@numbered")}
    assert [line.split(maxsplit=3) for line in done.stdout.splitlines()] == [
        [f"flush/1/{case}", level, f"{file}:{number}", f"requirement of flush/1/{case}"]
        for case, level, number in zip((1, 2, 3), ("MUST", "MUST", "SHOULD"), decorators, strict=True)
    ]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--worker", "absent"], "scripts/verify: --worker: no implementation is called 'absent'"),
        (["--worker", "absent.js"], "absent.js: no such file"),
        (["--rollout-samples", "0"], "expected a whole number above 0"),
        (["-n", "-1"], "expected a whole number above 0"),
        (["--worker-clock", "slow"], "invalid choice"),
        (["--color"], "unrecognized arguments: --color"),
        (["--cases-dir", "absent"], "--cases-dir absent: no such folder"),
    ],
)
def test_wrong_option_is_reported_in_one_line(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert get_status("--invoked-from", str(tmp_path), *arguments) == 2
    assert message in capsys.readouterr().err


def get_status(*arguments: str) -> object:
    """Run the command in this process, for a command that collects no case; return the exit status."""
    try:
        return main(arguments)
    except SystemExit as exit:
        return exit.code


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--worker", "cases/one.js", "--worker", "cases/one.js"], "two of them are named 'one'"),
        (["--case", "flsh"], "scripts/verify: --case flsh: no case has this prefix; the families are flush"),
        (["--compare", "cases/one.js"], "one.js: is no results.json of this suite: "),
        (["--compare", "absent.json"], "absent.json: cannot be read: No such file or directory"),
        (["--report", "cases/one.js"], "cases/one.js: the folder cannot be created"),
    ],
)
def test_wrong_use_of_a_suite_is_reported_in_one_line(
    verify: Verify, arguments: list[str], message: str, tmp_path: Path
) -> None:
    done = verify(PASSES, *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert not (tmp_path / "out").exists()


def test_uncollectable_case_is_a_failure_with_the_reason(verify: Verify) -> None:
    done = verify("import no_such_module\n")
    assert done.returncode == 1
    assert "no_such_module" in done.stderr
    assert "The cases could not be collected." in done.stderr


@pytest.mark.parametrize("processes", ["0", "1"])
def test_interrupted_run_keeps_its_verdicts(
    tmp_path: Path, write_suite: Callable[..., Path], results: Results, processes: str
) -> None:
    endless = f"""
import threading

@numbered("flush/1/2")
def test_b(implementation): threading.Event().wait({ENDLESS_SECONDS})
"""
    write_suite(tmp_path / "cases", PASSES + endless)
    command = build_command(tmp_path, "-n", processes)
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
    assert "The report is incomplete: interrupted." in rest
    assert list(results(tmp_path / "out")) == ["flush/1/1"]


def test_interrupt_in_a_hook_of_another_plugin_is_an_interrupt(
    tmp_path: Path, write_suite: Callable[..., Path]
) -> None:
    suite = write_suite(tmp_path / "cases", PASSES)
    with (suite / "conftest.py").open("a") as conftest:
        conftest.write(
            "\nimport pytest\n\n@pytest.hookimpl(hookwrapper=True)\n"
            "def pytest_runtest_teardown(item):\n    yield\n    raise KeyboardInterrupt\n"
        )
    done = subprocess.run(
        build_command(tmp_path), cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=100
    )
    assert done.returncode == 130, done.stdout + done.stderr


def test_help_names_every_option_and_status(capsys: pytest.CaptureFixture[str]) -> None:
    assert get_status("--help") == 0
    text = capsys.readouterr().out
    options = ["--worker", "--case", "--list", "--report", "--rollout-samples", "--worker-clock", "--headed"]
    options += ["--browser"]
    options += ["--level", "--durations", "--shuffle", "--server"]
    for expected in (*options, "--slowmo", "-n N", "NAME|FILE.toml|FILE.js", "mlflow-3.18.0", "130"):
        assert expected in text
