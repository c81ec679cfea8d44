"""What to do about errors of Playwright that do not say it.

A missing browser, one that does not match, or a path in a context without a base URL.
"""

from __future__ import annotations

import re

from pytest_sharedworker.browsers.discovery import find_browser
from pytest_sharedworker.errors import BrowserNotFoundError

FIREFOX_PLAYWRIGHT = "1.61.0"
"""The newest known version that drives Firefox ESR 153."""

_NO_EXECUTABLE = "Executable doesn't exist"
_RELATIVE_TARGET = re.compile(r'navigating to "(?:/[^"]*|[^":]*)"')
"""In the log of `page.goto`, which has the whole URL where the context has a base URL."""
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
    if _RELATIVE_TARGET.search(error):
        return (
            "The context of this page has no base URL. Those of `page`, `context` and `new_context()` have"
            " that of `gateway` where the test or one of its fixtures names it as an argument; for another"
            " one call browser.new_context(base_url=gateway.url)"
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
