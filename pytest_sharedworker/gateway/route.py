"""One request on its way through the gateway, as the handler of a route sees it and decides on it.

What a handler can decide, and the order of handlers, is described in `router.py`.
"""

from __future__ import annotations

import asyncio
import inspect
import json as json_module
import mimetypes
import threading
from collections.abc import Awaitable, Callable, Generator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urljoin, urlsplit

from multidict import CIMultiDict

from pytest_sharedworker.errors import GatewayError, UnsupportedError, WaitTimeoutError
from pytest_sharedworker.gateway.exchange import Exchange
from pytest_sharedworker.gateway.exchange_control import ExchangeControl
from pytest_sharedworker.gateway.handlers import await_without_lock, get_current_turn
from pytest_sharedworker.gateway.headers import NOT_FORWARDED, remove_headers, split_values
from pytest_sharedworker.gateway.messages import RawResponse, Request, Response, UpstreamRequest
from pytest_sharedworker.integration.event_loop_thread import LoopThread
from pytest_sharedworker.integration.time_limits import time_limit

DEFAULT_FETCH_TIMEOUT = 30_000.0

_SPARE_SECONDS = 5.0
"""So much later than the request itself the wait for it ends."""

_ERROR_CODES = {"failed": True, "connectionreset": True, "connectionaborted": True, "connectionclosed": False}
"""The error codes of Playwright that the wire can express, with whether each resets the connection."""

_UNKNOWN_TO_THE_WIRE = (
    "aborted", "accessdenied", "addressunreachable", "blockedbyclient", "blockedbyresponse",
    "connectionfailed", "connectionrefused", "internetdisconnected", "namenotresolved", "timedout",
)  # fmt: skip
"""The others: a browser reports them by itself, whatever the server does."""

Headers: TypeAlias = Mapping[str, str]


@dataclass(frozen=True)
class Continue:
    """The decision to send the request on."""

    request: UpstreamRequest


@dataclass(frozen=True)
class Fallback:
    """The decision to leave the request to the next older route."""

    request: UpstreamRequest


@dataclass(frozen=True)
class Abort:
    """The decision to end the connection without a response."""

    reset: bool


Decision: TypeAlias = "RawResponse | Continue | Fallback | Abort"


@dataclass(frozen=True)
class RouteTransport:
    """What a route can do on the wire; the gateway provides it for each request."""

    control: ExchangeControl
    fetch: Callable[[UpstreamRequest], Awaitable[RawResponse]]
    loop_thread: LoopThread


class _Done:
    """What a decision returns: `await`, as in Playwright's async API, is allowed and not needed."""

    def __await__(self) -> Generator[None, None, None]:
        yield from ()


