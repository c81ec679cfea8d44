"""What the tabs of a test's contexts tell of their SharedWorkers; `injected/tab.js` is their end of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase

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

    `clock` holds `now_ms` and `next_due_ms` where its timers are virtual.
    """

    id: str
    ports: list[str]
    clock: dict[str, float | None] | None


@dataclass(frozen=True)
class WorkerPort:
    """A tab's port to a worker, and script and name of that worker."""

    frame: Frame
    url: str
    name: str

    @property
    def context(self) -> BrowserContext:
        """The context of both."""
        return self.frame.page.context


class Tabs:
    """All documents, frames too, in the contexts that a test follows."""

    def __init__(self) -> None:
        self._contexts: list[BrowserContext] = []

    def add(self, context: BrowserContext) -> None:
        """Follow the documents of a context from now on."""
        self._contexts.append(context)

    def forget(self, context: BrowserContext) -> None:
        """Let go of a context that was closed, or whose browser was; nothing can be asked of it."""
        self._contexts = [each for each in self._contexts if each is not context]

    def browsers(self) -> list[Browser]:
        """The browsers of the contexts."""
        return [context.browser for context in self._contexts if context.browser is not None]

    def mark(self, mark: int) -> list[MarkedTab]:
        """Send a mark on every port to a worker, behind all that was posted there."""
        tabs = []
        for frame in self._frames():
            with suppress(PlaywrightError):  # A frame that is just being closed has nothing to say.
                if told := frame.evaluate(_SEND_MARKS, mark):
                    tabs.append(MarkedTab(**told))
        return tabs

    def ports(self) -> dict[str, WorkerPort]:
        """The ports to workers that did not fail to start; those of one tab in the order of their making."""
        ports: dict[str, WorkerPort] = {}
        for frame in self._frames():
            with suppress(PlaywrightError):
                for port, (url, name) in frame.evaluate(_READ_PORTS):
                    ports[port] = WorkerPort(frame, url, name)
        return ports

    def failed_scripts(self, url: str, name: str | None) -> list[str]:
        """The URLs of workers that could not be started, of those whose URL and name answer this."""
        failed: list[str] = []
        for frame in self._frames():
            with suppress(PlaywrightError):
                failed += [
                    error["url"]
                    for error in frame.evaluate(_READ_ERRORS)
                    if fnmatchcase(error["url"], url) and name in (None, error["name"])
                ]
        return list(dict.fromkeys(failed))

    def reach(self) -> None:
        """Ask every document something, so that what it did before has left it."""
        for frame in self._frames():
            with suppress(PlaywrightError):
                frame.evaluate("0")

    def _frames(self) -> Iterator[Frame]:
        for context in self._contexts:
            for page in context.pages:
                yield from page.frames
