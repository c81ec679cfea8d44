"""All that speaks the Chrome DevTools Protocol; everything else is browser-neutral.

Playwright does not attach to SharedWorkers and drops messages of sessions that it does not know, so
`Target.attachToTarget {flatten: true}` leads nowhere. The nested form (flatten: false) works over the
browser's own session: messages go out in `Target.sendMessageToTarget` and come back in the event
`Target.receivedMessageFromTarget`. That form is deprecated upstream (crbug.com/991325).
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import Any

from playwright.sync_api import Browser, CDPSession
from playwright.sync_api import Error as PlaywrightError

from pytest_sharedworker.control.messages import ConsoleMessage, WorkerError
from pytest_sharedworker.control.values import parse_value, serialize_argument
from pytest_sharedworker.errors import EvaluationError, UnsupportedError, WaitTimeoutError, WorkerClosedError
from pytest_sharedworker.injected.prologue import evaluate_script

REPLY_TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True)
class WorkerTarget:
    """A SharedWorker as the browser lists it."""

    id: str
    url: str
    name: str
    context_id: str
    cdp: BrowserSession = field(compare=False, repr=False)


@dataclass(frozen=True)
class CountedScript:
    """A script that ran: its source as V8 has it, and the functions as `Profiler.FunctionCoverage`."""

    url: str
    source: str
    functions: list[dict[str, Any]]


class BrowserSession:
    """The browser's own DevTools session. Raise UnsupportedError where the browser is not Chromium."""

    def __init__(self, browser: Browser) -> None:
        if browser.browser_type.name != "chromium":
            raise UnsupportedError(
                f"{browser.browser_type.name} has no DevTools protocol; use Chromium for this"
            )
        self._session: CDPSession = browser.new_browser_cdp_session()
        self._attached: dict[str, WorkerDevToolsSession] = {}
        self._session.on("Target.receivedMessageFromTarget", self._receive)
        self._session.on("Target.detachedFromTarget", self._detached)

    def shared_workers(self) -> list[WorkerTarget]:
        """All SharedWorkers of the browser, in any context."""
        targets = self._session.send("Target.getTargets", {"filter": [{}]})["targetInfos"]
        return [self._target(info) for info in targets if info["type"] == "shared_worker"]

    def attach_at_start(self, prepare: Callable[[WorkerDevToolsSession], None]) -> None:
        """From now on, open a session to every worker that starts, and call `prepare` with it.

        That happens as soon as the browser lists the worker, and it lists it while its script is still
        being fetched. The worker cannot answer yet, so `prepare` must not wait for an answer; it can where
        the headers of its script are there, and waits itself where the body is not (see `when_ready`).
        """

        def created(event: dict[str, Any]) -> None:
            if event["targetInfo"]["type"] == "shared_worker":
                with suppress(WorkerClosedError):
                    prepare(self._open(self._target(event["targetInfo"])))

        self._session.on("Target.targetCreated", created)
        only = [{"type": "shared_worker", "exclude": False}, {"exclude": True}]
        self._session.send("Target.setDiscoverTargets", {"discover": True, "filter": only})

    def attach(self, target: WorkerTarget) -> WorkerDevToolsSession:
        """Open a session to a worker, which tells console and errors. Raises WorkerClosedError."""
        attached = self._open(target)
        attached.call("Runtime.enable")
        return attached

    def _target(self, info: dict[str, Any]) -> WorkerTarget:
        context_id = info.get("browserContextId", "")
        return WorkerTarget(info["targetId"], info["url"], info["title"], context_id, self)

    def _open(self, target: WorkerTarget) -> WorkerDevToolsSession:
        try:
            answer = self._session.send("Target.attachToTarget", {"targetId": target.id, "flatten": False})
        except PlaywrightError as error:
            raise WorkerClosedError(
                f"the worker {target.name or target.url!r} has ended ({error})"
            ) from error
        attached = WorkerDevToolsSession(self, answer["sessionId"], target)
        self._attached[answer["sessionId"]] = attached
        return attached

    def terminate(self, target: WorkerTarget) -> None:
        """End a worker at once, without a word to it or its tabs."""
        self._session.send("Target.closeTarget", {"targetId": target.id})

    def post(self, session_id: str, message: dict[str, Any]) -> None:
        """Send one message into an attached session."""
        self._session.send(
            "Target.sendMessageToTarget", {"sessionId": session_id, "message": json.dumps(message)}
        )

    def release(self, session_id: str) -> None:
        """End one attached session."""
        self._attached.pop(session_id, None)
        with suppress(PlaywrightError):  # The worker has ended, and its session with it.
            self._session.send("Target.detachFromTarget", {"sessionId": session_id})

    def pump(self) -> None:
        """Let events come in: the sync API hands them out only while it waits for an answer."""
        self._session.send("Browser.getVersion")

    def close(self) -> None:
        """Detach from everything. Idempotent."""
        try:
            self._session.detach()
        except PlaywrightError:
            pass  # The browser is gone already.

    def _receive(self, event: dict[str, Any]) -> None:
        if attached := self._attached.get(event["sessionId"]):
            attached.receive(json.loads(event["message"]))

    def _detached(self, event: dict[str, Any]) -> None:
        if attached := self._attached.pop(event["sessionId"], None):
            attached.gone = True


