"""Read from the tabs which SharedWorkers they use; `injected/tab.js` is the other end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from playwright.sync_api import Browser, BrowserContext, Frame
from playwright.sync_api import Error as PlaywrightError

_SEND_MARKS = """async (mark) => {
    const tab = window[Symbol.for("pytest-sharedworker")];
    if (!tab) return null;
    const ports = tab.ports();
    await tab.mark(ports, mark);
    return { id: tab.id, ports, clock: tab.clock() };
}"""
_READ_PORTS = """() => {
    const tab = window[Symbol.for("pytest-sharedworker")];
    return tab ? tab.expected() : [];
}"""
_READ_ERRORS = "() => window[Symbol.for('pytest-sharedworker')]?.errors ?? []"


@dataclass(frozen=True)
class MarkedTab:
    """A document that has just marked its ports.

    `clock` holds `nowMs` and `nextDueMs` where its timers are virtual.
    """

    id: str
    ports: list[str]
    clock: dict[str, float | None] | None


@dataclass(frozen=True)
class WorkerPort:
    """A tab's port to a worker, with the worker's script and name."""

    frame: Frame
    url: str
    name: str

    @property
    def context(self) -> BrowserContext:
        """The browser context of the tab and the worker."""
        return self.frame.page.context

    @property
    def label(self) -> str:
        """A short description for messages, with the name or else the script."""
        return f"worker {self.name or self.url!r}"


class Tabs:
    """All documents, frames too, in the contexts that a test follows."""

    def __init__(self) -> None:
        self._contexts: list[BrowserContext] = []

    def add(self, context: BrowserContext) -> None:
        """Follow the documents of a context from now on."""
        self._contexts.append(context)

    def forget(self, context: BrowserContext) -> None:
        """Stop following a context that was closed, or whose browser was."""
        self._contexts = [each for each in self._contexts if each is not context]

    def get_browsers(self) -> list[Browser]:
        """Return the browsers of the contexts."""
        return [context.browser for context in self._contexts if context.browser is not None]

    def mark(self, mark: int) -> list[MarkedTab]:
        """Send a mark on every port to a worker, behind all that was posted there."""
        tabs = []
        for frame in self._frames():
            with suppress(PlaywrightError):  # A frame that is just being closed.
                if state := frame.evaluate(_SEND_MARKS, mark):
                    tabs.append(MarkedTab(**state))
        return tabs

    def get_ports(self) -> dict[str, WorkerPort]:
        """Return the ports to workers that did not fail to start; those of one tab in their order."""
        ports: dict[str, WorkerPort] = {}
        for frame in self._frames():
            with suppress(PlaywrightError):
                for port, (url, name) in frame.evaluate(_READ_PORTS):
                    ports[port] = WorkerPort(frame, url, name)
        return ports

    def get_failed_scripts(self, matches: Callable[[str, str], bool]) -> list[str]:
        """Return the URLs of workers that could not be started and whose URL and name match."""
        failed: list[str] = []
        for frame in self._frames():
            with suppress(PlaywrightError):
                failed += [
                    error["url"]
                    for error in frame.evaluate(_READ_ERRORS)
                    if matches(error["url"], error["name"])
                ]
        return list(dict.fromkeys(failed))

    def flush_posted_messages(self) -> None:
        """Evaluate an expression in every document: it returns after the messages posted before have left."""
        for frame in self._frames():
            with suppress(PlaywrightError):
                frame.evaluate("0")

    def _frames(self) -> Iterator[Frame]:
        for context in self._contexts:
            for page in context.pages:
                yield from page.frames
