"""The options that choose a browser, and what pytest-playwright is told by them.

Each test is a project of its own, that looks at the fixtures. No browser is started: the remote one has its
test with a real server, and the installed one with the example project.
"""

from __future__ import annotations

import ast
import os
from pathlib import Path

import pytest

from pytest_sharedworker.browsers.discovery import CHROMIUM_ARGUMENTS
from pytest_sharedworker.browsers.launch_options import CONNECT_TIMEOUT_MS

pytest_plugins = ["pytester"]

ENDPOINT = "ws://browsers.example:3000/"

SHOW = """
def test_show(browser_type_launch_args, connect_options):
    print("shown:", (browser_type_launch_args, connect_options))
"""


@pytest.fixture
def chromium(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The one that this machine has."""
    path = tmp_path / "a chromium"
    path.touch(0o755)
    monkeypatch.setenv("CHROMIUM", str(path))
    return path


def shown(pytester: pytest.Pytester, *options: str) -> tuple[dict[str, object], dict[str, object] | None]:
    """What the fixtures are worth in a run with these options."""
    pytester.makepyfile(test_show=SHOW)
    result = pytester.runpytest_subprocess("-s", "-p", "no:cacheprovider", *options, timeout=60)
    result.assert_outcomes(passed=1)
    (line,) = [line for line in result.outlines if "shown: " in line]
    launch_args, connect_options = ast.literal_eval(line.partition("shown: ")[2].rpartition(")")[0] + ")")
    return launch_args, connect_options


@pytest.mark.usefixtures("chromium")
def test_without_options_all_is_as_without_the_plugin(pytester: pytest.Pytester) -> None:
    assert shown(pytester) == ({}, None)


def test_installed_browser_is_started_from_its_path(pytester: pytest.Pytester, chromium: Path) -> None:
    launch_args, _ = shown(pytester, "--installed-browser", "--headed")
    assert launch_args["executable_path"] == str(chromium)
    assert launch_args["headless"] is False
    assert set(CHROMIUM_ARGUMENTS) <= set(launch_args["args"])  # type: ignore[call-overload]


def test_headed_run_does_not_start_the_headless_shell(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("CHROMIUM", raising=False)
    for command in ("chromium", "chromium-headless-shell"):
        (tmp_path / command).touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    headless, _ = shown(pytester, "--installed-browser")
    assert headless["executable_path"] == str(tmp_path / "chromium-headless-shell")
    headed, _ = shown(pytester, "--installed-browser", "--headed")
    assert headed["executable_path"] == str(tmp_path / "chromium")


@pytest.mark.usefixtures("chromium")
def test_channel_comes_before_the_installed_browser(pytester: pytest.Pytester) -> None:
    launch_args, _ = shown(pytester, "--installed-browser", "--browser-channel", "chrome-beta")
    assert launch_args["channel"] == "chrome-beta"
    assert "executable_path" not in launch_args


@pytest.mark.usefixtures("chromium")
def test_projects_own_fixture_comes_before_the_plugin(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        import pytest

        @pytest.fixture(scope="session")
        def browser_type_launch_args(browser_type_launch_args):
            return {**browser_type_launch_args, "executable_path": "mine"}
        """
    )
    launch_args, _ = shown(pytester, "--installed-browser")
    assert launch_args["executable_path"] == "mine"


def test_browser_that_is_not_there_fails_in_one_sentence(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path))
    pytester.makepyfile(test_show=SHOW)
    result = pytester.runpytest_subprocess("--installed-browser", "--browser", "webkit", timeout=60)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["No WebKit build of Playwright was found *playwright install --with-deps*"])
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*During handling*")


@pytest.mark.usefixtures("chromium")
def test_browser_elsewhere_is_not_looked_for_here(pytester: pytest.Pytester) -> None:
    launch_args, connect_options = shown(
        pytester, "--installed-browser", "--browser-ws-endpoint", ENDPOINT, "--slowmo", "5"
    )
    assert launch_args == {"slow_mo": 5}
    assert connect_options is not None
    (endpoint,) = [name for name in connect_options if name in ("endpoint", "ws_endpoint")]
    assert connect_options == {
        endpoint: ENDPOINT,
        "expose_network": "<loopback>",
        "slow_mo": 5,
        "timeout": CONNECT_TIMEOUT_MS,
    }
