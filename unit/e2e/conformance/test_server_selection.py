"""Which servers `--server` names, and which cases run on them; with real runs of pytest, on made-up cases.

What the cases of servers do with a server is tried by running them.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from e2e.conformance.paths import CHECKOUT
from e2e.conformance.targets.server import load_server
from e2e.conformance.targets.toml_file import ImplementationError

pytest_plugins = ["pytester"]

Run = Callable[..., pytest.RunResult]

ONE_FILE = "test_made_up_cases.py"
"""Not the whole suite: the reference's known deviations need not be among its cases."""

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
    """Run the cases under pytest, with no worker but those that are asked for."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")

    def run(*arguments: str, cases: str = CASES, **files: str) -> pytest.RunResult:
        write_suite(pytester.path, cases, **files)
        return pytester.runpytest("-p", "xdist.plugin", "-p", "no:cacheprovider", "-v", *arguments)

    return run


@pytest.fixture
def listening() -> Iterator[str]:
    """The host and port of something that listens."""
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
def test_cases_run_on_the_kind_that_was_asked_for(run: Run, arguments: list[str], names: list[str]) -> None:
    result = run(*arguments, mine=server_toml("mine"))
    result.assert_outcomes(passed=len(names), deselected=3 - len({name.split("?")[0] for name in names}))
    result.stdout.fnmatch_lines_random([f"*{name} PASSED*" for name in names])


def test_a_prefix_of_the_other_kind_is_wrong_use(run: Run) -> None:
    result = run("--worker", "one.js", "--case", "server/ingest")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["ERROR: --case server/ingest: no case is called so; the families are flush, other"]
    )


def test_only_the_cases_that_a_server_names_run_on_it(run: Run) -> None:
    more = CASES + '@numbered("server/ingest/1/2")\ndef test_more(server_implementation): pass\n'
    narrow = server_toml("narrow", 'only_cases = ["server/ingest/1/2"]')
    result = run("--server", "narrow.toml", "--case", "server", cases=more, narrow=narrow)
    result.stdout.fnmatch_lines(["*test_more?narrow? PASSED*"])
    result.assert_outcomes(passed=1, deselected=3)


def test_a_known_deviation_of_a_server_that_holds_fails_the_run(run: Run) -> None:
    mine = server_toml("mine") + '\n[known_deviations]\n"server/ingest/1/1" = "long ago"\n'
    run("--server", "mine.toml", mine=mine).assert_outcomes(passed=1, failed=1, deselected=1)


def test_a_known_deviation_without_a_case_is_wrong_use(run: Run) -> None:
    mine = server_toml("mine") + '\n[known_deviations]\n"server/ingest/9/9" = "gone"\n'
    result = run("--server", "mine.toml", mine=mine)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: known_deviations of mine: there is no case server/ingest/9/9;*"])


def test_a_server_that_does_not_run_is_wrong_use(run: Run, listening: str) -> None:
    assert run("--server", f"http://{listening}/app").ret == pytest.ExitCode.OK
    with socket.socket() as unused:  # Bound and not listening: nobody else can take its port.
        unused.bind(("127.0.0.1", 0))
        result = run("--server", f"http://127.0.0.1:{unused.getsockname()[1]}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --server http://*: nobody listens there (Connection refused);*"])


def test_a_server_given_twice_is_wrong_use(run: Run) -> None:
    result = run("--server", "reference-server", "--server", "reference-server")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --server: two of them are named 'reference-server';*"])


@pytest.mark.parametrize("text", ["http://127.0.0.1:8080", "http://127.0.0.1:8080/app", "http://app.test/"])
def test_a_url_names_a_server_after_its_host(text: str) -> None:
    server = load_server(text)
    assert server.url is not None
    assert server.url.endswith("/")
    assert server.name == text.split("/")[2]
    assert server.package is None


@pytest.mark.parametrize(
    "spec",
    [
        "nobody",
        "absent.toml",
        "https://app.test/",
        "ftp://app.test/",
        "http://",
        "http://app.test:port/",
        "http://app.test:99999/",
        "http://app.test:0/",
        "http://app.test/?a=b",
        "http://app.test/#a",
        "http://user@app.test/",
        "http://app.test/\n",
    ],
)
def test_what_names_no_server_is_refused(spec: str) -> None:
    with pytest.raises(ImplementationError, match="expected"):
        load_server(spec)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], r"url: expected either a url or a package, and not both"),
        (['url = "http://app.test"', 'package = "."'], r"url: expected either a url or a package"),
        (['url = "app.test"'], r"url: expected an http URL"),
        (['package = "nowhere"'], r"package: expected the folder of a package"),
        (['url = "http://app.test"', "port = 1"], r"server\.port: is not known"),
    ],
)
def test_a_toml_that_describes_no_server_is_refused(tmp_path: Path, lines: list[str], message: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("\n".join(['name = "mine"', "[server]", *lines]), encoding="utf-8")
    with pytest.raises(ImplementationError, match=message):
        load_server(str(path))


def test_a_toml_may_name_another_endpoint(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('name = "mine"\n[server]\nurl = "http://a.test/b"\nendpoint = "/v1/events"\n', "utf-8")
    server = load_server(str(path))
    assert (server.url, server.endpoint) == ("http://a.test/b/", "v1/events")
