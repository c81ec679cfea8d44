"""From the outcome of a case to its verdict in results.json and on the terminal; with real runs of pytest.

Every rule is tested in one process and in several, where results travel between processes.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest_plugins = ["pytester"]

Suite = Callable[..., pytest.RunResult]
Results = Callable[..., dict[str, Any]]
Toml = Callable[..., str]

CASES = """
@pytest.fixture
def broken_before():
    raise RuntimeError("no browser")

@pytest.fixture
def broken_after():
    yield
    raise RuntimeError("port is busy")

@pytest.fixture
def accounting(observations):
    yield
    observations.details("ok 3, lost 0")

@pytest.fixture
def unbalanced():
    yield
    raise FindingError("nothing lost", "1 lost")

@numbered("flush/1/1")
def test_holds(implementation): pass

@numbered("flush/1/2")
def test_observes(implementation, observations, accounting):
    observations("3 records in 1 POST")
    observations("after 30 s")
    observations.details("POST at 30.000")

@numbered("flush/2/1")
def test_must(implementation): raise FindingError("1 POST", "3 POSTs")

@numbered("flush/2/2", Level.SHOULD)
def test_should(implementation):
    posts = 3
    assert posts == 1, "too many"

@numbered("flush/2/3", Level.MAY)
def test_may(implementation): assert "a" * 3 == "b"

@numbered("flush/3/1")
def test_skips(implementation): pytest.skip("no such feature")

@pytest.mark.skip(reason="not here")
@numbered("flush/3/2")
def test_is_skipped(implementation): pass

@numbered("flush/3/3")
def test_exercises_nothing(implementation): require_exercised([], "no POST was affected")

@numbered("flush/3/4", Level.SHOULD)
def test_should_exercises_nothing(implementation): require_exercised(0, "no POST was affected")

@numbered("flush/3/5")
def test_is_not_supported(implementation): require_supported(None, "no locks")

@numbered("flush/3/6")
def test_deviates_and_exercises_nothing(implementation): require_exercised("", "no POST was affected")

@numbered("flush/4/1", Level.MAY)
def test_has_no_browser(implementation, broken_before): pass

@numbered("flush/4/2", Level.MAY)
def test_ends_badly(implementation, broken_after): pass

@numbered("flush/4/3", Level.SHOULD)
def test_loses(implementation, unbalanced): pass

@numbered("flush/4/4")
def test_crashes(implementation): {}["posts"]

@numbered("flush/4/5", Level.MAY)
def test_crashes_too(implementation): raise TimeoutError("no response")

@numbered("flush/5/1")
def test_deviates(implementation): assert False, "sent at once"

@numbered("flush/5/2")
def test_deviates_no_more(implementation): pass

@numbered("flush/5/3", Level.SHOULD)
def test_deviates_a_little(implementation): raise FindingError("a", "b")

@numbered("flush/5/4")
def test_deviates_and_has_no_browser(implementation, broken_before): pass

@numbered("flush/5/5")
def test_deviates_and_crashes(implementation): {}["posts"]

