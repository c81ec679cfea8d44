"""The events of exchanges: the request, each message of a WebSocket, and the response."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from multidict import CIMultiDict

from pytest_sharedworker.gateway.content_encoding import decode_body
from pytest_sharedworker.gateway.events import EventKind, TimelineEvent
from pytest_sharedworker.gateway.exchange import Exchange
from pytest_sharedworker.gateway.journal import Journal

SHOWN_BYTES = 4_000
"""How much of a body the details of an event hold; the HAR has all of it."""


class ExchangeEvents:
    """Reads the events of one exchange, each once."""

    def __init__(
        self,
        journal: Journal,
        exchange: Exchange,
        *,
        sender_lane: str,
        virtual_offset: Callable[[str], float],
    ) -> None:
        self._journal = journal
        self._exchange = exchange
        self._sender_lane = sender_lane
        self._offset = virtual_offset(exchange.worker_id) if exchange.worker_id else 0.0
        self._is_request_read = False
        self._messages = 0
        self.is_complete = False
        """Whether all events have been read."""

    def read_new(self) -> Iterator[TimelineEvent]:
        """Return what has happened since the last call."""
        exchange = self._exchange
        has_ended = exchange.ended_seconds is not None  # Before its messages are read: none comes after.
        sender: str = exchange.sender
        if exchange.worker_id:
            sender = self._journal.describe_worker(exchange.worker_id)
        if not self._is_request_read:
            self._is_request_read = True
            yield self._make(
                exchange.started_seconds,
                f"#{exchange.number} {sender} {exchange.request_text}",
                "request",
                self._sender_lane,
                describe_request(exchange),
                exchange.virtual_time,
            )
        messages = exchange.messages[self._messages :]
        self._messages += len(messages)
        for message in messages:
            receiver = sender if message.sender == "server" else "server"
            source = "server" if message.sender == "server" else sender
            lost = " (dropped)" if message.is_dropped else ""
            text = f"#{exchange.number} {source} → {receiver}{lost}: {message.text}"
            lane = "server" if message.sender == "server" else self._sender_lane
            details = {"data": _to_text(message.data)}
            yield self._make(message.seconds, text, "socket", lane, details)
        if has_ended and exchange.ended_seconds is not None:
            self.is_complete = True
            lane = "gateway" if exchange.upstream_status is None else "server"
            text = f"#{exchange.number} → {exchange.outcome_text}"
            yield self._make(exchange.ended_seconds, text, "response", lane, describe_response(exchange))

    def _make(
        self,
        seconds: float,
        text: str,
        kind: EventKind,
        lane: str,
        details: dict[str, str],
        virtual_time: float | None = None,
    ) -> TimelineEvent:
        return TimelineEvent(
            self._to_date(seconds),
            text,
            virtual_time,
            kind=kind,
            lane=lane,
            details={name: value for name, value in details.items() if value},
            link=f"#{self._exchange.number}",
            virtual_offset=self._offset,
        )

    def _to_date(self, seconds: float) -> datetime:
        return self._journal.started_at + timedelta(seconds=seconds)


def describe_request(exchange: Exchange) -> dict[str, str]:
    """Return what a person asks of a request: URL, headers and body, by titles."""
    return {
        "request": f"{exchange.method} {exchange.url}",
        "request headers": _list_headers(exchange.request_headers),
        "request body": _to_text(exchange.decoded_body),
    }


def describe_response(exchange: Exchange) -> dict[str, str]:
    """Return what a person asks of a response: status, headers, body, and what the gateway did to it."""
    status = "none" if exchange.status is None else f"{exchange.status} {exchange.reason}".rstrip()
    body = decode_body(exchange.response_body, exchange.response_headers)
    details = {
        "response": f"{status}, to {exchange.method} {exchange.url}",
        "toxics": ", ".join(exchange.toxics),
        "route": exchange.route or "",
        "connection": exchange.cut or "",
        "response headers": _list_headers(exchange.response_headers),
        "response body": _to_text(body) if exchange.is_data else f"({len(body)} bytes)",
    }
    if exchange.upstream_status not in (None, exchange.status):
        details["status of the server"] = str(exchange.upstream_status)
    return details


def _list_headers(headers: CIMultiDict[str]) -> str:
    return "\n".join(f"{name}: {value}" for name, value in headers.items())


def _to_text(data: str | bytes) -> str:
    shown = data[:SHOWN_BYTES]
    text = shown.decode("utf-8", "backslashreplace") if isinstance(shown, bytes) else shown
    return text if len(shown) == len(data) else f"{text}… ({len(data)} in all)"
