"""Finding a browser: the order of the places, error texts, launch arguments.

The executables are small files in the test's folders. The browser tests show that a real browser starts with
these arguments.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_sharedworker.browsers import discovery
from pytest_sharedworker.browsers.discovery import find_browser, get_launch_arguments, main
from pytest_sharedworker.errors import BrowserNotFoundError, SharedWorkerError


class Machine:
    """A machine without browsers, on which a test installs some."""

    def __init__(self, folder: Path) -> None:
        self.commands = folder / "bin"
        self.home = folder / "home"
        self.builds = folder / "builds"
        for each in (self.commands, self.home, self.builds):
            each.mkdir()

    def install(self, command: str) -> Path:
        return make_executable(self.commands / command)

    def install_application(self, path: str) -> Path:
        return make_executable(self.home / "Applications" / path)

    def download_own_build(self, name: str) -> Path:
        """Put a file where the installed Playwright keeps its own build of the browser."""
        script = (
            "from playwright.sync_api import sync_playwright\n"
            "with sync_playwright() as playwright:\n"
            f"    print(playwright.{name}.executable_path)\n"
        )
        result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        return make_executable(Path(result.stdout.strip()))

    def download_own_shell(self) -> Path:
        """Put a file where Playwright keeps the headless shell of its Chromium."""
        build = self.download_own_build("chromium")
        build.unlink()
        (folder,) = (parent for parent in build.parents if parent.name.startswith("chromium-"))
        number = folder.name.removeprefix("chromium-")
        return make_executable(
            self.builds / f"chromium_headless_shell-{number}" / "chrome-linux" / "headless_shell"
        )


def make_executable(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine(tmp_path)
    monkeypatch.setenv("PATH", str(machine.commands))
    monkeypatch.setenv("HOME", str(machine.home))
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(machine.builds))
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.delenv("FIREFOX", raising=False)
    monkeypatch.delenv("WEBKIT", raising=False)
    if Path("/Applications").exists():
        pytest.skip("the search also finds the applications of this machine")
    return machine


@pytest.mark.parametrize("command", ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"])
def test_installed_chromium_is_found_by_each_command_name(machine: Machine, command: str) -> None:
    path = machine.install(command)
    assert find_browser("chromium") == discovery.Browser("chromium", path, channel=None)


@pytest.mark.parametrize("command", ["firefox-esr", "firefox"])
def test_installed_firefox_uses_its_own_channel(machine: Machine, command: str) -> None:
    path = machine.install(command)
    assert find_browser("firefox") == discovery.Browser("firefox", path, channel="moz-firefox")


@pytest.mark.parametrize(
    ("name", "application"),
    [
        ("chromium", "Chromium.app/Contents/MacOS/Chromium"),
        ("chromium", "Google Chrome.app/Contents/MacOS/Google Chrome"),
        ("firefox", "Firefox.app/Contents/MacOS/firefox"),
    ],
)
def test_macos_application_is_found(machine: Machine, name: str, application: str) -> None:
    path = machine.install_application(application)
    assert find_browser(name).executable == path


def test_installed_chromium_precedes_playwrights_build(machine: Machine) -> None:
    own_build = machine.download_own_build("chromium")
    assert find_browser("chromium").executable == own_build
    installed = machine.install("chromium")
    assert find_browser("chromium").executable == installed


def test_headless_run_uses_the_installed_headless_shell(machine: Machine) -> None:
    shell, full = machine.install("chromium-headless-shell"), machine.install("chromium")
    assert find_browser("chromium").executable == shell
    assert find_browser("chromium", headless=False).executable == full


def test_headless_run_uses_playwrights_headless_shell(machine: Machine) -> None:
    shell = machine.download_own_shell()
    full = machine.download_own_build("chromium")
    assert find_browser("chromium").executable == shell
    assert find_browser("chromium", headless=False).executable == full


def test_installed_chromium_precedes_playwrights_headless_shell(machine: Machine) -> None:
    machine.download_own_shell()
    installed = machine.install("chromium")
    assert find_browser("chromium").executable == installed


def test_headed_run_ignores_headless_shells(machine: Machine) -> None:
    machine.install("chromium-headless-shell")
    machine.download_own_shell()
    with pytest.raises(BrowserNotFoundError):
        find_browser("chromium", headless=False)


def test_playwrights_firefox_precedes_an_installed_one(machine: Machine) -> None:
    installed = machine.install("firefox")
    assert find_browser("firefox").executable == installed
    own_build = machine.download_own_build("firefox")
    assert find_browser("firefox") == discovery.Browser("firefox", own_build, channel=None)


@pytest.mark.parametrize(("name", "variable"), [("chromium", "CHROMIUM"), ("firefox", "FIREFOX")])
def test_environment_variable_precedes_every_other_place(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, variable: str
) -> None:
    machine.install(name)
    chosen = make_executable(tmp_path / "elsewhere" / "a browser")
    monkeypatch.setenv(variable, str(chosen))
    assert find_browser(name).executable == chosen


def test_variable_with_playwrights_firefox_uses_default_channel(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FIREFOX", str(make_executable(tmp_path / "firefox-1234" / "firefox" / "firefox")))
    assert find_browser("firefox").channel is None
    monkeypatch.setenv("FIREFOX", str(make_executable(tmp_path / "firefox-nightly" / "firefox")))
    assert find_browser("firefox").channel == "moz-firefox"


def test_empty_variable_counts_as_unset(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    path = machine.install("chromium")
    monkeypatch.setenv("CHROMIUM", "")
    assert find_browser("chromium").executable == path


@pytest.mark.parametrize("wrong", ["missing", "a folder", "not executable"])
def test_variable_without_an_executable_is_an_error(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, wrong: str
) -> None:
    machine.install("chromium")
    path = tmp_path / wrong
    if wrong == "a folder":
        path.mkdir()
    elif wrong == "not executable":
        make_executable(path).chmod(0o644)
    monkeypatch.setenv("CHROMIUM", str(path))
    with pytest.raises(
        BrowserNotFoundError, match=r"CHROMIUM is set to .* not an executable file.*unset CHROMIUM"
    ):
        find_browser("chromium")


@pytest.mark.parametrize(
    ("name", "package"), [("chromium", "chromium chromium-headless-shell"), ("firefox", "firefox-esr")]
)
def test_error_names_the_commands_that_install_the_browser(machine: Machine, name: str, package: str) -> None:
    with pytest.raises(SharedWorkerError) as raised:
        find_browser(name)
    assert f"-m playwright install --with-deps {name}`" in str(raised.value)
    assert f"`apt-get install {package}`" in str(raised.value)


def test_unknown_browser_name_is_an_error_with_the_known_names() -> None:
    with pytest.raises(
        BrowserNotFoundError, match=r"'konqueror' is not supported.*chromium.*firefox.*webkit"
    ):
        get_launch_arguments("konqueror")


def test_webkit_is_playwrights_build_without_arguments(machine: Machine) -> None:
    own_build = machine.download_own_build("webkit")
    assert find_browser("webkit").executable == own_build
    assert get_launch_arguments("webkit") == {}


def test_installed_webkitgtk_is_used_without_playwrights_build(machine: Machine) -> None:
    driver = machine.install("WebKitWebDriver")
    assert get_launch_arguments("webkit") == {"executable_path": str(driver), "channel": "webkitgtk"}
    own_build = machine.download_own_build("webkit")
    assert find_browser("webkit") == discovery.Browser("webkit", own_build, channel=None)


def test_error_without_webkit_names_both_ways_to_one(machine: Machine) -> None:
    with pytest.raises(BrowserNotFoundError) as raised:
        get_launch_arguments("webkit")
    assert "-m playwright install --with-deps webkit`" in str(raised.value)
    assert "apt-get install webkit2gtk-driver xvfb" in str(raised.value)


@pytest.mark.parametrize("name", ["chromium", "firefox"])
def test_channel_replaces_the_executable_path(machine: Machine, name: str) -> None:
    machine.install(name)
    arguments = get_launch_arguments(name, channel="another")
    assert arguments["channel"] == "another"
    assert "executable_path" not in arguments
    assert ("args" in arguments) is (name == "chromium")


@pytest.mark.parametrize(("user_id", "has_sandbox"), [(0, False), (1000, True)])
def test_only_root_runs_without_sandbox(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, user_id: int, has_sandbox: bool
) -> None:
    path = machine.install("chromium")
    monkeypatch.setattr(os, "geteuid", lambda: user_id)
    arguments = get_launch_arguments("chromium")
    assert arguments["executable_path"] == str(path)
    assert "channel" not in arguments
    assert arguments["chromium_sandbox"] is has_sandbox
    assert "--disable-background-networking" in arguments["args"]


def test_system_without_user_ids_keeps_the_sandbox(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.install("chromium")
    monkeypatch.delattr(os, "geteuid")
    assert get_launch_arguments("chromium")["chromium_sandbox"]


def test_installed_firefox_gets_no_chromium_arguments(machine: Machine) -> None:
    path = machine.install("firefox-esr")
    assert get_launch_arguments("firefox") == {"executable_path": str(path), "channel": "moz-firefox"}


def test_command_prints_the_path(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    chromium, firefox = machine.install("chromium"), machine.install("firefox")
    shell = machine.install("chromium-headless-shell")
    assert main([]) == 0
    assert main(["chromium", "--headed"]) == 0
    assert main(["firefox"]) == 0
    assert capsys.readouterr().out.splitlines() == [str(shell), str(chromium), str(firefox)]


def test_command_fails_with_the_error_text(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["chromium"]) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("No Chromium was found on this machine.")


def test_command_runs_without_installed_packages(machine: Machine) -> None:
    path = machine.install("chromium")
    result = subprocess.run(
        # -S: without site-packages, so that an import of anything but the standard library fails.
        [sys.executable, "-S", "-m", "pytest_sharedworker.browsers.discovery"],
        cwd=Path(discovery.__file__).parents[2],
        capture_output=True,
        text=True,
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, f"{path}\n", "")
