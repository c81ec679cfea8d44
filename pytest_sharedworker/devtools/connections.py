"""The DevTools connections of one test: one for each browser that it follows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress

from playwright.sync_api import Browser, BrowserContext
from playwright.sync_api import Error as PlaywrightError

from pytest_sharedworker.devtools.browser_session import BrowserSession
from pytest_sharedworker.devtools.target import WorkerTarget
from pytest_sharedworker.devtools.worker_session import WorkerDevToolsSession
from pytest_sharedworker.errors import WorkerClosedError

_POLL_SECONDS = 0.01


class DevToolsConnections:
    """One connection for each browser, opened when it is first needed (Chromium)."""

    def __init__(
        self,
        browsers: Callable[[], Iterable[Browser]],
        *,
        prepare: Callable[[WorkerDevToolsSession], None] | None,
    ) -> None:
        """Connect to what `browsers` returns; call `prepare` for every worker before its first line."""
        self._browsers = browsers
        self._prepare = prepare
        self._sessions: dict[Browser, BrowserSession] = {}
        self._context_ids: dict[BrowserContext, str] = {}

    def open(self) -> list[BrowserSession]:
        """Return the connections to all running browsers. Raise UnsupportedError outside Chromium."""
        for browser in self._browsers():
            if browser not in self._sessions and browser.is_connected():
                self._sessions[browser] = BrowserSession(browser)
                if self._prepare is not None:
                    self._sessions[browser].attach_at_start(self._prepare)
        return [session for browser, session in self._sessions.items() if browser.is_connected()]

    def list_targets(self) -> list[WorkerTarget]:
        """Return the SharedWorkers of all browsers, as DevTools list them.

        Raise UnsupportedError outside Chromium.
        """
        targets = []
        for session in self.open():
            with suppress(PlaywrightError):  # The browser is closing.
                targets += session.list_workers()
        return targets

    def find(self, worker_id: str, urls: set[str], name: str) -> WorkerTarget | None:
        """Return the DevTools target of the worker with this control channel id; None if it has ended.

        DevTools list a worker under the URL that its tab gave, before redirects: `urls` holds all.
        """
        for target in self.list_targets():
            if target.url in urls and target.name == name:
                with suppress(WorkerClosedError):  # Another worker of this name may be ending.
                    session = self.attach(target)
                    found = session.evaluate("self[self.Symbol.for('pytest-sharedworker')]") == worker_id
                    session.detach()
                    if found:
                        return target
        return None

    def attach(self, target: WorkerTarget, *, replays: bool = False) -> WorkerDevToolsSession:
        """Open a session to a worker, which with `replays` collects console and errors.

        Raise WorkerClosedError.
        """
        return self._get_session(target).attach(target, replays=replays)

    def terminate(self, target: WorkerTarget) -> None:
        """End a worker at once; neither it nor its tabs are notified. Raise WorkerClosedError."""
        self._get_session(target).terminate(target)

    def _get_session(self, target: WorkerTarget) -> BrowserSession:
        for session in self.open():
            if session is target.browser:
                return session
        raise WorkerClosedError(f"the worker {target.name or target.url!r} has ended with its browser")

    def get_context_id(self, context: BrowserContext) -> str | None:
        """Return the id under which DevTools know a context; None if it has no page."""
        if context not in self._context_ids and context.pages:
            session = context.new_cdp_session(context.pages[0])
            info = session.send("Target.getTargetInfo")["targetInfo"]
            session.detach()
            self._context_ids[context] = info.get("browserContextId", "")
        return self._context_ids.get(context)

    def idle(self) -> None:
        """Wait a moment while Playwright's events arrive."""
        for browser, session in self._sessions.items():
            with suppress(PlaywrightError):
                if browser.is_connected():
                    session.pump()
        time.sleep(_POLL_SECONDS)

    def forget(self, browser: Browser) -> None:
        """Drop the connection to a browser that has ended."""
        self._sessions.pop(browser, None)

    def close(self) -> None:
        """Close all connections. Idempotent."""
        for session in self._sessions.values():
            session.close()
        self._sessions.clear()
