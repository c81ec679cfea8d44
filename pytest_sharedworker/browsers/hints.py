"""What to do about errors of Playwright that do not say it.

A missing browser, one that does not match, or a path in a context without a base URL.
"""

from __future__ import annotations

import re
from importlib.metadata import version

from pytest_sharedworker.browsers.discovery import find_browser
from pytest_sharedworker.errors import BrowserNotFoundError

FIREFOX_PLAYWRIGHT = "1.61.0"
"""The newest known version that drives Firefox ESR 153."""

_NO_EXECUTABLE = "Executable doesn't exist"
_RELATIVE_TARGET = re.compile(r'navigating to "(?:/[^"]*|[^":]*)"')
"""In the log of `page.goto`, which has the whole URL where the context has a base URL."""
_UNKNOWN_COMMAND = re.compile(r"Protocol error \(([\w.]+)\): unknown command")


_UNREACHABLE_PROXY = re.compile(
    "ERR_PROXY_CONNECTION_FAILED|ERR_TUNNEL_CONNECTION_FAILED|ERR_ADDRESS_UNREACHABLE|ERR_CONNECTION_TIMED_OUT"
    "|NS_ERROR_PROXY_CONNECTION_REFUSED|NS_ERROR_UNKNOWN_PROXY_HOST|NS_ERROR_NET_TIMEOUT"
)
_UNTRUSTED = re.compile("ERR_TOO_MANY_RETRIES|ERR_CERT_|Failed to load 'https://")
"""What Chromium says of a certificate, the last of them in a SharedWorker."""


def find_remote_hint(error: str, browser_name: str, proxy_host: str) -> str | None:
    """Return what to do about an error with a browser of --browser-ws-endpoint, None where nothing is known.

    `proxy_host`: this machine's address, as that browser's proxy has it.
    """
    if _UNREACHABLE_PROXY.search(error):
        return (
            f"The browser's machine cannot use the gateway's proxy at {proxy_host}: give the name or address"
            " under which it reaches this machine by --gateway-proxy-host"
        )
    if browser_name == "chromium" and _UNTRUSTED.search(error):
        return (
            "The remote Chromium does not trust the gateway's certificates, which takes an argument that"
            " Playwright's server passes on only if it is started by `playwright run-server --unsafe`"
        )
    return None


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
    unknown = _UNKNOWN_COMMAND.search(error)
    if browser_name == "firefox" and uses_installed and unknown is not None:
        own = version("playwright")
        return (
            f"Playwright {own} sends the command {unknown[1]}, which the installed Firefox does not know: run"
            f" `pip install 'playwright<{own}'`, again where that does not fit either"
            f" ({FIREFOX_PLAYWRIGHT} fits Firefox ESR 153), or install a newer Firefox"
        )
    return None
