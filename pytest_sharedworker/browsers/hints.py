"""What to do about errors of Playwright that do not say it: a missing browser, or one that does not match."""

from __future__ import annotations

from pytest_sharedworker.browsers.discovery import find_browser
from pytest_sharedworker.errors import BrowserNotFoundError

FIREFOX_PLAYWRIGHT = "1.61.0"
"""The newest known version that drives Firefox ESR 153."""

_NO_EXECUTABLE = "Executable doesn't exist"
_UNKNOWN_COMMANDS = ("emulation.setMediaFeaturesOverride", "unknown command")


def find_hint(error: str, browser_name: str, *, uses_installed: bool) -> str | None:
    """Return what to do about an error of Playwright, None where nothing is known.

    `uses_installed`: the run has --installed-browser.
    """
    if _NO_EXECUTABLE in error and not uses_installed:
        try:
            executable = find_browser(browser_name).executable
        except BrowserNotFoundError as missing:
            return str(missing)
        return (
            f"This machine has {executable}: run pytest with --installed-browser, or add it to addopts in"
            " pytest's configuration. Playwright alone starts its own builds only"
        )
    if (
        browser_name == "firefox"
        and uses_installed
        and any(command in error for command in _UNKNOWN_COMMANDS)
    ):
        return (
            "This version of Playwright sends a command that the installed Firefox does not know: run"
            f" `pip install playwright=={FIREFOX_PLAYWRIGHT}`, or install a newer Firefox"
        )
    return None
