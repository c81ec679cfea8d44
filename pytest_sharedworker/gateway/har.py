"""The journal as an HTTP Archive (HAR 1.2), which the network panel of a browser's developer tools opens.

Each sender has a page: the tabs, and each worker. What HAR has no field for is in fields whose names begin
with an underscore, as the format requires.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from http.cookies import CookieError, SimpleCookie
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from multidict import CIMultiDict

from pytest_sharedworker.gateway.content_encoding import decode_body
from pytest_sharedworker.gateway.exchange import Exchange
from pytest_sharedworker.gateway.journal import Journal

HAR_VERSION = "1.2"
HTTP_VERSION = "HTTP/1.1"
"""The gateway has no other."""

UNKNOWN_SIZE = -1
"""HAR's value for a size or a time that is not known."""

_TEXT_FRAME, _BINARY_FRAME = 1, 2
"""RFC 6455 §5.2."""
_DISTRIBUTION = "pytest-sharedworker"
_RESOURCE_TYPES = {
    "document": "document",
    "empty": "fetch",
    "font": "font",
    "image": "image",
    "script": "script",
    "sharedworker": "script",
    "style": "stylesheet",
    "worker": "script",
}
"""What Chromium's panel calls the destinations of the Fetch standard."""


def make_har(journal: Journal) -> dict[str, Any]:
    """Return the journal as a HAR 1.2 document, ready for `json.dumps`."""
    exchanges = journal.exchanges
    return {
        "log": {
            "version": HAR_VERSION,
            "creator": {"name": _DISTRIBUTION, "version": _get_own_version()},
            "pages": _list_pages(journal, exchanges),
            "entries": [_make_entry(exchange) for exchange in exchanges],
        }
    }


