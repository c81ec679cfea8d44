"""Which cases run, in which order, and how pytest reports wrong use; with real runs of pytest."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from e2e.conformance.selection.cases import matches_prefix

pytest_plugins = ["pytester"]

Suite = Callable[..., pytest.RunResult]
Toml = Callable[..., str]

CASES = """
@numbered("flush/2/1")
def test_a(implementation): pass

@numbered("flush/20/1")
def test_b(implementation): pass

@pytest.mark.parametrize("number", [
    pytest.param(1, id="one", marks=numbered("batch/1/1")),
    pytest.param(2, id="two", marks=numbered("batch/1/2")),
])
def test_c(implementation, number): pass

def test_without_case(): pass
"""


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("flush", True),
        ("flush/2", True),
        ("flush/2/", True),
        ("flush/2/1", True),
        ("flu", False),
        ("flush/2/11", False),
    ],
)
def test_prefix_matches_by_whole_segments(prefix: str, expected: bool) -> None:
    assert matches_prefix("flush/2/1", prefix) is expected


def test_case_runs_on_each_implementation(suite: Suite) -> None:
    result = suite(CASES, "--worker", "one.js", "--worker", "two.js", "-v")
    result.assert_outcomes(passed=9)
    result.stdout.fnmatch_lines(["*test_a?one? PASSED*", "*test_a?two? PASSED*"])


def test_case_runs_on_each_implementation_that_its_fixture_takes(suite: Suite) -> None:
    result = suite(
        """
@pytest.fixture(scope="session")
def script(implementation):
    return implementation.worker.script

@numbered("flush/2/1")
def test_a(script):
    assert script.name in ("one.js", "two.js")
""",
        "--worker",
        "one.js",
        "--worker",
        "two.js",
    )
    result.assert_outcomes(passed=2)


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        (["--case", "flush/2"], 1),
        (["--case", "flush"], 2),
        (["--case", "batch/1/2", "--case", "flush/20/1"], 2),
    ],
)
def test_case_option_selects_by_prefix(suite: Suite, arguments: list[str], count: int) -> None:
    suite(CASES, *arguments).assert_outcomes(passed=count, deselected=5 - count)


@pytest.mark.parametrize("processes", ["0", "2"])
def test_prefix_without_case_is_reported_with_the_families(
    suite: Suite, pytester: pytest.Pytester, processes: str
) -> None:
    result = suite(CASES, "--case", "flush", "--case", "flsh", "-n", processes, "--report", "out")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["ERROR: --case flsh: no case has this prefix; the families are batch, flush"]
    )
    assert "Traceback" not in result.stdout.str() + result.stderr.str()
    assert not list((pytester.path / "out").iterdir())


LEVELS = """
@numbered("flush/2/1", Level.MUST)
def test_a(implementation): pass

@numbered("flush/2/2", Level.SHOULD)
def test_b(implementation): pass

@numbered("flush/2/3", Level.MAY)
def test_c(implementation): pass

def test_without_case(): pass
"""


@pytest.mark.parametrize(("level", "count"), [("must", 1), ("should", 2), ("may", 3)])
def test_level_includes_the_more_binding_levels(suite: Suite, level: str, count: int) -> None:
    suite(LEVELS, "--level", level).assert_outcomes(passed=count, deselected=4 - count)


def test_level_without_case_is_reported(suite: Suite) -> None:
    result = suite(LEVELS, "--level", "must", "--case", "flush/2/2")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["ERROR: --level must: none of the selected cases has this level or a more binding one"]
    )


MANY = "".join(f'@numbered("flush/1/{n}")\ndef test_{n}(implementation): pass\n' for n in range(1, 21))


def get_order(result: pytest.RunResult) -> list[str]:
    """Return the tests in the order in which they ran."""
    return [line.split("::")[1].split("[")[0] for line in result.outlines if "PASSED" in line]


def test_shuffle_seed_determines_the_order(suite: Suite) -> None:
    usual = get_order(suite(MANY, "-v"))
    first, again, other = (get_order(suite(MANY, "-v", f"--shuffle={seed}")) for seed in (1, 1, 2))
    assert first == again
    assert len({tuple(usual), tuple(first), tuple(other)}) == 3
    assert sorted(usual) == sorted(first) == sorted(other)


def test_parallel_processes_shuffle_alike(suite: Suite) -> None:
    suite(MANY, "--shuffle=7", "-n", "2").assert_outcomes(passed=20)


def test_known_deviation_is_an_expected_failure(suite: Suite, toml: Toml) -> None:
    cases = '@numbered("flush/2/1")\ndef test_a(implementation): assert implementation.name == "one"\n'
    result = suite(
        cases, "--worker", "one.js", "--worker", "mine.toml", mine=toml("mine", flush_2_1="sends at once")
    )
    result.assert_outcomes(passed=1, xfailed=1)


def test_known_deviation_that_no_longer_occurs_fails_the_run(suite: Suite, toml: Toml) -> None:
    result = suite(CASES, "--worker", "mine.toml", mine=toml("mine", flush_2_1="sends at once"))
    result.assert_outcomes(passed=4, failed=1)
    result.stdout.fnmatch_lines(["*XPASS(strict)*sends at once*"])


def test_known_deviation_without_case_is_refused_in_a_whole_suite(suite: Suite, toml: Toml) -> None:
    deviating = toml("mine", flush_99_1="gone")
    whole = suite(CASES, "--worker", "mine.toml", mine=deviating)
    assert whole.ret == pytest.ExitCode.USAGE_ERROR
    whole.stderr.fnmatch_lines(["ERROR: known_deviations of mine: case flush/99/1 does not exist*"])
    part = suite(CASES, "--worker", "mine.toml", "test_made_up_cases.py", mine=deviating)
    part.assert_outcomes(passed=5)


def test_duplicate_id_is_refused(suite: Suite) -> None:
    twice = '@numbered("flush/2/1")\ndef test_a(): pass\n@numbered("flush/2/1")\ndef test_b(): pass\n'
    result = suite(twice)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: case id flush/2/1 is used twice, by *test_a and *test_b:*"])


def test_several_cases_on_one_test_are_refused(suite: Suite) -> None:
    result = suite('@numbered("flush/2/1")\n@numbered("flush/2/2")\ndef test_a(): pass\n')
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: *test_a has several cases (flush/2/2, flush/2/1)*"])


def test_bare_marker_is_refused(suite: Suite) -> None:
    result = suite("@pytest.mark.case\ndef test_a(): pass\n")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["ERROR: *test_a: use the decorator case() of e2e.conformance.case, not the bare marker"]
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--worker", "absent"], "ERROR: --worker: no implementation is called 'absent': expected one of *"),
        (
            ["--worker", "one.js", "--worker", "one.js"],
            "ERROR: --worker: two of them are named 'one'*",
        ),
        (["--rollout-samples", "0"], "*expected a whole number above 0, not '0'*"),
        (["--rollout-samples", "many"], "*expected a whole number above 0, not 'many'*"),
        (["--report", "one.js"], "ERROR: --report *one.js: the folder cannot be created: *"),
    ],
)
def test_wrong_option_is_reported_in_one_line(suite: Suite, arguments: list[str], message: str) -> None:
    result = suite(CASES, *arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([message])
    assert "Traceback" not in result.stdout.str() + result.stderr.str()
