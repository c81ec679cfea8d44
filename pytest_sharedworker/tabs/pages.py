"""Read from the tabs which SharedWorkers they use; `injected/tab.js` is the other end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Frame
from playwright.sync_api import Error as PlaywrightError

from pytest_sharedworker.webkitgtk.context import WebKitGtkContext

_READ = """async () => {
    const tab = window[window.Symbol.for("pytest-sharedworker")];
    return tab ? { id: tab.id, clock: tab.clock(), ports: await tab.read() } : null;
}"""
_NO_URL = "http://127.0.0.1:1/"
"""A URL without cookies: Playwright asks the browser, and the answer is short."""
_INTRODUCE = "(ids) => window[window.Symbol.for('pytest-sharedworker')]?.introduce(ids)"
_READ_ERRORS = "() => window[window.Symbol.for('pytest-sharedworker')]?.errors ?? []"


@dataclass(frozen=True)
class TabPort:
    """A document's port to a worker of this script and name; `posted` counts the messages of the page."""

    id: str
    url: str
    name: str
    posted: int
    created_at: datetime
    """By the browser's clock (aware, UTC)."""
    is_closed: bool
    context: BrowserContext
    """The browser context of the tab and the worker."""

    @property
    def label(self) -> str:
        """A short description for messages, with the name or else the script."""
        return f"worker {self.name or self.url!r}"


@dataclass(frozen=True)
class TabState:
    """A document and its ports to workers that did not fail to start, in their order.

    `clock` holds `nowMs` and `nextDueMs` where its timers are virtual.
    """

    id: str
    ports: list[TabPort]
    clock: dict[str, float | None] | None
    frame: Frame = field(repr=False)

    def introduce(self, ports: list[str]) -> None:
        """Introduce ports to their workers, by their ids."""
        with suppress(PlaywrightError):  # A frame that is just being closed.
            self.frame.evaluate(_INTRODUCE, ports)


class Tabs:
    """All documents, frames too, in the contexts that a test follows."""

    def __init__(self) -> None:
        self._contexts: list[BrowserContext] = []
        self.contexts: dict[str, BrowserContext] = {}
        """The context of each port that was ever read."""

    def add(self, context: BrowserContext) -> None:
        """Follow the documents of a context from now on."""
        self._contexts.append(context)

    def forget(self, context: BrowserContext) -> None:
        """Stop following a context that was closed, or whose browser was."""
        self._contexts = [each for each in self._contexts if each is not context]

    def get_browsers(self) -> list[Browser]:
        """Return the browsers of the contexts."""
        return [context.browser for context in self._contexts if context.browser is not None]

    def list_document_scripts(self) -> list[str]:
        """Return the init scripts of contexts whose browser cannot run them, each once."""
        scripts: dict[str, None] = {}
        for context in self._contexts:
            if isinstance(context, WebKitGtkContext):
                scripts |= dict.fromkeys(context.document_scripts)
        return list(scripts)

    def list_urls(self) -> list[str]:
        """Return the URLs of the documents, in the order of their pages. Playwright knows them by itself."""
        urls: list[str] = []
        with suppress(PlaywrightError):  # WebKitGTK is asked, and may have ended.
            urls += [frame.url for frame in self._frames()]
        return urls

    def read(self) -> list[TabState]:
        """Return the documents, in the order of their pages."""
        tabs = []
        for frame in self._frames():
            with suppress(PlaywrightError):  # A frame that is just being closed.
                if state := frame.evaluate(_READ):
                    tabs.append(self._make_state(frame, state))
        return tabs

    def _make_state(self, frame: Frame, state: Mapping[str, Any]) -> TabState:
        context = frame.page.context
        ports = [
            TabPort(
                port["id"],
                port["url"],
                port["name"],
                port["postedCount"],
                datetime.fromtimestamp(port["createdMs"] / 1000, timezone.utc),
                port["isClosed"],
                context,
            )
            for port in state["ports"]
        ]
        self.contexts.update(dict.fromkeys((port.id for port in ports), context))
        return TabState(state["id"], ports, state["clock"], frame)

    def get_failed_workers(self, matches: Callable[[str, str], bool]) -> list[tuple[str, str]]:
        """Return URL and name of the workers that could not be started and whose URL and name match."""
        failed: list[tuple[str, str]] = []
        for frame in self._frames():
            with suppress(PlaywrightError):
                failed += [
                    (error["url"], error["name"])
                    for error in frame.evaluate(_READ_ERRORS)
                    if matches(error["url"], error["name"])
                ]
        return list(dict.fromkeys(failed))

    def flush_posted_messages(self) -> None:
        """Evaluate an expression in every document: it returns after the messages posted before have left."""
        for frame in self._frames():
            with suppress(PlaywrightError):
                frame.evaluate("0")

    def pump(self) -> None:
        """Let events of Playwright arrive: the sync API dispatches them only while it waits for a reply."""
        for context in self._contexts:
            if not isinstance(context, WebKitGtkContext):  # It has no events that arrive by themselves.
                with suppress(PlaywrightError):  # The context is just being closed.
                    context.cookies(_NO_URL)
                return

    def _frames(self) -> Iterator[Frame]:
        for context in self._contexts:
            for page in context.pages:
                yield from page.frames
