"""Start Playwright outside of pytest, for commands that end in good order after Ctrl-C."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from playwright.sync_api import Playwright, sync_playwright


@contextmanager
def start_playwright() -> Iterator[Playwright]:
    """Start Playwright, its driver in another session than the terminal's: Ctrl-C would end it too early."""
    native = asyncio.create_subprocess_exec
    asyncio.create_subprocess_exec = functools.partial(native, start_new_session=True)
    try:
        starting = sync_playwright()
        playwright = starting.start()
    finally:
        asyncio.create_subprocess_exec = native
    try:
        yield playwright
    finally:
        with suppress(Exception):
            playwright.stop()