class BaseRoute:
    """One request on its way. `request` is what the handler may change, `exchange` the journal's entry.

    A handler takes one decision, or returns without one: then the request is pending until some thread, such
    as the test's, decides. Virtual time does not wait for a pending request.
    """

    def __init__(self, exchange: Exchange, request: UpstreamRequest, transport: RouteTransport) -> None:
        self.exchange = exchange
        self.request = Request(request, exchange)
        self._upstream_request = request
        self._transport = transport
        self._decision: Decision | None = None
        self._is_pending = False
        self._lock = threading.Lock()

    def fulfill(
        self,
        *,
        response: Response | None = None,
        status: int | None = None,
        headers: Headers | None = None,
        body: str | bytes | None = None,
        json: object = None,
        path: str | Path | None = None,
        content_type: str | None = None,
    ) -> Awaitable[None]:
        """Respond in the server's place, by default with 200, no headers and an empty body.

        `response` (of `fetch`) supplies what the other arguments do not give; `headers` replaces all its
        headers. A `path` is a file. Raise GatewayError for more than one of `body`, `json` and `path`.
        """
        if sum(each is not None for each in (body, json, path)) > 1:
            raise GatewayError("give fulfill() one of body, json and path, not several")
        if status is not None and not (isinstance(status, int) and 200 <= status <= 599):
            raise GatewayError(f"fulfill() needs a status from 200 to 599, not {status!r}")
        base = response.raw if response is not None else RawResponse(200, CIMultiDict(), b"")
        new_headers = base.headers.copy() if headers is None else _to_multidict(headers)
        content = base.body
        if json is not None:
            content = json_module.dumps(json).encode()
            _set_type(new_headers, "application/json", always=headers is None)
        elif path is not None:
            content = _read_file(Path(path))
            guessed = mimetypes.guess_type(str(path))[0] or "application/octet-stream"
            _set_type(new_headers, guessed, always=headers is None)
        elif body is not None:
            content = body.encode() if isinstance(body, str) else body
            kind = "text/plain; charset=utf-8" if isinstance(body, str) else "application/octet-stream"
            _set_type(new_headers, kind, always=False)
        if content_type is not None:
            new_headers["Content-Type"] = content_type
        reason = base.reason if status in (None, base.status) else None
        code = base.status if status is None else status
        stream = base.stream if body is json is path is None else None
        return self._decide(RawResponse(code, new_headers, content, reason, stream), "fulfilled")

    def continue_(
        self,
        *,
        url: str | None = None,
        method: str | None = None,
        headers: Headers | None = None,
        post_data: str | bytes | object = None,
    ) -> Awaitable[None]:
        """Send the request to the server, with changes where arguments are given; no older route sees it.

        `headers` replaces all headers. A `url` that is not of the gateway's origin is requested there. What
        `post_data` is neither text nor bytes is sent as JSON.
        """
        changed = any(each is not None for each in (url, method, headers, post_data))
        request = self._change(url, method, headers, post_data)
        return self._decide(Continue(request), "continued, changed" if changed else "continued")

    def fallback(
        self,
        *,
        url: str | None = None,
        method: str | None = None,
        headers: Headers | None = None,
        post_data: str | bytes | object = None,
    ) -> Awaitable[None]:
        """Leave the request, with changes where arguments are given, to the next older route that matches it.

        After the oldest it goes to the server. Takes changes as `continue_` does.
        """
        changed = any(each is not None for each in (url, method, headers, post_data))
        return self._decide(
            Fallback(self._change(url, method, headers, post_data)), "changed" if changed else None
        )

    def abort(self, error_code: str = "failed") -> Awaitable[None]:
        """End the connection without a response: `connectionclosed` closes it, the other codes reset it.

        The codes are `failed`, `connectionreset`, `connectionaborted` and `connectionclosed`. Raise
        UnsupportedError for the other codes of Playwright, which the wire cannot express.
        """
        if error_code not in _ERROR_CODES:
            raise UnsupportedError(_explain_error_code(error_code))
        return self._decide(Abort(_ERROR_CODES[error_code]), "aborted")

    @property
    def is_decided(self) -> bool:
        """Whether a decision has been taken."""
        return self._decision is not None

    async def _wait_for_decision(self) -> Decision:
        """Wait for the decision and return it (for the gateway, in the loop's thread)."""
        with self._lock:
            self._is_pending = self._decision is None
            if self._is_pending:
                self.exchange.route = _join(self.exchange.route, "pending")
        if self._is_pending:
            await self._transport.control.suspend_until(lambda: self.is_decided)
        assert self._decision is not None
        return self._decision

    def _decide(self, decision: Decision, what: str | None) -> Awaitable[None]:
        with self._lock:
            if self._decision is not None:
                raise GatewayError(
                    f"the request {self.exchange.method} {self.exchange.path} has been decided on already"
                    f" ({self.exchange.route}); a handler takes one decision"
                )
            self._decision = decision
            previous = (self.exchange.route or "").removesuffix("pending").removesuffix(", ") or None
            self.exchange.route = _join(previous, what) if what else previous
            was_pending = self._is_pending
        if was_pending:
            if self._transport.loop_thread.is_current:
                self._transport.control.resume()
            else:  # Clocks must wait for the request again before the caller moves them.
                self._transport.loop_thread.run(self._resume())
        return _Done()

    async def _resume(self) -> None:
        self._transport.control.resume()

    async def _fetch(
        self,
        url: str | None,
        method: str | None,
        headers: Headers | None,
        post_data: str | bytes | object,
        timeout: float,
    ) -> Response:
        request = self._change(url, method, headers, post_data)
        request.headers["Accept-Encoding"] = "identity"
        try:
            # Unlike `asyncio.wait_for` this starts no task, which would let later requests overtake.
            async with time_limit(timeout / 1000 if timeout else None):
                raw = await self._transport.fetch(request)
        except asyncio.TimeoutError as error:
            raise WaitTimeoutError(
                f"route.fetch() waited {timeout:g} ms for the response to {request.method} {request.url}"
            ) from error
        return Response(request.url, raw)

    def _change(
        self,
        url: str | None,
        method: str | None,
        headers: Headers | None,
        post_data: str | bytes | object,
    ) -> UpstreamRequest:
        request = self._upstream_request.copy()
        if url is not None:
            request = replace(request, url=_resolve_url(url, self.exchange.url))
        if method is not None:
            request = replace(request, method=method)
        if headers is not None:
            new_headers = _to_multidict(headers)
            new_headers["Host"] = request.headers.get(
                "Host", ""
            )  # As in Playwright, headers do not change it.
            request = replace(request, headers=new_headers)
        if post_data is not None:
            body, kind = _encode_body(post_data)
            if kind is not None:
                request.headers.setdefault("Content-Type", kind)
            request = replace(request, body=body)
        return request

    def __repr__(self) -> str:
        state = self.exchange.route or "undecided"
        return f"<{type(self).__name__} {self.exchange.method} {self.exchange.path} ({state})>"