def test_without_case(): pass
"""

DEVIATIONS = {
    "flush_3_6": "any reason",
    "flush_5_1": "sends at once",
    "flush_5_2": "long ago",
    "flush_5_3": "careless",
    "flush_5_4": "any reason",
    "flush_5_5": "any reason",
}


@pytest.fixture(params=["0", "2"], ids=["one process", "two processes"])
def cases(
    request: pytest.FixtureRequest, suite: Suite, toml: Toml, results: Results, pytester: pytest.Pytester
) -> dict[str, Any]:
    suite(
        CASES,
        "--worker",
        "mine.toml",
        "--report",
        "out",
        "-n",
        request.param,
        mine=toml("mine", **DEVIATIONS),
    )
    return results(pytester.path / "out", "mine")


def test_each_rule_gives_its_verdict(cases: dict[str, Any]) -> None:
    assert {case_id: case["verdict"] for case_id, case in cases.items()} == {
        "flush/1/1": "ok",
        "flush/1/2": "ok",
        "flush/2/1": "failed",
        "flush/2/2": "non-strict",
        "flush/2/3": "non-strict",
        "flush/3/1": "unimplemented",
        "flush/3/2": "unimplemented",
        "flush/3/3": "inconclusive",
        "flush/3/4": "inconclusive",
        "flush/3/5": "unimplemented",
        "flush/3/6": "inconclusive",
        "flush/4/1": "failed",
        "flush/4/2": "failed",
        "flush/4/3": "non-strict",
        "flush/4/4": "failed",
        "flush/4/5": "failed",
        "flush/5/1": "failed",
        "flush/5/2": "ok",
        "flush/5/3": "non-strict",
        "flush/5/4": "failed",
        "flush/5/5": "failed",
    }
    assert list(cases) == sorted(cases)


def test_result_has_expected_and_actual(cases: dict[str, Any]) -> None:
    assert {
        key: cases["flush/1/1"][key] for key in ("level", "requirement", "expected", "actual", "source")
    } == {
        "level": "MUST",
        "requirement": "requirement of flush/1/1",
        "expected": "expected of flush/1/1",
        "actual": "as expected",
        "source": "source of flush/1/1",
    }
    assert isinstance(cases["flush/1/1"]["seconds"], float)
    assert cases["flush/1/2"]["actual"] == "3 records in 1 POST; after 30 s"
    assert (cases["flush/2/1"]["expected"], cases["flush/2/1"]["actual"]) == ("1 POST", "3 POSTs")
    assert cases["flush/2/2"]["expected"] == "expected of flush/2/2"
    assert cases["flush/2/2"]["actual"].startswith("too many\nassert 3 == 1")
    assert cases["flush/3/1"]["actual"] == "no such feature"
    assert cases["flush/3/2"]["actual"] == "not here"
    assert cases["flush/3/3"]["actual"] == "not exercised: no POST was affected"
    assert cases["flush/3/5"]["actual"] == "no locks"
    assert cases["flush/4/1"]["actual"] == "the setup of the case failed: RuntimeError: no browser"
    assert cases["flush/4/2"]["actual"] == "the teardown of the case failed: RuntimeError: port is busy"
    assert cases["flush/4/3"]["actual"] == "1 lost"
    assert cases["flush/4/4"]["actual"] == "the case raised an unexpected error: KeyError: 'posts'"


def test_aborted_case_is_marked(cases: dict[str, Any]) -> None:
    aborted = {case_id for case_id, case in cases.items() if case.get("broke_off")}
    assert aborted == {"flush/4/1", "flush/4/2", "flush/4/4", "flush/4/5", "flush/5/4", "flush/5/5"}


def test_details_have_observations_and_traceback(cases: dict[str, Any]) -> None:
    assert cases["flush/1/2"]["details"] == "POST at 30.000\n\nok 3, lost 0"
    assert "test_crashes" in cases["flush/4/4"]["details"]
    assert "details" not in cases["flush/1/1"]


def test_known_deviation_has_verdict_and_reason(cases: dict[str, Any]) -> None:
    assert cases["flush/5/1"]["known_deviation"] == "sends at once"
    assert cases["flush/5/3"]["known_deviation"] == "careless"
    assert (cases["flush/5/2"]["known_deviation"], cases["flush/5/2"]["stale_deviation"]) == (
        "long ago",
        True,
    )
    assert "stale_deviation" not in cases["flush/5/1"]


def test_known_deviation_does_not_excuse_a_failed_setup(cases: dict[str, Any]) -> None:
    assert "known_deviation" not in cases["flush/5/4"]
    assert cases["flush/5/4"]["actual"] == "the setup of the case failed: RuntimeError: no browser"


def test_known_deviation_does_not_excuse_another_error(cases: dict[str, Any]) -> None:
    assert "known_deviation" not in cases["flush/5/5"]
    assert cases["flush/5/5"]["actual"] == "the case raised an unexpected error: KeyError: 'posts'"


@pytest.mark.parametrize("processes", ["0", "2"])
def test_terminal_has_a_line_for_each_verdict_and_the_matrix(suite: Suite, processes: str) -> None:
    result = suite(CASES, "--report", "out", "-n", processes, "-qq", "--no-summary", "--tb=no")
    lines = result.stdout.lines
    result.stdout.fnmatch_lines_random(
        [
            "[[]*/2[12][]] ok             flush/1/1  one  requirement of flush/1/1  (0.? s)",
            "[[]*/2[12][]] failed         flush/2/1  one  requirement of flush/2/1  (0.? s)",
            "        expected: 1 POST",
            "        actual:   3 POSTs",
            "        reason:   no such feature",
            "        reason:   not exercised: no POST was affected",
        ]
    )
    assert sum(" one  requirement of " in line for line in lines) == 21
    result.stdout.fnmatch_lines(
        [
            "             ok  non-strict  failed  inconclusive  unimplemented",
            "one  MUST     3           -       5             2              3",
            "one  SHOULD   -           3       -             1              -",
            "one  MAY      -           1       3             -              -",
            "report: *out?index.html",
        ]
    )
    assert "\x1b" not in result.stdout.str()


def test_run_without_report_is_an_ordinary_run(suite: Suite, pytester: pytest.Pytester) -> None:
    result = suite(CASES)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["test_made_up_cases.py ..F*", "*6 passed*"])
    assert not (pytester.path / "out").exists()


def test_worst_of_two_runs_of_a_case_counts(
    suite: Suite, results: Results, pytester: pytest.Pytester
) -> None:
    fails_then_holds = """
