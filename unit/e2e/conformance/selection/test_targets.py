"""Which workers and servers a run tests, and which cases run on them; real pytest runs of made-up cases."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from e2e.conformance.paths import CHECKOUT

pytest_plugins = ["pytester"]

Run = Callable[..., pytest.RunResult]

ONE_FILE = "test_made_up_cases.py"
"""Not the whole suite: known deviations need not be among its cases."""

CASES = """
@numbered("flush/1/1")
def test_of_a_worker(implementation): pass

@numbered("server/ingest/1/1")
def test_of_a_server(server_implementation): pass

@numbered("other/1/1")
def test_of_neither(): pass
"""


@pytest.fixture
def run(pytester: pytest.Pytester, write_suite: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the cases under pytest; unlike `suite`, without a default worker."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")

    def run(*arguments: str, cases: str = CASES, **files: str) -> pytest.RunResult:
        write_suite(pytester.path, cases, **files)
        return pytester.runpytest("-p", "xdist.plugin", "-p", "no:cacheprovider", "-v", *arguments)

    return run


@pytest.fixture
def listening() -> Iterator[str]:
    """Open a listening socket; return its host and port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def server_toml(name: str, *lines: str) -> str:
    return "\n".join([f'name = "{name}"', *lines, "[server]", f'package = "{CHECKOUT / "reference_server"}"'])


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (
            [ONE_FILE],
            ["test_of_a_worker?reference?", "test_of_a_server?reference-server?", "test_of_neither"],
        ),
        (["--worker", "one.js"], ["test_of_a_worker?one?", "test_of_neither"]),
        (["--server", "mine.toml"], ["test_of_a_server?mine?", "test_of_neither"]),
        (
            ["--worker", "one.js", "--server", "mine.toml", "--server", "reference-server"],
            [
                "test_of_a_worker?one?",
                "test_of_a_server?mine?",
                "test_of_a_server?reference-server?",
                "test_of_neither",
            ],
        ),
    ],
    ids=["neither", "a worker", "a server", "both"],
)
def test_cases_run_on_the_named_kinds_of_target(run: Run, arguments: list[str], names: list[str]) -> None:
    result = run(*arguments, mine=server_toml("mine"))
    result.assert_outcomes(passed=len(names), deselected=3 - len({name.split("?")[0] for name in names}))
    result.stdout.fnmatch_lines_random([f"*{name} PASSED*" for name in names])


def test_prefix_of_the_other_kind_is_refused(run: Run) -> None:
    result = run("--worker", "one.js", "--case", "server/ingest")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["ERROR: --case server/ingest: no case has this prefix; the families are flush, other"]
    )


def test_only_cases_limits_what_runs_on_a_server(run: Run) -> None:
    more = CASES + '@numbered("server/ingest/1/2")\ndef test_more(server_implementation): pass\n'
    narrow = server_toml("narrow", 'only_cases = ["server/ingest/1/2"]')
    result = run("--server", "narrow.toml", "--case", "server", cases=more, narrow=narrow)
    result.stdout.fnmatch_lines(["*test_more?narrow? PASSED*"])
    result.assert_outcomes(passed=1, deselected=3)


def test_known_deviation_of_a_server_that_no_longer_occurs_fails(run: Run) -> None:
    mine = server_toml("mine") + '\n[known_deviations]\n"server/ingest/1/1" = "long ago"\n'
    run("--server", "mine.toml", mine=mine).assert_outcomes(passed=1, failed=1, deselected=1)


def test_known_deviation_without_case_is_refused(run: Run) -> None:
    mine = server_toml("mine") + '\n[known_deviations]\n"server/ingest/9/9" = "gone"\n'
    result = run("--server", "mine.toml", mine=mine)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: known_deviations of mine: case server/ingest/9/9 does not exist;*"])


def test_server_that_does_not_listen_is_refused(run: Run, listening: str) -> None:
    assert run("--server", f"http://{listening}/app").ret == pytest.ExitCode.OK
    with socket.socket() as unused:  # Bound, so that no other process can take the port, and not listening.
        unused.bind(("127.0.0.1", 0))
        result = run("--server", f"http://127.0.0.1:{unused.getsockname()[1]}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --server: http://*: no server listens there (Connection refused);*"])


def test_server_named_twice_is_refused(run: Run) -> None:
    result = run("--server", "reference-server", "--server", "reference-server")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --server: two of them are named 'reference-server';*"])