def write_har(journal: Journal, path: str | Path) -> Path:
    """Write the journal as an HTTP Archive, and create its folder; return the path."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(make_har(journal), indent=1), encoding="utf-8")
    return path


def get_page_id(exchange: Exchange) -> str:
    """Return the page of an exchange: `tab`, `worker <id>` or `unknown`."""
    return f"worker {exchange.worker_id}" if exchange.worker_id else exchange.sender


def _get_own_version() -> str:
    try:
        return version(_DISTRIBUTION)
    except PackageNotFoundError:  # Run from a checkout that is not installed.
        return "0"


def _list_pages(journal: Journal, exchanges: Iterable[Exchange]) -> list[dict[str, Any]]:
    pages: dict[str, dict[str, Any]] = {}
    for exchange in exchanges:
        title = journal.describe_worker(exchange.worker_id) if exchange.worker_id else exchange.sender
        page = {
            "startedDateTime": _format_date(exchange),
            "id": get_page_id(exchange),
            "title": title,
            "pageTimings": {},
        }
        pages.setdefault(get_page_id(exchange), page)
    return list(pages.values())


def _make_entry(exchange: Exchange) -> dict[str, Any]:
    timings = _compute_timings(exchange)
    entry: dict[str, Any] = {
        "pageref": get_page_id(exchange),
        "startedDateTime": _format_date(exchange),
        "time": round(sum(max(0.0, each) for each in timings.values()), 3),
        "request": _make_request(exchange),
        "response": _make_response(exchange),
        "cache": {},
        "timings": timings,
        "_sender": exchange.sender,
        "_toxics": exchange.toxics,
    }
    extras: dict[str, Any] = {
        "_workerId": exchange.worker_id,
        "_virtualTime": exchange.virtual_time,
        "_upstreamStatus": exchange.upstream_status,
        "_route": exchange.route,
        "_resourceType": _RESOURCE_TYPES.get(exchange.request_headers.get("Sec-Fetch-Dest", "")),
    }
    if exchange.messages:
        extras |= {"_resourceType": "websocket", "_webSocketMessages": _list_messages(exchange)}
    return entry | {name: value for name, value in extras.items() if value is not None}


def _list_messages(exchange: Exchange) -> list[dict[str, Any]]:
    """Return the messages of a WebSocket, as the developer tools of Chromium write and read them."""
    started = exchange.started_at.timestamp() - exchange.started_seconds
    messages = []
    for message in exchange.messages:
        is_text = isinstance(message.data, str)
        data = message.data if isinstance(message.data, str) else base64.b64encode(message.data).decode()
        messages.append(
            {
                "type": "receive" if message.sender == "server" else "send",
                "time": round(started + message.seconds, 6),
                "opcode": _TEXT_FRAME if is_text else _BINARY_FRAME,
                "data": data,
            }
        )
    return messages


def _format_date(exchange: Exchange) -> str:
    return exchange.started_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _compute_timings(exchange: Exchange) -> dict[str, float]:
    """Return `send`, `wait` and `receive` in ms; what has not happened takes no time."""
    start = exchange.started_seconds
    end = exchange.ended_seconds if exchange.ended_seconds is not None else start
    received = exchange.received_seconds if exchange.received_seconds is not None else start
    answered = exchange.answered_seconds if exchange.answered_seconds is not None else max(end, received)
    return {
        "send": _to_ms(received - start),
        "wait": _to_ms(answered - received),
        "receive": _to_ms(end - answered),
    }


def _to_ms(seconds: float) -> float:
    return round(max(0.0, seconds) * 1000, 3)


def _list_headers(headers: CIMultiDict[str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in headers.items()]


def _make_request(exchange: Exchange) -> dict[str, Any]:
    headers = exchange.request_headers
    query = parse_qsl(urlsplit(exchange.url).query, keep_blank_values=True)
    request: dict[str, Any] = {
        "method": exchange.method,
        "url": exchange.url,
        "httpVersion": HTTP_VERSION,
        "cookies": _list_cookies(headers.getall("Cookie", [])),
        "headers": _list_headers(headers),
        "queryString": [{"name": name, "value": value} for name, value in query],
        "headersSize": UNKNOWN_SIZE,
        "bodySize": len(exchange.request_body),
    }
    if exchange.request_body:
        text, encoding = _encode_text(exchange.request_body)
        request["postData"] = {"mimeType": headers.get("Content-Type", ""), "text": text}
        if encoding is not None:  # HAR 1.2 has an encoding for responses only.
            request["postData"]["_encoding"] = encoding
    return request


def _make_response(exchange: Exchange) -> dict[str, Any]:
    headers = exchange.response_headers if exchange.status is not None else CIMultiDict[str]()
    response: dict[str, Any] = {
        "status": exchange.status or 0,
        "statusText": exchange.reason,
        "httpVersion": HTTP_VERSION,
        "cookies": _list_cookies(headers.getall("Set-Cookie", [])),
        "headers": _list_headers(headers),
        "content": _make_content(exchange.response_body, headers),
        "redirectURL": headers.get("Location", ""),
        "headersSize": UNKNOWN_SIZE,
        "bodySize": len(exchange.response_body) if exchange.status is not None else UNKNOWN_SIZE,
    }
    if not exchange.ended:
        response["_error"] = "under way"
    elif exchange.cut is not None:
        response["_error"] = f"connection {exchange.cut} by the gateway"
    elif exchange.status is None:
        response["_error"] = "no response"
    return response


def _make_content(wire: bytes, headers: CIMultiDict[str]) -> dict[str, Any]:
    body = decode_body(wire, headers)
    text, encoding = _encode_text(body)
    content: dict[str, Any] = {"size": len(body), "mimeType": headers.get("Content-Type", ""), "text": text}
    if len(body) != len(wire):
        content["compression"] = len(body) - len(wire)
    if encoding is not None:
        content["encoding"] = encoding
    return content


def _encode_text(body: bytes) -> tuple[str, str | None]:
    """Return a body as text, or as base64 where it is not text; and the name of that encoding."""
    try:
        return body.decode(), None
    except UnicodeDecodeError:
        return base64.b64encode(body).decode(), "base64"


def _list_cookies(lines: Iterable[str]) -> list[dict[str, Any]]:
    cookies: list[dict[str, Any]] = []
    for line in lines:
        try:
            morsels = SimpleCookie(line).values()
        except CookieError:
            continue  # A browser may send what the RFC forbids; the header itself is listed.
        for morsel in morsels:
            attributes: Mapping[str, Any] = {
                "path": morsel["path"],
                "domain": morsel["domain"],
                "httpOnly": bool(morsel["httponly"]),
                "secure": bool(morsel["secure"]),
            }
            shown = {name: value for name, value in attributes.items() if value not in ("", False)}
            cookies.append({"name": morsel.key, "value": morsel.value, **shown})
    return cookies
