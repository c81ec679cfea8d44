"""Routes: a test's own handlers decide on requests of tabs and workers.

`gateway.route(url, handler)` calls `handler(route)` or `handler(route, request)` for every request that
matches, the newest route first. A plain handler runs in a thread and may block, for example in
`route.fetch()`; an `async def` handler runs in the gateway's loop. A handler takes one decision:

| decision | what the browser gets |
|---|---|
| `route.fulfill(…)` | the handler's own response; the server never sees the request |
| `route.continue_(…)` | the server's response to the request, changed or not |
| `route.fallback(…)` | what the next older route decides, and in the end the server |
| `route.abort()` | a connection that is reset, or closed |
| none | nothing yet: the request is pending until a thread decides on the route; virtual time does not wait |

Toxics act around all of this: those of the upstream side before the handler sees the request, the others on
the response that it decides on. A handler that raises gives the browser a 500 and makes the test fail with
its exception.
"""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Generic, TypeAlias, TypeVar

from pytest_sharedworker.errors import GatewayError, WaitTimeoutError
from pytest_sharedworker.gateway.exchange import Exchange
from pytest_sharedworker.gateway.exchange_control import ClientDisconnectedError
from pytest_sharedworker.gateway.handlers import HandlerRunner, count_arguments, is_async
from pytest_sharedworker.gateway.journal import DEFAULT_TIMEOUT
from pytest_sharedworker.gateway.messages import RawResponse, Request, UpstreamRequest
from pytest_sharedworker.gateway.patterns import Origin, Pattern, URLMatch
from pytest_sharedworker.gateway.route import (
    Abort,
    AsyncRoute,
    BaseRoute,
    Continue,
    Decision,
    Fallback,
    Route,
    RouteTransport,
)

HANDLER_ERROR_STATUS = 500

Handler: TypeAlias = (
    Callable[[Route], object]
    | Callable[[Route, Request], object]
    | Callable[[AsyncRoute], Awaitable[object]]
    | Callable[[AsyncRoute, Request], Awaitable[object]]
)

R = TypeVar("R")


class Rule(Generic[R]):
    """A pattern and its handler, until it is removed or used up; a context manager, like a toxic.

    `routes` are the requests that it got, oldest first.
    """

    def __init__(
        self,
        url: URLMatch,
        pattern: Pattern,
        handler: Callable[..., object],
        *,
        times: int | None = None,
        optional: bool = False,
        on_remove: Callable[[Rule[R]], None],
    ) -> None:
        if times is not None and (isinstance(times, bool) or not isinstance(times, int) or times < 1):
            raise GatewayError(f"times must be 1 or more, not {times!r}")
        self.url = url
        self.pattern = pattern
        self.handler = handler
        self.times = times
        self.optional = optional
        self._on_remove = on_remove
        self._routes: list[R] = []
        self._changed = threading.Condition()

    @property
    def routes(self) -> list[R]:
        """The requests that this rule got so far."""
        with self._changed:
            return list(self._routes)

    def takes(self, method: str, url: str) -> bool:
        """Return whether this rule is for a request and not used up."""
        unused = self.times is None or len(self._routes) < self.times
        return unused and self.pattern.matches(method, url)

    def add(self, route: R) -> None:
        """Count a request (for the gateway)."""
        with self._changed:
            self._routes.append(route)
            self._changed.notify_all()

    def wait_for(self, count: int = 1, *, timeout: float = DEFAULT_TIMEOUT) -> list[R]:
        """Wait up to `timeout` ms for `count` requests, and return all. Raise WaitTimeoutError."""
        deadline = time.monotonic() + timeout / 1000
        with self._changed:
            while len(self._routes) < count and (left := deadline - time.monotonic()) > 0:
                self._changed.wait(left)
            if len(self._routes) < count:
                raise WaitTimeoutError(
                    f"waited {timeout:g} ms for {count} requests at the route {str(self.pattern)!r},"
                    f" saw {len(self._routes)}"
                )
            return list(self._routes)

    def remove(self) -> None:
        """End this rule. Requests that are pending stay pending. Idempotent."""
        self._on_remove(self)

    def __enter__(self) -> Rule[R]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()


RouteRule: TypeAlias = Rule[BaseRoute]


class Rules(Generic[R]):
    """The rules of one kind, oldest first."""

    def __init__(self) -> None:
        self._rules: list[Rule[R]] = []
        self._all: list[Rule[R]] = []

    def add(
        self,
        url: URLMatch,
        pattern: Pattern,
        handler: Callable[..., object],
        *,
        times: int | None = None,
        optional: bool = False,
    ) -> Rule[R]:
        """Add a rule, which comes before all others."""
        rule = Rule[R](url, pattern, handler, times=times, optional=optional, on_remove=self._remove)
        self._rules.append(rule)
        self._all.append(rule)
        return rule

    def remove(self, url: URLMatch, handler: Callable[..., object] | None) -> None:
        """Remove the rules that were added with this pattern, and this handler where one is given."""
        for rule in self.in_force:
            if _is_same(rule.url, url) and handler in (None, rule.handler):
                self._remove(rule)

    def clear(self) -> None:
        """Remove all rules."""
        self._rules.clear()

    def _remove(self, rule: Rule[R]) -> None:
        if rule in self._rules:
            self._rules.remove(rule)

    @property
    def in_force(self) -> list[Rule[R]]:
        """The rules in force, oldest first."""
        return list(self._rules)

    @property
    def unused(self) -> list[Rule[R]]:
        """The rules, removed ones too, that got no request although they should."""
        return [rule for rule in self._all if not (rule.routes or rule.optional)]


class Router:
    """The routes of one gateway for HTTP requests."""

    def __init__(self, origin: Origin, runner: HandlerRunner) -> None:
        self._origin = origin
        self._runner = runner
        self.rules: Rules[BaseRoute] = Rules()

    def add(self, url: URLMatch, handler: Handler, times: int | None, optional: bool) -> RouteRule:
        """Add a route, which comes before all others. Raise GatewayError."""
        count_arguments(handler, 2)
        return self.rules.add(url, self._origin.compile(url), handler, times=times, optional=optional)

    async def decide(
        self, exchange: Exchange, request: UpstreamRequest, transport: RouteTransport
    ) -> RawResponse | Continue | Fallback | Abort:
        """Return what the handlers decide; a Fallback where none decides on the request."""
        decision: Decision = Fallback(request)
        for rule in reversed(self.rules.in_force):
            if not rule.takes(request.method, request.url):
                continue
            make_route = AsyncRoute if is_async(rule.handler) else Route
            route = make_route(exchange, request.copy(), transport)
            rule.add(route)
            decision = await self._handle(rule, route)
            if not isinstance(decision, Fallback):
                return decision
            request = decision.request
        return decision

    async def _handle(self, rule: RouteRule, route: BaseRoute) -> Decision:
        try:
            arguments = (route, route.request)[: count_arguments(rule.handler, 2)]
            await self._runner.run(rule.handler, *arguments)
        except (asyncio.CancelledError, ClientDisconnectedError):
            raise
        except BaseException as error:  # pytest.fail() raises no Exception, and it must fail the test too.
            self._runner.keep_error(error)
            route.exchange.route = f"handler raised {type(error).__name__}"
            text = f"pytest-sharedworker: the handler of this request raised {error!r}"
            return RawResponse.plain(HANDLER_ERROR_STATUS, text)
        return await route._wait_for_decision()


def _is_same(one: URLMatch, other: URLMatch) -> bool:
    if isinstance(one, re.Pattern) and isinstance(other, re.Pattern):
        return (one.pattern, one.flags) == (other.pattern, other.flags)
    return one == other
