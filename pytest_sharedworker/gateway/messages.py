"""Requests and responses: as the gateway sends them, and as the handler of a route sees them."""

from __future__ import annotations

import json as json_module
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, Literal, NamedTuple, Protocol
from urllib.parse import parse_qsl

from multidict import CIMultiDict

from pytest_sharedworker.errors import GatewayError
from pytest_sharedworker.gateway.content_encoding import decode_body
from pytest_sharedworker.gateway.exchange import Exchange, Sender

_FORM = "application/x-www-form-urlencoded"


class BodyStream(Protocol):
    """A server's body that is read piece by piece."""

    @property
    def is_chunked(self) -> bool:
        """Whether the server sends chunks, rather than a length or up to the connection's end."""

    @property
    def is_at_end(self) -> bool:
        """Whether all of it is known to have been read: then nobody has to wait for its end."""

    async def read_piece(self, *, seconds: float | None = None) -> bytes:
        """Return the next bytes as they come, b"" at the end. Raise BrokenBodyError, or TimeoutError."""

    def close(self) -> None:
        """Close the connection to the server. Idempotent."""


class RawResponse(NamedTuple):
    """A response for the browser: status, headers and the body's bytes.

    `reason` is its reason phrase (None: that of the status). Where there is a `stream`, `body` is the begin
    of the body, `stream` the rest, and `headers` may hold the length that the server announced.
    """

    status: int
    headers: CIMultiDict[str]
    body: bytes
    reason: str | None = None
    stream: Any = None
    """A BodyStream."""

    @classmethod
    def plain(cls, status: int, text: str) -> RawResponse:
        """Return a response of plain text."""
        headers = CIMultiDict({"Content-Type": "text/plain; charset=utf-8"})
        return cls(status, headers, text.encode("utf-8", "backslashreplace"))


@dataclass(frozen=True)
class UpstreamRequest:
    """A request for the server. `url` is absolute, of the gateway's origin unless a route changed it."""

    method: str
    url: str
    headers: CIMultiDict[str]
    body: bytes

    def copy(self) -> UpstreamRequest:
        """Return a copy whose headers can be changed."""
        return replace(self, headers=self.headers.copy())


class Request:
    """A request as the handler of a route sees it, with the changes of newer routes."""

    def __init__(self, request: UpstreamRequest, exchange: Exchange) -> None:
        self._request = request
        self._exchange = exchange

    @property
    def url(self) -> str:
        """The whole URL."""
        return self._request.url

    @property
    def method(self) -> str:
        """The method, for example `POST`."""
        return self._request.method

    @property
    def headers(self) -> dict[str, str]:
        """The headers, with names in lower case; several of one name are joined by a comma."""
        return _lower_headers(self._request.headers)

    def header_value(self, name: str) -> str | None:
        """Return a header by its name in any case; None without one."""
        return self.headers.get(name.lower())

    @property
    def post_data(self) -> str | None:
        """The body as text, without its content encoding; None without a body."""
        body = self._decoded_body
        return body.decode("utf-8", "replace") if body else None

    @property
    def post_data_buffer(self) -> bytes | None:
        """The body as bytes, as it was sent; None without a body."""
        return self._request.body or None

    @property
    def post_data_json(self) -> Any:
        """The body as JSON, or a form's fields as a dictionary. Raise GatewayError for other bodies."""
        body = self._decoded_body
        if not body:
            return None
        if (self.header_value("Content-Type") or "").partition(";")[0].strip().lower() == _FORM:
            return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
        try:
            return json_module.loads(body)
        except ValueError as error:
            raise GatewayError(f"the body of {self.method} {self.url} is not JSON: {error}") from error

    @property
    def sender(self) -> Sender:
        """Who sent the request: a `tab`, a `worker`, or `unknown`."""
        return self._exchange.sender

    @property
    def worker_id(self) -> str | None:
        """The id of the worker that sent the request, where it is known."""
        return self._exchange.worker_id

    @property
    def _decoded_body(self) -> bytes:
        return decode_body(self._request.body, self._request.headers)

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.url}>"


class Response:
    """A response that the handler of a route fetched, in the shape of Playwright's APIResponse."""

    def __init__(self, url: str, raw: RawResponse) -> None:
        self.url = url
        """The URL that was requested."""
        self.raw = _without_encoding(raw)

    @property
    def status(self) -> int:
        """The status code."""
        return self.raw.status

    @property
    def status_text(self) -> str:
        """The reason phrase; "" where there is none."""
        if self.raw.reason is not None:
            return self.raw.reason
        try:
            return HTTPStatus(self.status).phrase
        except ValueError:
            return ""

    @property
    def ok(self) -> bool:
        """Whether the status is one of success (200 to 299)."""
        return 200 <= self.status <= 299

    @property
    def headers(self) -> dict[str, str]:
        """The headers, with names in lower case; several of one name are joined by a comma."""
        return _lower_headers(self.raw.headers)

    def body(self) -> bytes:
        """Return the body, without its content encoding."""
        return self.raw.body

    def text(self) -> str:
        """Return the body as text; bytes that are not UTF-8 become replacement characters."""
        return self.raw.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """Return the body as JSON. Raise ValueError where it is not JSON."""
        return json_module.loads(self.raw.body)

    def __repr__(self) -> str:
        return f"<Response {self.status} {self.url}>"


def _without_encoding(raw: RawResponse) -> RawResponse:
    body = decode_body(raw.body, raw.headers)
    if body is raw.body:
        return raw
    headers = raw.headers.copy()
    headers.popall("Content-Encoding", None)
    return raw._replace(headers=headers, body=body)


def _lower_headers(headers: CIMultiDict[str]) -> dict[str, str]:
    lower: dict[str, str] = {}
    for name, value in headers.items():
        key = name.lower()
        # Cookies have commas of their own: Playwright separates them by line feeds.
        separator = "\n" if key == "set-cookie" else ", "
        lower[key] = f"{lower[key]}{separator}{value}" if key in lower else value
    return lower


ErrorCode = Literal["failed", "connectionreset", "connectionaborted", "connectionclosed"]
"""The error codes of Playwright that the wire can express."""
