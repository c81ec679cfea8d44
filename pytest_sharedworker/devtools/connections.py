"""The DevTools bridges of one test: to every browser whose workers it follows, as long as that lives."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress

from playwright.sync_api import Browser
from playwright.sync_api import Error as PlaywrightError

from pytest_sharedworker.devtools.session import BrowserSession, WorkerDevToolsSession, WorkerTarget
from pytest_sharedworker.errors import WorkerClosedError

_POLL_SECONDS = 0.01


class DevToolsConnections:
    """Opened to each browser once it is needed; in a browser without DevTools there are none to open."""

    def __init__(
        self,
        browsers: Callable[[], Iterable[Browser]],
        *,
        prepare: Callable[[WorkerDevToolsSession], None] | None,
    ) -> None:
        """`browsers` gives those of the test; `prepare` acts on every worker before its first line."""
        self._browsers = browsers
        self._prepare = prepare
        self._bridges: dict[Browser, BrowserSession] = {}

    def open(self) -> list[BrowserSession]:
        """The bridges to the browsers that live; raise UnsupportedError outside Chromium."""
        for browser in self._browsers():
            if browser not in self._bridges and browser.is_connected():
                self._bridges[browser] = BrowserSession(browser)
                if self._prepare is not None:
                    self._bridges[browser].attach_at_start(self._prepare)
        return [bridge for browser, bridge in self._bridges.items() if browser.is_connected()]

    def targets(self) -> list[WorkerTarget]:
        """All SharedWorkers of the browsers, as DevTools list them; raise UnsupportedError outside Chromium."""
        targets = []
        for bridge in self.open():
            with suppress(PlaywrightError):  # The browser is just ending.
                targets += bridge.shared_workers()
        return targets

    def find(self, worker_id: str, url: str, name: str) -> WorkerTarget | None:
        """The DevTools target of a worker that the control channel knows by this id; None if it is gone."""
        for target in self.targets():
            if target.url == url and target.name == name:
                with suppress(WorkerClosedError):  # Another of this name may just be ending.
                    attached = target.cdp.attach(target)
                    found = attached.evaluate("self[Symbol.for('pytest-sharedworker')]") == worker_id
                    attached.detach()
                    if found:
                        return target
        return None

    def idle(self) -> None:
        """Let a moment pass in which Playwright's events come in."""
        for browser, bridge in self._bridges.items():
            with suppress(PlaywrightError):
                if browser.is_connected():
                    bridge.pump()
        time.sleep(_POLL_SECONDS)

    def forget(self, browser: Browser) -> None:
        """Let go of a browser that has ended."""
        self._bridges.pop(browser, None)

    def close(self) -> None:
        """Detach from everything. Idempotent."""
        for bridge in self._bridges.values():
            bridge.close()
        self._bridges.clear()
