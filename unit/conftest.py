"""Unit tests use no browser."""

from __future__ import annotations

from pathlib import Path

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse a unit test with an argument that is a fixture of pytest-playwright, such as `page`.

    It would start a browser, and pytest would sort the tests of e2e before other unit tests; those that use
    asyncio fail after them, because Playwright's loop runs in the same thread.
    """
    folder = Path(__file__).parent
    for item in items:
        # A parametrized argument hides the fixture, to which pytest-playwright has added the browser.
        parameters = item.callspec.params if hasattr(item, "callspec") else ()
        names = {*getattr(item, "fixturenames", ()), *parameters}
        if item.path.is_relative_to(folder) and "browser_name" in names:
            raise pytest.UsageError(f"{item.nodeid} uses a fixture of the browser: rename its argument")
