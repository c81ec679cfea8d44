"""One request on its way through the gateway, as the handler of a route sees it and decides on it.

What handlers can do, and which are asked in which order, stands in `routes.py`.
"""

from __future__ import annotations

import asyncio
import json as json_module
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from multidict import CIMultiDict

from pytest_sharedworker.errors import GatewayError
from pytest_sharedworker.gateway.exchange import Exchange
from pytest_sharedworker.integration.event_loop_thread import LoopThread


class ClientDisconnectedError(Exception):
    """The worker that asked has ended, or has aborted its request, while the request was held."""


class Response(NamedTuple):
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
class UpstreamRequest:
    """What is asked of the server."""

    method: str
    headers: CIMultiDict[str]
    body: bytes


@dataclass(frozen=True)
class Abort:
    """The decision to end the connection without an answer."""

    reset: bool


@dataclass(frozen=True)
class RouteTransport:
    """What a route can do on the wire; the gateway fills it in for each request."""

    ask: Callable[[UpstreamRequest], Awaitable[Response]]
    hold: Callable[[Callable[[], bool]], Awaitable[None]]
    """Returns when the condition holds; ends the exchange where the browser gave up first."""
    release: Callable[[], None]
    """Lets virtual time wait for the request again and wakes `hold`."""


class Route:
    """One request on its way, as a handler sees it. `exchange` and `request` are the journal's entry."""

    def __init__(
        self, exchange: Exchange, asked: UpstreamRequest, way: RouteTransport, loop_thread: LoopThread
    ) -> None:
        self.exchange = exchange
        self.request = exchange
        self.decision: Response | UpstreamRequest | Abort | None = None
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
        answer: Response | None = None,
    ) -> None:
        """Answer the request here: with 200, no headers and an empty body, where nothing else is said.

        `answer` (of `fetch`) is what the other values change; `headers` replace those of the same name.
        Raises GatewayError for both a `body` and a `json`.
        """
        if body is not None and json is not None:
            raise GatewayError("give fulfill() a body or a json, not both")
        base = answer or Response(200, CIMultiDict(), b"")
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
        self._decide(Response(base.status if status is None else status, whole, content), "fulfilled")

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
    ) -> Response:
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
    ) -> UpstreamRequest:
        whole = self._asked.headers.copy()
        for name, value in (headers or {}).items():
            whole.popall(name, None)
            if value is not None:
                whole[name] = value
        content = self._asked.body if body is None else body
        return UpstreamRequest(
            method or self._asked.method, whole, content.encode() if isinstance(content, str) else content
        )

    def _decide(self, decision: Response | UpstreamRequest | Abort, what: str) -> None:
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
