"""Crashes for real: a tab's renderer, and a whole browser without warning.

A crash of the tab that started a worker takes the worker along in Chromium, where both live in one
renderer process; the tabs that live on are not told.
"""

from __future__ import annotations

from contextlib import suppress

from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import Page

from pytest_sharedworker.errors import UnsupportedError

CRASH_TIMEOUT_SECONDS = 10.0
_CRASH_URL = "chrome://crash"


def crash(page: Page, *, timeout_seconds: float = CRASH_TIMEOUT_SECONDS) -> None:
    """Crash a tab's renderer; returns when it is gone. The page can only be closed afterwards.

    Raise UnsupportedError outside Chromium: Firefox ends no content process on demand.
    """
    browser = page.context.browser
    if browser is None or browser.browser_type.name != "chromium":
        raise UnsupportedError(
            "only Chromium crashes a tab's renderer on demand; end the worker or the browser"
        )
    with page.expect_event("crash", timeout=timeout_seconds * 1000):
        with suppress(PlaywrightError):  # The navigation is aborted: nobody is left to answer it.
            page.goto(_CRASH_URL, timeout=timeout_seconds * 1000)
