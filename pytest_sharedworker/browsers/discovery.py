"""Find a browser's executable, and choose the arguments that start it.

``python -m pytest_sharedworker.browsers.discovery [chromium|firefox|webkit]`` prints the executable's path.
This module imports only the standard library, so that it runs before the plugin's dependencies are installed.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from pytest_sharedworker.errors import BrowserNotFoundError

CHROMIUM_ARGUMENTS = (
    # On a closed network, background requests fail many times a second and slow the tests down.
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    # The gateway serves HTTP over TCP; test machines have no graphics card.
    "--disable-quic",
    "--disable-gpu",
)
"""The arguments with which Chromium always starts."""

WEBKITGTK_CHANNEL = "webkitgtk"
"""The channel of an installed WebKitGTK, which the plugin drives itself, by WebDriver (`webkitgtk/`)."""

PLAYWRIGHT_TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True)
class Browser:
    """A browser found on this machine.

    ``channel`` is the Playwright channel that drives its executable; ``None`` for Playwright's default.
    """

    name: str
    executable: Path
    channel: str | None = None


class LaunchArguments(TypedDict, total=False):
    """The keyword arguments of Playwright's ``launch`` that depend on the machine."""

    executable_path: str
    channel: str
    args: list[str]
    chromium_sandbox: bool


@dataclass(frozen=True)
class _Kind:
    """Where to look for one kind of browser, and how Playwright drives it."""

    title: str
    variable: str | None = None
    commands: tuple[str, ...] = ()
    headless_commands: tuple[str, ...] = ()
    headless_build: str | None = None
    macos_applications: tuple[str, ...] = ()
    debian_package: str | None = None
    installed_channel: str | None = None
    prefers_own_build: bool = False


_KINDS = {
    "chromium": _Kind(
        title="Chromium",
        variable="CHROMIUM",
        commands=("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"),
        # The same engine without tab strip, profile and window; a context takes a third of the time.
        headless_commands=("chromium-headless-shell",),
        headless_build="chromium_headless_shell",
        macos_applications=(
            "Chromium.app/Contents/MacOS/Chromium",
            "Google Chrome.app/Contents/MacOS/Google Chrome",
        ),
        debian_package="chromium chromium-headless-shell",
    ),
    "firefox": _Kind(
        title="Firefox",
        variable="FIREFOX",
        commands=("firefox-esr", "firefox"),
        macos_applications=("Firefox.app/Contents/MacOS/firefox",),
        debian_package="firefox-esr",
        # Only Playwright's patched build speaks Playwright's default protocol; others speak WebDriver BiDi.
        installed_channel="moz-firefox",
        prefers_own_build=True,
    ),
    "webkit": _Kind(
        title="WebKit",
        variable="WEBKIT",
        commands=("WebKitWebDriver",),
        debian_package="webkit2gtk-driver xvfb",
        installed_channel=WEBKITGTK_CHANNEL,
        prefers_own_build=True,
    ),
}


def find_browser(name: str, *, headless: bool = True) -> Browser:
    """Find the browser ``"chromium"``, ``"firefox"`` or ``"webkit"`` on this machine.

    Chromium: the executable in ``$CHROMIUM``, else an installed Chromium or Chrome, else Playwright's own
    build if it has been downloaded; where `headless` is set, either place's headless shell comes first: it is
    the same engine and more than twice as fast. Firefox: the executable in ``$FIREFOX``, else Playwright's
    own build, else an installed Firefox. WebKit: the executable in ``$WEBKIT``, else Playwright's own build,
    else the driver of an installed WebKitGTK.

    Raise BrowserNotFoundError if none is found, if the variable does not name an executable file, or if
    `name` is another name.
    """
    kind = _get_kind(name)
    if kind.variable is not None and (value := os.environ.get(kind.variable)):
        return _find_by_variable(name, kind, value)
    searches: list[Callable[[str, _Kind, bool], Browser | None]] = [_find_installed, _find_own_build]
    if kind.prefers_own_build:
        searches.reverse()
    for search in searches:
        if browser := search(name, kind, headless):
            return browser
    install = f"{shlex.quote(sys.executable)} -m playwright install --with-deps {name}"
    remedies = [f"Run `{install}`"]
    if kind.debian_package is not None:
        remedies.append(f"on Debian `apt-get install {kind.debian_package}`")
    if kind.variable is not None:
        remedies.append(f"set {kind.variable} to the path of an installed one")
    raise BrowserNotFoundError(f"No {kind.title} was found on this machine. {', or '.join(remedies)}.")