class WorkerDevToolsSession:
    """A DevTools session to one worker: evaluation, console (from its first line on) and errors."""

    def __init__(self, cdp: BrowserSession, session_id: str, target: WorkerTarget) -> None:
        self.target = target
        self.gone = False
        self.console: list[ConsoleMessage] = []
        self.errors: list[WorkerError] = []
        self._cdp = cdp
        self._session_id = session_id
        self._numbers = itertools.count(1)
        self._replies: dict[int, dict[str, Any]] = {}
        self._when_answered: dict[int, Callable[[], None]] = {}
        self._listeners: dict[str, Callable[[dict[str, Any]], None]] = {}

    def on(self, event: str, listener: Callable[[dict[str, Any]], None]) -> None:
        """Call `listener` with the parameters of each DevTools event of this name."""
        self._listeners[event] = listener

    def post(
        self,
        method: str,
        params: dict[str, Any] | None = None,
        *,
        when_answered: Callable[[], None] | None = None,
    ) -> int:
        """Send a DevTools call to the worker without waiting for its answer. Raises WorkerClosedError."""
        number = next(self._numbers)
        if when_answered is not None:  # The answer can come in while this is still being sent.
            self._when_answered[number] = when_answered
        try:
            self._cdp.post(self._session_id, {"id": number, "method": method, "params": params or {}})
        except PlaywrightError as error:
            name = self.target.name or self.target.url
            raise WorkerClosedError(
                f"the worker {name!r} has ended; {method} cannot reach it ({error})"
            ) from error
        return number

    def when_ready(self, act: Callable[[], None]) -> None:
        """Call `act` once the worker has done all that was posted to it so far. Raises WorkerClosedError."""
        self.post("Runtime.getIsolateId", when_answered=act)

    def call(
        self,
        method: str,
        params: dict[str, Any] | None = None,
        *,
        timeout_seconds: float = REPLY_TIMEOUT_SECONDS,
    ) -> dict[str, Any]:
        """Call a DevTools method in the worker and return its result.

        Raise EvaluationError, WorkerClosedError, WaitTimeoutError.
        """
        number = self.post(method, params)
        name = self.target.name or self.target.url
        deadline = time.monotonic() + timeout_seconds
        while number not in self._replies:
            if self.gone:
                raise WorkerClosedError(f"the worker {name!r} ended before it answered {method}")
            if time.monotonic() > deadline:
                raise WaitTimeoutError(
                    f"waited {timeout_seconds:g} s for the worker {name!r} to answer {method}"
                )
            self._cdp.pump()
        reply = self._replies.pop(number)
        if "error" in reply:
            raise EvaluationError(f"{method}: {reply['error'].get('message', reply['error'])}")
        result: dict[str, Any] = reply.get("result", {})
        return result

    def detach(self) -> None:
        """Let go of the worker."""
        self._cdp.release(self._session_id)

    def evaluate(self, expression: str, arg: Any = None) -> Any:
        """Evaluate an expression, a function with its argument, or statements; await promises."""
        argument = serialize_argument(arg)
        text = f"{evaluate_script()}({json.dumps(expression)}, {json.dumps(argument)})"
        answer = self.call(
            "Runtime.evaluate", {"expression": text, "awaitPromise": True, "returnByValue": True}
        )
        if details := answer.get("exceptionDetails"):
            error = _error_of(details)
            raise EvaluationError(error.message, error.stack)
        return parse_value(answer["result"]["value"])

    def parsed_scripts(self) -> set[str]:
        """The URLs of the scripts that run in the worker; one with a syntax error is not among them."""
        urls: set[str] = set()
        self.on("Debugger.scriptParsed", lambda event: urls.add(event["url"]))
        self.call("Debugger.enable")
        self.call("Debugger.disable")
        return urls

    def begin_coverage(self) -> None:
        """Count what the worker runs from now on; does not wait."""
        self.post("Profiler.enable")
        self.post("Profiler.startPreciseCoverage", {"callCount": True, "detailed": True})

    def take_coverage(self) -> list[CountedScript]:
        """What the worker has run since it was asked last; scripts of `evaluate` are left out."""
        scripts = self.call("Profiler.takePreciseCoverage")["result"]
        counted = []
        self.call("Debugger.enable")  # Sources are to be had only while it is on.
        for script in scripts:
            if script["url"]:
                source = self.call("Debugger.getScriptSource", {"scriptId": script["scriptId"]})
                counted.append(CountedScript(script["url"], source["scriptSource"], script["functions"]))
        self.call("Debugger.disable")
        return counted

    def heap_used(self) -> int:
        """Bytes of JavaScript objects that are left after garbage collection."""
        self.call("HeapProfiler.collectGarbage")
        return int(self.call("Runtime.getHeapUsage")["usedSize"])

    def receive(self, message: dict[str, Any]) -> None:
        """Take in one message of the worker's DevTools agent."""
        if act := self._when_answered.pop(message.get("id", 0), None):
            act()
        elif "id" in message:
            self._replies[message["id"]] = message
        elif message["method"] == "Runtime.consoleAPICalled":
            params = message["params"]
            level = {"warning": "warn"}.get(params["type"], params["type"])
            text = " ".join(_text(value) for value in params["args"])
            self.console.append(ConsoleMessage(level, text, _date(params["timestamp"])))
        elif message["method"] == "Runtime.exceptionThrown":
            params = message["params"]
            error = _error_of(params["exceptionDetails"])
            self.errors.append(replace(error, at=_date(params["timestamp"])))
        elif message["method"] == "Inspector.targetCrashed":
            # The session itself outlives its worker, and would go over to the next one of the same URL,
            # which would be held back before its first line, as if somebody wanted to debug it.
            self.gone = True
            self.detach()
        if listener := self._listeners.get(message.get("method", "")):
            listener(message["params"])


def _date(timestamp_ms: float) -> datetime:
    return datetime.fromtimestamp(timestamp_ms / 1000, timezone.utc)


def _text(value: dict[str, Any]) -> str:
    if "value" in value:
        return value["value"] if isinstance(value["value"], str) else json.dumps(value["value"])
    return str(value.get("description", value.get("unserializableValue", value.get("type"))))


def _error_of(details: dict[str, Any]) -> WorkerError:
    thrown = details.get("exception", {})
    if thrown.get("subtype") == "error":
        stack = str(thrown.get("description", ""))
    else:  # Anything can be thrown.
        stack = _text(thrown) if thrown else str(details.get("text", ""))
    return WorkerError(stack.splitlines()[0] if stack else "", stack)
