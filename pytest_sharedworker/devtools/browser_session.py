"""The DevTools session to a browser: list its SharedWorkers and open sessions to them.

Playwright does not attach to SharedWorkers and drops messages of sessions that it does not know, so
`Target.attachToTarget {flatten: true}` cannot be used. The nested form (flatten: false) works over the
browser's session: messages go out in `Target.sendMessageToTarget` and come back in the event
`Target.receivedMessageFromTarget`. That form is deprecated upstream (crbug.com/991325).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from playwright.sync_api import Browser, CDPSession
from playwright.sync_api import Error as PlaywrightError

from pytest_sharedworker.browsers.capabilities import get_capabilities
from pytest_sharedworker.devtools.target import WorkerTarget
from pytest_sharedworker.devtools.worker_session import WorkerDevToolsSession
from pytest_sharedworker.errors import UnsupportedError, WorkerClosedError


class BrowserSession:
    """The DevTools session to one browser. Raise UnsupportedError where the browser has no DevTools."""

    def __init__(self, browser: Browser) -> None:
        name = browser.browser_type.name
        if not get_capabilities(name).has_devtools:
            raise UnsupportedError(f"{name} has no DevTools protocol; use Chromium for this")
        self._session: CDPSession = browser.new_browser_cdp_session()
        self._worker_sessions: dict[str, WorkerDevToolsSession] = {}
        self._session.on("Target.receivedMessageFromTarget", self._on_message)
        self._session.on("Target.detachedFromTarget", self._on_detached)

    def list_workers(self) -> list[WorkerTarget]:
        """Return all SharedWorkers of the browser, in any context."""
        targets = self._session.send("Target.getTargets", {"filter": [{}]})["targetInfos"]
        return [self._make_target(info) for info in targets if info["type"] == "shared_worker"]

    def attach_at_start(self, prepare: Callable[[WorkerDevToolsSession], None]) -> None:
        """Open a session to every worker that starts from now on, and call `prepare` with it.

        The browser lists a worker while its script is still being fetched. The worker cannot reply before it
        has the headers of its script, so `prepare` must post without waiting for replies; see
        `WorkerDevToolsSession.call_when_ready`.
        """

        def on_created(event: dict[str, Any]) -> None:
            if event["targetInfo"]["type"] == "shared_worker":
                with suppress(WorkerClosedError):
                    prepare(self._open(self._make_target(event["targetInfo"])))

        self._session.on("Target.targetCreated", on_created)
        workers_only = [{"type": "shared_worker", "exclude": False}, {"exclude": True}]
        self._session.send("Target.setDiscoverTargets", {"discover": True, "filter": workers_only})

    def attach(self, target: WorkerTarget, *, replays: bool = False) -> WorkerDevToolsSession:
        """Open a session to a worker. Raise WorkerClosedError.

        With `replays` it collects the console and errors, those of the past first. A worker that writes much
        would keep any other session busy: its replies stand behind a thousand old lines and all new ones.
        """
        session = self._open(target)
        if replays:
            session.call("Runtime.enable")
        return session

    def terminate(self, target: WorkerTarget) -> None:
        """End a worker at once; neither it nor its tabs are notified."""
        self._session.send("Target.closeTarget", {"targetId": target.id})

    def post(self, session_id: str, message: dict[str, Any]) -> None:
        """Send one message into a worker's session."""
        self._session.send(
            "Target.sendMessageToTarget", {"sessionId": session_id, "message": json.dumps(message)}
        )

    def detach(self, session_id: str) -> None:
        """End one worker's session."""
        self._worker_sessions.pop(session_id, None)
        with suppress(PlaywrightError):  # The worker has ended, and its session with it.
            self._session.send("Target.detachFromTarget", {"sessionId": session_id})

    def pump(self) -> None:
        """Receive pending events: the sync API dispatches them only while it waits for a reply."""
        self._session.send("Browser.getVersion")

    def close(self) -> None:
        """Detach from everything. Idempotent."""
        with suppress(PlaywrightError):  # The browser has ended.
            self._session.detach()

    def _make_target(self, info: dict[str, Any]) -> WorkerTarget:
        context_id = info.get("browserContextId", "")
        return WorkerTarget(info["targetId"], info["url"], info["title"], context_id, self)

    def _open(self, target: WorkerTarget) -> WorkerDevToolsSession:
        try:
            reply = self._session.send("Target.attachToTarget", {"targetId": target.id, "flatten": False})
        except PlaywrightError as error:
            raise WorkerClosedError(
                f"the worker {target.name or target.url!r} has ended ({error})"
            ) from error
        session = WorkerDevToolsSession(reply["sessionId"], target)
        self._worker_sessions[reply["sessionId"]] = session
        return session

    def _on_message(self, event: dict[str, Any]) -> None:
        if session := self._worker_sessions.get(event["sessionId"]):
            session.receive(json.loads(event["message"]))

    def _on_detached(self, event: dict[str, Any]) -> None:
        if session := self._worker_sessions.pop(event["sessionId"], None):
            session.ended = True