def get_launch_arguments(name: str, *, headless: bool = True, channel: str | None = None) -> LaunchArguments:
    """Return the keyword arguments for Playwright's ``launch`` that start the browser of `find_browser`.

    `headless` only selects the executable; pass it to Playwright too. With a `channel`, Playwright finds the
    browser itself. Raise BrowserNotFoundError as `find_browser` does.
    """
    arguments = LaunchArguments()
    if channel is not None:
        arguments["channel"] = channel
    else:
        browser = find_browser(name, headless=headless)
        if browser.channel is not None or name != "webkit":  # Playwright finds its own build itself.
            arguments["executable_path"] = str(browser.executable)
        if browser.channel is not None:
            arguments["channel"] = browser.channel
    if name == "chromium":
        arguments["args"] = list(CHROMIUM_ARGUMENTS)
        # Playwright's default is False. Chromium does not start with a sandbox as root.
        arguments["chromium_sandbox"] = not _is_root()
    return arguments


def main(argv: Sequence[str] | None = None) -> int:
    """Print the path of a browser's executable; the exit status is 1 if none is found."""
    parser = argparse.ArgumentParser(
        prog="python -m pytest_sharedworker.browsers.discovery", description=main.__doc__
    )
    parser.add_argument("name", nargs="?", choices=sorted(_KINDS), default="chromium")
    parser.add_argument("--headed", action="store_true", help="find a browser that can show windows")
    options = parser.parse_args(argv)
    try:
        print(find_browser(options.name, headless=not options.headed).executable)
    except BrowserNotFoundError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _get_kind(name: str) -> _Kind:
    try:
        return _KINDS[name]
    except KeyError:
        known = " or ".join(f"`--browser {known}`" for known in sorted(_KINDS))
        raise BrowserNotFoundError(f"The browser {name!r} is not supported. Run with {known}.") from None


def _find_by_variable(name: str, kind: _Kind, value: str) -> Browser:
    executable = Path(value).expanduser().absolute()
    if not _is_executable(executable):
        raise BrowserNotFoundError(
            f"{kind.variable} is set to {value!r}, which is not an executable file. Correct it, or run "
            f"`unset {kind.variable}` to search for {kind.title} on this machine."
        )
    is_own_build = any(re.fullmatch(rf"{name}-\d+", parent.name) for parent in executable.parents)
    return Browser(name, executable, None if is_own_build else kind.installed_channel)


def _find_installed(name: str, kind: _Kind, headless: bool) -> Browser | None:
    for command in (*(kind.headless_commands if headless else ()), *kind.commands):
        if path := shutil.which(command):
            return Browser(name, Path(path).absolute(), kind.installed_channel)
    for folder in (Path("/Applications"), Path("~/Applications").expanduser()):
        for application in kind.macos_applications:
            if _is_executable(folder / application):
                return Browser(name, folder / application, kind.installed_channel)
    return None


def _find_own_build(name: str, kind: _Kind, headless: bool) -> Browser | None:
    build = _get_own_build_path(name)
    if build is None:
        return None
    candidates = [*(_list_own_shells(name, kind, build) if headless else ()), build]
    return next((Browser(name, executable) for executable in candidates if _is_executable(executable)), None)


def _list_own_shells(name: str, kind: _Kind, build: Path) -> Iterator[Path]:
    """Yield Playwright's headless shells: in a folder beside the full build's, with the same number."""
    for folder in build.parents:
        if kind.headless_build and (number := re.fullmatch(rf"{name}(-\d+)", folder.name)):
            yield from folder.with_name(kind.headless_build + number[1]).glob("*/*headless*shell")


def _get_own_build_path(name: str) -> Path | None:
    """Return the path of Playwright's own build of the browser, which may not exist."""
    script = (
        "import sys\n"
        "from playwright.sync_api import sync_playwright\n"
        "with sync_playwright() as playwright:\n"
        "    print(getattr(playwright, sys.argv[1]).executable_path)\n"
    )
    # In another process: Playwright's synchronous API does not run inside an event loop.
    try:
        result = subprocess.run(
            [sys.executable, "-c", script, name],
            capture_output=True,
            text=True,
            timeout=PLAYWRIGHT_TIMEOUT_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return None
    return Path(result.stdout.strip()) if result.returncode == 0 else None


def _is_executable(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)


def _is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


if __name__ == "__main__":
    sys.exit(main())