TURNS = iter(["fails", "holds"])

@numbered("flush/1/1")
def test_a(implementation): assert next(TURNS) == "holds"
"""
    suite(
        fails_then_holds,
        "--report",
        "out",
        "--keep-duplicates",
        "test_made_up_cases.py",
        "test_made_up_cases.py",
    )
    assert results(pytester.path / "out")["flush/1/1"]["verdict"] == "failed"


HOSTILE = r"""
TEXT = "<script>alert(1)</script> \"><img src=x onerror=alert(1)> \x00 \ud800 \x1b[31m \u202e\n"
TEXT += "::error::injected"

@numbered("flush/1/1")
def test_finding(implementation): raise FindingError("nothing", TEXT)

@numbered("flush/1/2")
def test_assertion(implementation): assert TEXT == "", TEXT

@numbered("flush/1/3")
def test_observed(implementation, observations):
    observations(TEXT)
    observations.details(TEXT)
"""


@pytest.mark.parametrize("processes", ["0", "2"])
def test_hostile_text_is_escaped_in_all_outputs(
    suite: Suite, results: Results, pytester: pytest.Pytester, processes: str
) -> None:
    result = suite(HOSTILE, "--report", "out", "-n", processes, "--tb=no", "--no-summary")
    out = pytester.path / "out"
    for case in results(out).values():
        assert r"onerror=alert(1)> \x00 \ud800 \x1b[31m \u202e" in case["actual"]
        assert r"\x3a:error::injected" in case["actual"]
    page = (out / "index.html").read_text(encoding="utf-8")
    assert page.count("<script") == 1  # The page's own, which filters the cases.
    assert "<script>" not in page
    assert "<img" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "\x00" not in page
    assert "\x1b" not in result.stdout.str()
    assert not [line for line in result.stdout.lines if line.lstrip().startswith("::")]


def test_crashed_process_fails_its_case_only(
    suite: Suite, results: Results, pytester: pytest.Pytester
) -> None:
    cases = """
@numbered("flush/1/1")
def test_crashes_process(implementation): os._exit(3)

@numbered("flush/1/2")
def test_lives(implementation): pass
"""
    suite(cases, "--report", "out", "-n", "1")
    found = results(pytester.path / "out")
    assert {case_id: case["verdict"] for case_id, case in found.items()} == {
        "flush/1/1": "failed",
        "flush/1/2": "ok",
    }
    assert found["flush/1/1"]["actual"].endswith("test_crashes_process[one] crashed")


def test_run_that_stops_early_is_incomplete(suite: Suite, pytester: pytest.Pytester) -> None:
    result = suite(CASES, "--report", "out", "--maxfail=1")
    data = json.loads((pytester.path / "out" / "results.json").read_text())
    assert "18 of 21 cases were not judged" in data["problems"]
    result.stdout.fnmatch_lines(["The report is incomplete: 18 of 21 cases were not judged."])
    assert "This report is incomplete." in (pytester.path / "out" / "index.html").read_text()


def test_report_folder_has_only_its_own_files(suite: Suite, pytester: pytest.Pytester) -> None:
    suite(CASES, "--report", "deep/out")
    assert sorted(path.name for path in Path(pytester.path, "deep", "out").iterdir()) == [
        "badge.json",
        "badge.svg",
        "index.html",
        "junit.xml",
        "results.json",
    ]
