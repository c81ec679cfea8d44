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
import threading
import time
from collections.abc import Callable
from types import TracebackType

from multidict import CIMultiDict

from pytest_sharedworker.errors import GatewayError, WaitTimeoutError
from pytest_sharedworker.gateway.exchange import Exchange
from pytest_sharedworker.gateway.journal import DEFAULT_TIMEOUT_SECONDS
from pytest_sharedworker.gateway.patterns import Pattern
from pytest_sharedworker.gateway.route import (
    Abort,
    ClientDisconnectedError,
    Response,
    Route,
    RouteTransport,
    UpstreamRequest,
)
from pytest_sharedworker.integration.event_loop_thread import LoopThread

HANDLER_ERROR_STATUS = 500

Handler = Callable[[Route], object]
"""Gets the route; what it returns is awaited where it can be, and otherwise of no interest."""


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
        """Wait until `count` requests have come to this rule and return all. Raises WaitTimeoutError."""
        deadline = time.monotonic() + timeout_seconds
        with self._changed:
            while len(self._routes) < count and (left := deadline - time.monotonic()) > 0:
                self._changed.wait(left)
            if len(self._routes) < count:
                raise WaitTimeoutError(
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

    async def decide(
        self, exchange: Exchange, asked: UpstreamRequest, way: RouteTransport
    ) -> Response | Abort:
        """Ask the handlers, and the server where they leave it to it."""
        for rule in reversed(self.rules):
            if not rule.takes(exchange):
                continue
            route = Route(exchange, asked, way, self._loop_thread)
            rule.add(route)
            error = await self._run(rule.handler, route)
            if error is not None:
                return error
            if isinstance(route.decision, UpstreamRequest):
                asked = route.decision
                break
            if route.decision is not None:
                return route.decision
        return await way.ask(asked)

    async def _run(self, handler: Handler, route: Route) -> Response | None:
        try:
            result = handler(route)
            if inspect.isawaitable(result):
                await result
        except (asyncio.CancelledError, ClientDisconnectedError):
            raise
        except BaseException as error:  # pytest.fail() raises no Exception, and it has to fail the test too.
            self._errors.append(error)
            route.drop()
            route.exchange.route = f"handler raised {type(error).__name__}"
            text = f"pytest-sharedworker: the handler of this request raised {error!r}"
            headers = CIMultiDict({"Content-Type": "text/plain; charset=utf-8"})
            return Response(HANDLER_ERROR_STATUS, headers, text.encode("utf-8", "backslashreplace"))
        await route.finish()
        return None
