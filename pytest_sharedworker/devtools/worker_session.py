"""The DevTools session to one SharedWorker: evaluation, console, errors, coverage and heap."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any

from playwright.sync_api import Error as PlaywrightError

from pytest_sharedworker.control.messages import ConsoleMessage, WorkerError
from pytest_sharedworker.control.values import parse_value, serialize_argument
from pytest_sharedworker.devtools.target import WorkerTarget
from pytest_sharedworker.errors import EvaluationError, WaitTimeoutError, WorkerClosedError
from pytest_sharedworker.injected.prologue import evaluate_script

REPLY_TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True)
class ScriptCoverage:
    """A script that ran: its source as V8 has it, and the functions as `Profiler.FunctionCoverage`."""

    url: str
    source: str
    functions: list[dict[str, Any]]


class WorkerDevToolsSession:
    """A DevTools session to one worker.

    While the domain Runtime is enabled, console and errors are complete from the worker's first line on.
    """

    def __init__(self, session_id: str, target: WorkerTarget) -> None:
        self.target = target
        self.ended = False
        self.console: list[ConsoleMessage] = []
        self.errors: list[WorkerError] = []
        self._browser = target.browser
        self._session_id = session_id
        self._numbers = itertools.count(1)
        self._replies: dict[int, dict[str, Any]] = {}
        self._reply_callbacks: dict[int, Callable[[], None]] = {}
        self._listeners: dict[str, Callable[[dict[str, Any]], None]] = {}

    def on(self, event: str, listener: Callable[[dict[str, Any]], None]) -> None:
        """Call `listener` with the parameters of each DevTools event of this name."""
        self._listeners[event] = listener

    def post(
        self,
        method: str,
        params: dict[str, Any] | None = None,
        *,
        on_reply: Callable[[], None] | None = None,
    ) -> int:
        """Send a DevTools call to the worker without waiting for the reply. Raise WorkerClosedError."""
        number = next(self._numbers)
        if on_reply is not None:  # The reply can arrive while the call is still being sent.
            self._reply_callbacks[number] = on_reply
        try:
            self._browser.post(self._session_id, {"id": number, "method": method, "params": params or {}})
        except PlaywrightError as error:
            name = self.target.name or self.target.url
            raise WorkerClosedError(
                f"the worker {name!r} has ended; {method} cannot reach it ({error})"
            ) from error
        return number

    def call_when_ready(self, callback: Callable[[], None]) -> None:
        """Call `callback` once the worker has executed all calls posted so far. Raise WorkerClosedError."""
        self.post("Runtime.getIsolateId", on_reply=callback)

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
            if self.ended:
                raise WorkerClosedError(f"the worker {name!r} ended before it replied to {method}")
            if time.monotonic() > deadline:
                raise WaitTimeoutError(
                    f"waited {timeout_seconds:g} s for the worker {name!r} to reply to {method}"
                )
            self.pump()
        reply = self._replies.pop(number)
        if "error" in reply:
            raise EvaluationError(f"{method}: {reply['error'].get('message', reply['error'])}")
        result: dict[str, Any] = reply.get("result", {})
        return result

    def pump(self) -> None:
        """Receive pending events of the worker."""
        self._browser.pump()

    def detach(self) -> None:
        """End this session; the worker goes on."""
        self._browser.detach(self._session_id)

    def evaluate(
        self, expression: str, arg: Any = None, *, timeout: float = REPLY_TIMEOUT_SECONDS * 1000
    ) -> Any:
        """Evaluate an expression, a function with its argument, or statements; await promises."""
        argument = serialize_argument(arg)
        text = f"{evaluate_script()}({json.dumps(expression)}, {json.dumps(argument)})"
        params = {"expression": text, "awaitPromise": True, "returnByValue": True}
        reply = self.call("Runtime.evaluate", params, timeout_seconds=timeout / 1000)
        if details := reply.get("exceptionDetails"):
            error = _parse_error(details)
            raise EvaluationError(error.message, error.stack)
        return parse_value(reply["result"]["value"])

    def list_parsed_scripts(self) -> set[str]:
        """Return the URLs of the scripts that run in the worker; one with a syntax error is not included."""
        urls: set[str] = set()
        self.on("Debugger.scriptParsed", lambda event: urls.add(event["url"]))
        self.call("Debugger.enable")
        self.call("Debugger.disable")
        return urls

    def start_coverage(self) -> None:
        """Start to count what the worker runs; do not wait."""
        self.post("Profiler.enable")
        self.post("Profiler.startPreciseCoverage", {"callCount": True, "detailed": True})

    def collect_coverage(self) -> list[ScriptCoverage]:
        """Return what the worker has run since the last call; scripts of `evaluate` are left out."""
        scripts = self.call("Profiler.takePreciseCoverage")["result"]
        collected = []
        self.call("Debugger.enable")  # Sources are available only while it is enabled.
        for script in scripts:
            if script["url"]:
                source = self.call("Debugger.getScriptSource", {"scriptId": script["scriptId"]})
                collected.append(ScriptCoverage(script["url"], source["scriptSource"], script["functions"]))
        self.call("Debugger.disable")
        return collected

    def measure_heap(self) -> int:
        """Return the bytes of JavaScript objects that are left after garbage collection."""
        self.call("HeapProfiler.collectGarbage")
        return int(self.call("Runtime.getHeapUsage")["usedSize"])

    def receive(self, message: dict[str, Any]) -> None:
        """Handle one message of the worker's DevTools agent."""
        if callback := self._reply_callbacks.pop(message.get("id", 0), None):
            callback()
        elif "id" in message:
            self._replies[message["id"]] = message
        elif message["method"] == "Runtime.consoleAPICalled":
            params = message["params"]
            text = " ".join(_to_text(value) for value in params["args"])
            self.console.append(ConsoleMessage(params["type"], text, _to_date(params["timestamp"])))
        elif message["method"] == "Runtime.exceptionThrown":
            params = message["params"]
            error = _parse_error(params["exceptionDetails"])
            self.errors.append(replace(error, at=_to_date(params["timestamp"])))
        elif message["method"] == "Inspector.targetCrashed":
            # The session outlives its worker. Chromium would hand it to the next worker of the same URL and
            # hold that worker before its first line, as if for a debugger.
            self.ended = True
            self.detach()
        if listener := self._listeners.get(message.get("method", "")):
            listener(message["params"])


def _to_date(timestamp_ms: float) -> datetime:
    return datetime.fromtimestamp(timestamp_ms / 1000, timezone.utc)


def _to_text(value: dict[str, Any]) -> str:
    if "value" in value:
        return value["value"] if isinstance(value["value"], str) else json.dumps(value["value"])
    return str(value.get("description", value.get("unserializableValue", value.get("type"))))


def _parse_error(details: dict[str, Any]) -> WorkerError:
    thrown = details.get("exception", {})
    if thrown.get("subtype") == "error":
        stack = str(thrown.get("description", ""))
    else:  # JavaScript can throw any value.
        stack = _to_text(thrown) if thrown else str(details.get("text", ""))
    return WorkerError(stack.splitlines()[0] if stack else "", stack)
