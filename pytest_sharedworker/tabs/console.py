"""What tabs write to the console and do not catch, for the artifacts of a failed test."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, Page, WebError
from playwright.sync_api import ConsoleMessage as TabConsoleMessage
from playwright.sync_api import Error as PlaywrightError

from pytest_sharedworker.terminal_text import escape_text

MAX_MESSAGES = 1_000
"""How many messages are kept; of more, the last ones."""


@dataclass(frozen=True)
class TabMessage:
    """A console message or an uncaught error of a tab, when (aware, UTC), as text."""

    at: datetime
    text: str


class TabConsole:
    """The messages and errors of all tabs in the contexts of a test."""

    def __init__(self) -> None:
        self._contexts: list[BrowserContext] = []
        self._messages: deque[TabMessage] = deque(maxlen=MAX_MESSAGES)

    @property
    def messages(self) -> Sequence[TabMessage]:
        """What tabs wrote and threw, as far as Playwright has reported it, in chronological order."""
        return sorted(self._messages, key=lambda message: message.at)

    def follow(self, context: BrowserContext) -> None:
        """Keep what the tabs of a context write and throw from now on. Idempotent."""
        if not any(each is context for each in self._contexts):
            self._contexts.append(context)
            context.on("console", self._add_console_message)
            context.on("weberror", self._add_error)

    def _add_console_message(self, message: TabConsoleMessage) -> None:
        timestamp: float | None = getattr(message, "timestamp", None)  # Since Playwright 1.59.
        now = datetime.now(timezone.utc)
        at = datetime.fromtimestamp(timestamp / 1000, timezone.utc) if timestamp else now
        self._add(message.page, at, f"console {message.type}: {message.text}")

    def _add_error(self, error: WebError) -> None:
        thrown = error.error
        text = str(thrown)
        if isinstance(thrown, PlaywrightError):
            stack = thrown.stack or ""
            text = stack if thrown.message in stack else f"{thrown.name}: {thrown.message}"
        self._add(error.page, datetime.now(timezone.utc), f"uncaught {text}")

    def _add(self, page: Page | None, at: datetime, text: str) -> None:
        path = ""
        with suppress(PlaywrightError):
            path = urlsplit(page.url).path if page is not None else ""
        self._messages.append(TabMessage(at, escape_text(f"tab {path} {text}")))
