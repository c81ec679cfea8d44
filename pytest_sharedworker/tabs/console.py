"""What tabs write to the console and do not catch, and when they open and close, for timelines."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Literal
from urllib.parse import urldefrag, urlsplit

from playwright.sync_api import BrowserContext, Frame, Page, WebError
from playwright.sync_api import ConsoleMessage as TabConsoleMessage
from playwright.sync_api import Error as PlaywrightError

from pytest_sharedworker.terminal_text import escape_text

MAX_MESSAGES = 1_000
"""How many messages are kept; of more, the last ones."""


@dataclass(frozen=True)
class TabMessage:
    """A console message, an uncaught error, or the begin or end of a tab: when (aware, UTC), as text."""

    at: datetime
    text: str
    tab: str = "tabs"
    """The tab's title for people, such as `tab 1`."""
    kind: Literal["console", "error", "life"] = "console"


class TabConsole:
    """The messages and errors of all tabs in the contexts of a test."""

    def __init__(self) -> None:
        self._contexts: list[BrowserContext] = []
        self._messages: deque[TabMessage] = deque(maxlen=MAX_MESSAGES)
        self._count = 0
        self._tabs: dict[Page, str] = {}
        self._urls: dict[str, str] = {}
        self._tab_numbers = itertools.count(1)

    @property
    def messages(self) -> Sequence[TabMessage]:
        """What tabs wrote and threw, as far as Playwright has reported it, in chronological order."""
        written = [message for message in list(self._messages) if message.kind != "life"]
        return sorted(written, key=lambda message: message.at)

    @property
    def tabs(self) -> dict[Page, str]:
        """The tabs that are open, and their titles, oldest first."""
        return dict(self._tabs)

    def read_since(self, count: int) -> tuple[list[TabMessage], int]:
        """Return what is newer than the first `count` messages, and how many there are now.

        Openings and closings of tabs count. Safe to use from any thread.
        """
        now = self._count
        kept = list(self._messages)
        return kept[max(0, len(kept) - (now - count)) :] if now > count else [], now

    def find_tab(self, url: str) -> str | None:
        """Return the title of the one open tab that shows this URL; None for none, or several.

        A tab that shows nothing yet is about to show the URL that no tab shows.
        """
        urls = dict(self._urls)
        found = [tab for tab, shown in urls.items() if shown == url]
        found = found or [tab for tab in list(self._tabs.values()) if tab not in urls]
        return found[0] if len(found) == 1 else None

    def follow(self, context: BrowserContext) -> None:
        """Keep what the tabs of a context write and throw from now on. Idempotent."""
        if not any(each is context for each in self._contexts):
            self._contexts.append(context)
            context.on("console", self._add_console_message)
            context.on("weberror", self._add_error)
            context.on("page", self._add_tab)
            for page in context.pages:
                self._add_tab(page)

    def _add_tab(self, page: Page) -> None:
        title = f"tab {next(self._tab_numbers)}"
        self._tabs[page] = title
        self._append(f"{title} opens", title, "life")

        def note_url(frame: Frame) -> None:
            if frame == page.main_frame:
                self._urls[title] = urldefrag(frame.url).url

        def note_close(_: Page) -> None:
            self._tabs.pop(page, None)
            self._urls.pop(title, None)
            self._append(f"{title} closes", title, "life")

        page.on("framenavigated", note_url)
        page.on("close", note_close)
        page.on("crash", lambda _: self._append(f"{title} crashes", title, "life"))

    def _append(
        self, text: str, tab: str, kind: Literal["console", "error", "life"], at: datetime | None = None
    ) -> None:
        self._messages.append(TabMessage(at or datetime.now(timezone.utc), escape_text(text), tab, kind))
        self._count += 1

    def _add_console_message(self, message: TabConsoleMessage) -> None:
        timestamp: float | None = getattr(message, "timestamp", None)  # Since Playwright 1.59.
        now = datetime.now(timezone.utc)
        at = datetime.fromtimestamp(timestamp / 1000, timezone.utc) if timestamp else now
        self._add(message.page, at, "console", f"console {message.type}: {message.text}")

    def _add_error(self, error: WebError) -> None:
        thrown = error.error
        text = str(thrown)
        if isinstance(thrown, PlaywrightError):
            stack = thrown.stack or ""
            text = stack if thrown.message in stack else f"{thrown.name}: {thrown.message}"
        self._add(error.page, datetime.now(timezone.utc), "error", f"uncaught {text}")

    def _add(self, page: Page | None, at: datetime, kind: Literal["console", "error"], text: str) -> None:
        path = ""
        with suppress(PlaywrightError):
            path = urlsplit(page.url).path if page is not None else ""
        title = self._tabs.get(page, "tabs") if page is not None else "tabs"
        self._append(f"tab {path} {text}", title, kind, at)
