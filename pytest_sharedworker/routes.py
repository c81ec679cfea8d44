"""Routes: a test's own code decides what becomes of a request, of a tab or a worker, at the gateway.

`gateway.route(pattern, handler)` calls `handler(route)` for every request of the pattern, newest rule
first. The handler, plain or `async def`, runs in the gateway's thread and takes one decision:

| decision | what the browser gets |
|---|---|
| `route.fulfill(…)` | the handler's own answer; the server never sees the request |
| `route.continue_(…)` | the server's answer to the request, changed or not |
| `route.abort()` | a connection that is reset, or closed |
| none | what the next older rule decides, and in the end the server |

`answer = await route.fetch()` asks the server first. `route.hold()` keeps the request back until
`route.release()`; virtual time does not wait for it meanwhile. Toxics work on top of all this: those of
the upstream side before the handler sees the request, the others on the answer that it decides on.

A handler that raises gives the browser a 500 and makes the test fail with its exception.
"""

from __future__ import annotations

import asyncio
import inspect
import json as json_module
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, NamedTuple

from multidict import CIMultiDict

from .exceptions import GatewayError, WaitTimeout
from .journal import DEFAULT_TIMEOUT_SECONDS, Exchange, Pattern
from .loop_thread import LoopThread

HANDLER_ERROR_STATUS = 500


