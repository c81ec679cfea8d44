"""Crash a tab's renderer for real.

In Chromium a worker runs in the renderer process of the tab that started it: the crash of that tab ends the
worker too, and the tabs that survive are not notified.
"""

from __future__ import annotations

from contextlib import suppress

from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import Page

from pytest_sharedworker.browsers.capabilities import get_capabilities
from pytest_sharedworker.errors import UnsupportedError

DEFAULT_TIMEOUT = 10_000.0
_CRASH_URL = "chrome://crash"


def crash(page: Page, *, timeout: float = DEFAULT_TIMEOUT) -> None:
    """Crash a tab's renderer and wait until it is gone. Afterwards the page can only be closed.

    Raise UnsupportedError outside Chromium, and Playwright's TimeoutError after `timeout` ms.
    """
    browser = page.context.browser
    if browser is None or not get_capabilities(browser.browser_type.name).can_crash_pages:
        raise UnsupportedError(
            "only Chromium crashes a tab's renderer on demand; end the worker or the browser instead"
        )
    with page.expect_event("crash", timeout=timeout):
        with suppress(PlaywrightError):  # The crash aborts the navigation.
            page.goto(_CRASH_URL, timeout=timeout)
