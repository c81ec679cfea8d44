"""One exchange: a request, its response, and what the gateway did to it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Any, Literal

from multidict import CIMultiDict

from pytest_sharedworker.gateway.content_encoding import decode_body

Sender = Literal["tab", "worker", "unknown"]
_SHOWN_BYTES = 160


@dataclass(frozen=True)
class SocketMessage:
    """A message on a WebSocket: its sender, its text or bytes, and when (as `started_seconds` counts).

    `is_dropped`: a toxic let it not through.
    """

    sender: Sender | Literal["server"]
    data: str | bytes
    seconds: float
    is_dropped: bool = False

    @property
    def text(self) -> str:
        """The first bytes of the message, on one line."""
        return _shorten(self.data if isinstance(self.data, bytes) else self.data.encode("utf-8", "replace"))


@dataclass
class Exchange:
    """One request and its response.

    `started_seconds`, `received_seconds` (the request is complete), `answered_seconds` (the response begins)
    and `ended_seconds` count real time from the gateway's start; `virtual_time` is the sender's virtual
    ms at the request, where it has a virtual clock; `paused_seconds` is how long toxics delayed the
    exchange, in the sender's time. `status` and `response_body` are what was sent to the browser (`status`
    None: no response, or not yet); `upstream_status` and `upstream_response_body` are what the server sent,
    also where a toxic dropped it. `cut` is how the gateway ended the connection, where it did; `route` what a
    route did. `messages` are those of a WebSocket (`status` 101), whose exchange ends when the WebSocket
    does. `is_proxied`: it went to an origin that is not the gateway's own.
    """

    number: int
    method: str
    url: str
    path: str
    request_headers: CIMultiDict[str]
    request_body: bytes
    sender: Sender
    worker_id: str | None
    request_number: int | None
    virtual_time: float | None
    started_at: datetime
    started_seconds: float
    received_seconds: float | None = None
    answered_seconds: float | None = None
    paused_seconds: float = 0.0
    ended_seconds: float | None = None
    status: int | None = None
    response_headers: CIMultiDict[str] = field(default_factory=CIMultiDict)
    response_body: bytes = b""
    upstream_status: int | None = None
    upstream_response_body: bytes = b""
    toxics: list[str] = field(default_factory=list)
    cut: Literal["reset", "closed"] | None = None
    route: str | None = None
    messages: list[SocketMessage] = field(default_factory=list)
    sent_reason: str | None = None
    is_proxied: bool = False

    @property
    def decoded_body(self) -> bytes:
        """The request's body without its content encoding (gzip, deflate)."""
        return decode_body(self.request_body, self.request_headers)

    def json(self) -> Any:
        """Return the request's body as JSON. Raise ValueError where it is not JSON."""
        return json.loads(self.decoded_body)

    @property
    def ended(self) -> bool:
        """Whether the exchange is over."""
        return self.ended_seconds is not None

    @property
    def reason(self) -> str:
        """The reason phrase that was sent, "" for none."""
        if self.sent_reason is not None:
            return self.sent_reason
        try:
            return HTTPStatus(self.status or 0).phrase
        except ValueError:
            return ""

    @property
    def request_text(self) -> str:
        """The method, the path (on another origin the URL) and the first bytes of the body."""
        target = self.url if self.is_proxied else self.path
        return f"{self.method} {target}" + (f" {_shorten(self.decoded_body)}" if self.request_body else "")

    @property
    def outcome_text(self) -> str:
        """The status and the first bytes of the response; in brackets the toxics and the route."""
        outcome = "no response" if self.ended else "under way"
        if self.status is not None:
            outcome = f"{self.status} {_shorten(self.response_body)}" if self.is_data else str(self.status)
        if self.messages:
            outcome = f"{outcome} {len(self.messages)} messages, last {self._last_message}"
        causes = [*self.toxics, *([f"route: {self.route}"] if self.route else [])]
        return outcome.rstrip() + (f" [{', '.join(causes)}]" if causes else "")

    @property
    def _last_message(self) -> str:
        last = self.messages[-1]
        return f"{last.sender}: {last.text}"

    def __str__(self) -> str:
        when = f"{self.started_seconds:8.3f} s"
        virtual = "" if self.virtual_time is None else f" (worker {self.virtual_time / 1000:.3f} s)"
        return f"#{self.number} {when} {self.sender}{virtual} {self.request_text} → {self.outcome_text}"

    @property
    def is_data(self) -> bool:
        """Whether the response is data that a line can show: no script, page or image."""
        kind = self.response_headers.get("Content-Type", "")
        return not any(word in kind for word in ("javascript", "html", "css", "image"))


def _shorten(body: bytes) -> str:
    text = body[:_SHOWN_BYTES].decode("utf-8", "backslashreplace").replace("\n", "\\n")
    return text + (f"… ({len(body)} bytes)" if len(body) > _SHOWN_BYTES else "")