class Answer(NamedTuple):
    """What goes back to the browser: status, headers and the body's bytes."""

    status: int
    headers: CIMultiDict[str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text; bytes that are no UTF-8 show as replacement characters."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body as JSON; raises ValueError where it is none."""
        return json_module.loads(self.body)


@dataclass(frozen=True)
class Asked:
    """What is asked of the server."""

    method: str
    headers: CIMultiDict[str]
    body: bytes


@dataclass(frozen=True)
class Abort:
    """The decision to end the connection without an answer."""

    reset: bool


Handler = Callable[["Route"], object]
"""Gets the route; what it returns is awaited where it can be, and otherwise of no interest."""


@dataclass(frozen=True)
class Way:
    """What a route can do on the wire; the gateway fills it in for each request."""

    ask: Callable[[Asked], Awaitable[Answer]]
    hold: Callable[[Callable[[], bool]], Awaitable[None]]
    """Returns when the condition holds; ends the exchange where the browser gave up first."""
    release: Callable[[], None]
    """Lets virtual time wait for the request again and wakes `hold`."""


class Route:
    """One request on its way, as a handler sees it. `exchange` and `request` are the journal's entry."""

    def __init__(self, exchange: Exchange, asked: Asked, way: Way, loop_thread: LoopThread) -> None:
        self.exchange = exchange
        self.request = exchange
        self.decision: Answer | Asked | Abort | None = None
        self._asked = asked
        self._way = way
        self._loop_thread = loop_thread
        self._held: asyncio.Future[None] | None = None
        self._released = False

    def fulfill(
        self,
        *,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
        body: str | bytes | None = None,
        json: object = None,
        answer: Answer | None = None,
    ) -> None:
        """Answer the request here: with 200, no headers and an empty body, where nothing else is said.

        `answer` (of `fetch`) is what the other values change; `headers` replace those of the same name.
        Raises GatewayError for both a `body` and a `json`.
        """
        if body is not None and json is not None:
            raise GatewayError("give fulfill() a body or a json, not both")
        base = answer or Answer(200, CIMultiDict(), b"")
        whole = base.headers.copy()
        content = base.body
        if json is not None:
            content = json_module.dumps(json).encode()
            whole["Content-Type"] = "application/json"
        elif body is not None:
            content = body.encode() if isinstance(body, str) else body
            kind = "text/plain; charset=utf-8" if isinstance(body, str) else "application/octet-stream"
            whole.setdefault("Content-Type", kind)
        whole.update(headers or {})
        self._decide(Answer(base.status if status is None else status, whole, content), "fulfilled")

    def continue_(
        self,
        *,
        method: str | None = None,
        headers: Mapping[str, str | None] | None = None,
        body: str | bytes | None = None,
    ) -> None:
        """Send the request on to the server, changed where values are given.

        `headers` replace those of the same name, None takes one away. Older rules are not asked.
        """
        changed = any(value is not None for value in (method, headers, body))
        self._decide(self._changed(method, headers, body), "continued, changed" if changed else "continued")

    async def fetch(
        self,
        *,
        method: str | None = None,
        headers: Mapping[str, str | None] | None = None,
        body: str | bytes | None = None,
    ) -> Answer:
        """Ask the server and return its answer, uncompressed, for the handler to look at or to change.

        Takes changes as `continue_` does; needs an `async def` handler.
        """
        asked = self._changed(method, headers, body)
        asked.headers["Accept-Encoding"] = "identity"
        return await self._way.ask(asked)

    def abort(self, *, reset: bool = True) -> None:
        """Give no answer: reset the connection (TCP RST), or close it."""
        self._decide(Abort(reset), "aborted")

    def hold(self) -> asyncio.Future[None]:
        """Keep the request until `release`; the decision, also one made before, waits for it.

        An `async def` handler can await the release, and then decide. A second call changes nothing.
        """
        if self._held is None:
            self._note("held")
            self._held = asyncio.ensure_future(self._way.hold(lambda: self._released))
        return self._held

    def release(self) -> None:
        """Let a held request go on (from any thread). One that is not held is never held afterwards."""
        if self._loop_thread.is_current:
            self._release()
        else:
            self._loop_thread.run(self._release_in_loop())

    async def finish(self) -> None:
        """Wait until the request is not held (the gateway's business)."""
        if self._held is not None:
            await self._held

    def drop(self) -> None:
        """Stop holding, because the handler failed (the gateway's business)."""
        if self._held is not None:
            self._held.cancel()

    async def _release_in_loop(self) -> None:
        self._release()

    def _release(self) -> None:
        if not self._released:
            self._released = True
            self._way.release()

    def _changed(
        self, method: str | None, headers: Mapping[str, str | None] | None, body: str | bytes | None
    ) -> Asked:
        whole = self._asked.headers.copy()
        for name, value in (headers or {}).items():
            whole.popall(name, None)
            if value is not None:
                whole[name] = value
        content = self._asked.body if body is None else body
        return Asked(
            method or self._asked.method, whole, content.encode() if isinstance(content, str) else content
        )

    def _decide(self, decision: Answer | Asked | Abort, what: str) -> None:
        if self.decision is not None:
            raise GatewayError(
                f"the request {self.exchange.method} {self.exchange.path} has been decided on already"
                f" ({self.exchange.route}); a handler takes one decision"
            )
        self.decision = decision
        self._note(what)

    def _note(self, what: str) -> None:
        self.exchange.route = f"{self.exchange.route}, {what}" if self.exchange.route else what

    def __repr__(self) -> str:
        return f"<Route {self.exchange.method} {self.exchange.path} ({self.exchange.route or 'undecided'})>"


class RouteRule:
    """A pattern and its handler, until it is removed or used up; a context manager, like a toxic.

    `routes` are the requests that it has got, oldest first.
    """

    def __init__(
        self, pattern: str, handler: Handler, times: int | None, on_remove: Callable[[RouteRule], None]
    ) -> None:
        if times is not None and times < 1:
            raise GatewayError(f"times has to be 1 or more, not {times!r}")
        self.pattern = Pattern.parse(pattern)
        self.text = pattern
        self.handler = handler
        self.times = times
        self._on_remove = on_remove
        self._routes: list[Route] = []
        self._changed = threading.Condition()

    @property
    def routes(self) -> list[Route]:
        """The requests that this rule has got so far."""
        with self._changed:
            return list(self._routes)

    def takes(self, exchange: Exchange) -> bool:
        """Whether this rule is for the request and not used up."""
        unused = self.times is None or len(self._routes) < self.times
        return unused and self.pattern.matches(exchange.method, exchange.path)

    def add(self, route: Route) -> None:
        """Count a request (the gateway's business)."""
        with self._changed:
            self._routes.append(route)
            self._changed.notify_all()

    def wait_for(self, count: int = 1, *, timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS) -> list[Route]:
        """Wait until `count` requests have come to this rule and return all. Raises WaitTimeout."""
        deadline = time.monotonic() + timeout_seconds
        with self._changed:
            while len(self._routes) < count and (left := deadline - time.monotonic()) > 0:
                self._changed.wait(left)
            if len(self._routes) < count:
                raise WaitTimeout(
                    f"waited {timeout_seconds:g} s for {count} requests at the route {self.text!r},"
                    f" saw {len(self._routes)}"
                )
            return list(self._routes)

    def release(self) -> None:
        """Let all requests go on that this rule's handler holds."""
        for route in self.routes:
            route.release()

    def remove(self) -> None:
        """End this rule. Requests that it holds stay held."""
        self._on_remove(self)

    def __enter__(self) -> RouteRule:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()


class Routes:
    """The rules of one gateway."""

    def __init__(self, loop_thread: LoopThread) -> None:
        self._loop_thread = loop_thread
        self._rules: list[RouteRule] = []
        self._errors: list[BaseException] = []

    def add(self, pattern: str, handler: Handler, times: int | None) -> RouteRule:
        """Add a rule, which comes before all others. Raises SharedWorkerError for what is no pattern."""
        rule = RouteRule(pattern, handler, times, self._remove)
        self._rules.append(rule)
        return rule

    @property
    def rules(self) -> list[RouteRule]:
        """Those in force, oldest first."""
        return list(self._rules)

    def remove(self, pattern: str, handler: Handler | None) -> None:
        """Remove the rules of this pattern, and this handler where one is given."""
        for rule in self.rules:
            if rule.text == pattern and handler in (None, rule.handler):
                self._remove(rule)

    def _remove(self, rule: RouteRule) -> None:
        if rule in self._rules:
            self._rules.remove(rule)

    def raise_error(self) -> None:
        """Raise what a handler raised first, once; nothing where all went well."""
        errors, self._errors = self._errors, []
        if errors:
            raise errors[0]

    async def decide(self, exchange: Exchange, asked: Asked, way: Way) -> Answer | Abort:
        """Ask the handlers, and the server where they leave it to it."""
        for rule in reversed(self.rules):
            if not rule.takes(exchange):
                continue
            route = Route(exchange, asked, way, self._loop_thread)
            rule.add(route)
            error = await self._run(rule.handler, route)
            if error is not None:
                return error
            if isinstance(route.decision, Asked):
                asked = route.decision
                break
            if route.decision is not None:
                return route.decision
        return await way.ask(asked)

    async def _run(self, handler: Handler, route: Route) -> Answer | None:
        try:
            result = handler(route)
            if inspect.isawaitable(result):
                await result
        except (asyncio.CancelledError, BrowserGaveUp):
            raise
        except BaseException as error:  # pytest.fail() raises no Exception, and it has to fail the test too.
            self._errors.append(error)
            route.drop()
            route.exchange.route = f"handler raised {type(error).__name__}"
            text = f"pytest-sharedworker: the handler of this request raised {error!r}"
            headers = CIMultiDict({"Content-Type": "text/plain; charset=utf-8"})
            return Answer(HANDLER_ERROR_STATUS, headers, text.encode("utf-8", "backslashreplace"))
        await route.finish()
        return None


class BrowserGaveUp(Exception):
    """The worker that asked has ended, or has aborted its request, while the request was held."""