class Route(BaseRoute):
    """What a plain handler gets, which runs in a thread."""

    def fetch(
        self,
        *,
        url: str | None = None,
        method: str | None = None,
        headers: Headers | None = None,
        post_data: str | bytes | object = None,
        timeout: float = DEFAULT_FETCH_TIMEOUT,
    ) -> Response:
        """Send the request and return the response, without its content encoding, for `fulfill`.

        Takes changes as `continue_` does; `timeout` is in ms (0: none). Raise WaitTimeoutError.
        """
        fetching = self._fetch(url, method, headers, post_data, timeout)
        limit = timeout / 1000 + _SPARE_SECONDS if timeout else threading.TIMEOUT_MAX
        waiting = await_without_lock(get_current_turn(), fetching)
        try:
            return self._transport.loop_thread.run(
                waiting, timeout_seconds=limit, what="route.fetch(), which needs an `async def` handler there"
            )
        finally:
            if inspect.getcoroutinestate(fetching) == inspect.CORO_CREATED:  # The wait has not even begun.
                fetching.close()


class AsyncRoute(BaseRoute):
    """What an `async def` handler gets, which runs in the gateway's loop and must not block."""

    async def fetch(
        self,
        *,
        url: str | None = None,
        method: str | None = None,
        headers: Headers | None = None,
        post_data: str | bytes | object = None,
        timeout: float = DEFAULT_FETCH_TIMEOUT,
    ) -> Response:
        """Send the request and return the response, without its content encoding, for `fulfill`.

        Takes changes as `continue_` does; `timeout` is in ms (0: none). Raise WaitTimeoutError.
        """
        return await self._fetch(url, method, headers, post_data, timeout)


def _join(before: str | None, what: str) -> str:
    return f"{before}, {what}" if before else what


def _to_multidict(headers: Headers) -> CIMultiDict[str]:
    return remove_headers(split_values(headers), NOT_FORWARDED)


def _set_type(headers: CIMultiDict[str], kind: str, *, always: bool) -> None:
    if always or "Content-Type" not in headers:
        headers["Content-Type"] = kind


def _read_file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise GatewayError(f"cannot fulfill with the file {path}: {error.strerror or error}") from error


def _encode_body(post_data: object) -> tuple[bytes, str | None]:
    if isinstance(post_data, bytes):
        return post_data, None
    if isinstance(post_data, str):
        return post_data.encode(), None
    return json_module.dumps(post_data).encode(), "application/json"


def _resolve_url(url: str, base: str) -> str:
    absolute = urljoin(base, url)
    parts = urlsplit(absolute)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise GatewayError(f"a route can send requests to http and https URLs, not to {url!r}")
    return (absolute if parts.path else absolute.replace(parts.netloc, parts.netloc + "/", 1)).partition("#")[
        0
    ]


def _explain_error_code(error_code: str) -> str:
    exist = f"abort() can do {', '.join(_ERROR_CODES)}"
    if error_code in _UNKNOWN_TO_THE_WIRE:
        return f"the gateway cannot make a browser report {error_code!r}, it acts on the wire only; {exist}"
    near = get_close_matches(str(error_code), [*_ERROR_CODES, *_UNKNOWN_TO_THE_WIRE], n=1)
    hint = f", did you mean {near[0]!r}?" if near else ""
    return f"there is no error code {error_code!r}{hint}; {exist}"
