"""The options that choose a browser, and the fixture values that they produce.

Each test runs a small project that prints the fixtures, without a browser. e2e/plugin tests a remote browser
with a real server, and an installed browser with the example project.
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
    """Return the path of the only Chromium of this machine."""
    path = tmp_path / "a chromium"
    path.touch(0o755)
    monkeypatch.setenv("CHROMIUM", str(path))
    return path


def read_fixtures(
    pytester: pytest.Pytester, *options: str
) -> tuple[dict[str, object], dict[str, object] | None]:
    """Return the values of both fixtures in a run with these options."""
    pytester.makepyfile(test_show=SHOW)
    result = pytester.runpytest_subprocess("-s", "-p", "no:cacheprovider", *options, timeout=60)
    result.assert_outcomes(passed=1)
    (line,) = [line for line in result.outlines if "shown: " in line]
    launch_args, connect_options = ast.literal_eval(line.partition("shown: ")[2].rpartition(")")[0] + ")")
    return launch_args, connect_options


@pytest.mark.usefixtures("chromium")
def test_fixtures_without_options_equal_pytest_playwrights(pytester: pytest.Pytester) -> None:
    assert read_fixtures(pytester) == ({}, None)


def test_installed_browser_is_launched_by_path(pytester: pytest.Pytester, chromium: Path) -> None:
    launch_args, _ = read_fixtures(pytester, "--installed-browser", "--headed")
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
    headless, _ = read_fixtures(pytester, "--installed-browser")
    assert headless["executable_path"] == str(tmp_path / "chromium-headless-shell")
    headed, _ = read_fixtures(pytester, "--installed-browser", "--headed")
    assert headed["executable_path"] == str(tmp_path / "chromium")


@pytest.mark.usefixtures("chromium")
def test_channel_precedes_the_installed_browser(pytester: pytest.Pytester) -> None:
    launch_args, _ = read_fixtures(pytester, "--installed-browser", "--browser-channel", "chrome-beta")
    assert launch_args["channel"] == "chrome-beta"
    assert "executable_path" not in launch_args


@pytest.mark.usefixtures("chromium")
def test_projects_fixture_overrides_the_plugin(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        import pytest

        @pytest.fixture(scope="session")
        def browser_type_launch_args(browser_type_launch_args):
            return {**browser_type_launch_args, "executable_path": "mine"}
        """
    )
    launch_args, _ = read_fixtures(pytester, "--installed-browser")
    assert launch_args["executable_path"] == "mine"


def test_missing_browser_fails_in_one_sentence(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))  # The machine may have WebKitGTK.
    monkeypatch.delenv("WEBKIT", raising=False)
    pytester.makepyfile(test_show=SHOW)
    result = pytester.runpytest_subprocess("--installed-browser", "--browser", "webkit", timeout=60)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["No WebKit was found *playwright install --with-deps*"])
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*During handling*")


@pytest.mark.usefixtures("chromium")
def test_remote_browser_is_not_searched_locally(pytester: pytest.Pytester) -> None:
    launch_args, connect_options = read_fixtures(
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
