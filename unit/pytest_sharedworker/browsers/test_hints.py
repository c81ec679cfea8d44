"""Hints for errors of Playwright about browsers."""

from __future__ import annotations

import os
from importlib.metadata import version
from pathlib import Path

import pytest

from pytest_sharedworker.browsers.hints import FIREFOX_PLAYWRIGHT, find_hint, find_remote_hint

pytest_plugins = ["pytester"]

NO_EXECUTABLE = "BrowserType.launch: Executable doesn't exist at ms-playwright/chromium-1/chrome"
UNKNOWN_COMMAND = (
    "Browser.new_context: Protocol error (emulation.setMediaFeaturesOverride): unknown command undefined"
)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Give the machine no browser of Playwright, and an empty folder of commands; return that."""
    commands = tmp_path / "bin"
    commands.mkdir()
    for variable in ("CHROMIUM", "FIREFOX", "WEBKIT"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PATH", str(commands))
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path / "none"))
    return commands


@pytest.mark.parametrize(("name", "command"), [("chromium", "chromium"), ("firefox", "firefox-esr")])
def test_installed_browser_is_named_with_the_option(machine: Path, name: str, command: str) -> None:
    (machine / command).touch(0o755)
    hint = find_hint(NO_EXECUTABLE, name, uses_installed=False)
    assert hint is not None
    assert str(machine / command) in hint
    assert "--installed-browser" in hint


def test_machine_without_a_browser_gets_the_command_that_installs_one(machine: Path) -> None:
    hint = find_hint(NO_EXECUTABLE, "webkit", uses_installed=False)
    assert hint is not None
    assert "-m playwright install --with-deps webkit" in hint


def test_firefox_that_lacks_a_command_gets_the_version_of_playwright() -> None:
    hint = find_hint(UNKNOWN_COMMAND, "firefox", uses_installed=True)
    assert hint is not None
    assert "emulation.setMediaFeaturesOverride" in hint
    assert f"pip install 'playwright<{version('playwright')}'" in hint
    assert f"{FIREFOX_PLAYWRIGHT} fits" in hint


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("chromium", "Page.goto: net::ERR_PROXY_CONNECTION_FAILED at https://app.example.test/"),
        ("firefox", "Page.goto: NS_ERROR_PROXY_CONNECTION_REFUSED"),
    ],
)
def test_remote_browser_that_reaches_no_proxy_gets_the_option(name: str, error: str) -> None:
    hint = find_remote_hint(error, name, "192.0.2.1")
    assert hint is not None
    assert "192.0.2.1" in hint
    assert "--gateway-proxy-host" in hint


@pytest.mark.parametrize(
    "error",
    [
        "Page.goto: net::ERR_CERT_AUTHORITY_INVALID at https://app.example.test/",
        "NetworkError: Failed to load 'https://app.example.test:40301/start'.",
    ],
)
def test_remote_chromium_without_trust_gets_the_servers_option(error: str) -> None:
    hint = find_remote_hint(error, "chromium", "192.0.2.1")
    assert hint is not None
    assert "playwright run-server --unsafe" in hint
    assert find_remote_hint(error, "firefox", "192.0.2.1") is None


@pytest.mark.parametrize("target", ["/", "/app/?a=b:c", "app.html", "./", ""])
@pytest.mark.parametrize(
    ("name", "reason"),
    [("chromium", "Cannot navigate to invalid URL"), ("firefox", 'Expected "url" to be a valid URL')],
)
def test_path_without_a_base_url_gets_the_ways_to_one(target: str, name: str, reason: str) -> None:
    log = f'navigating to "{target}", waiting until "load"'
    hint = find_hint(
        f"Page.goto: Protocol error: {reason}\nCall log:\n  - {log}\n", name, uses_installed=True
    )
    assert hint is not None
    assert "browser.new_context(base_url=gateway.url)" in hint


@pytest.mark.parametrize(
    ("error", "name", "uses_installed"),
    [
        ("Page.goto: net::ERR_CONNECTION_REFUSED", "chromium", False),
        ('Page.goto: net::ERR_ABORTED\n  - navigating to "http://a.example/", waiting', "chromium", True),
        ('Page.goto: net::ERR_ABORTED\n  - navigating to "about:blank", waiting', "firefox", False),
        (NO_EXECUTABLE, "chromium", True),
        (UNKNOWN_COMMAND, "chromium", True),
    ],
)
def test_other_errors_get_no_hint(error: str, name: str, uses_installed: bool) -> None:
    assert find_hint(error, name, uses_installed=uses_installed) is None


def test_plain_pytest_shows_the_hint(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    commands = tmp_path / "bin"
    commands.mkdir()
    for name in ("chromium", "chromium-headless-shell"):
        (commands / name).touch(0o755)
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.setenv("PATH", str(commands), prepend=os.pathsep)
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path / "none"))
    pytester.makepyfile("def test_page(page): pass")
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", timeout=60)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["*Executable doesn't exist*", f"This machine has {commands}/*: run pytest with --installed-browser*"]
    )
