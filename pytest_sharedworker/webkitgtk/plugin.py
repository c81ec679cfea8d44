"""The fixture that puts WebKitGTK in the place of Playwright's own WebKit."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import BrowserType

from pytest_sharedworker.browsers.discovery import WEBKITGTK_CHANNEL
from pytest_sharedworker.webkitgtk.browser import NAME, WebKitGtkBrowserType


@pytest.fixture(scope="session")
def browser_type(
    browser_type: BrowserType, browser_name: str, browser_type_launch_args: dict[str, Any]
) -> BrowserType:
    """Return Playwright's browser type, or WebKitGTK's where the launch arguments name its channel."""
    if browser_name == NAME and browser_type_launch_args.get("channel") == WEBKITGTK_CHANNEL:
        return WebKitGtkBrowserType()
    return browser_type
