"""Read requests as a browser sends them: any method in its own case, long headers, and whole URLs.

A browser sends a proxy the whole URL ("absolute form"). The request then has the path alone, as usual, and
its origin under the key ORIGIN.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any

from aiohttp import web
from aiohttp.http_parser import HeadersParser, HttpRequestParserPy, RawRequestMessagePy
from yarl import URL

ORIGIN = "pytest-sharedworker-origin"
"""Under this key a request that came through the proxy has its origin; read it with `get_proxied_origin`."""

LONGEST_LINE = 1 << 18
MOST_HEADERS = 1 << 15
_LARGEST_BODY = 1 << 30
_ABSOLUTE_FORM = re.compile(r"(https?://[^/?#]+)(.*)", re.IGNORECASE)


def get_proxied_origin(request: web.Request) -> str | None:
    """Return the origin of a request that came through the proxy; None for one to the gateway itself."""
    origin: str | None = request.get(ORIGIN)
    return origin


def get_url(request: web.Request, own_origin: str) -> str:
    """Return the whole URL of a request; `own_origin` is that of a request that did not come by the proxy."""
    return (get_proxied_origin(request) or own_origin) + request.raw_path


class _RequestParser(HttpRequestParserPy):
    """aiohttp's fast parser knows a list of methods only, and this one writes them in upper case.

    Headers are read laxly: a script may put any character but CR, LF and NUL in a value (Fetch).
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # Not by the attribute `lax`, with which no chunked body is read.
        self._headers_parser = HeadersParser(
            self.max_line_size, self.max_headers, self.max_field_size, lax=True
        )

    def parse_message(self, lines: list[bytes]) -> RawRequestMessagePy:
        message = super().parse_message(lines)
        return message._replace(method=lines[0].partition(b" ")[0].decode("ascii"))


class RequestServer(web.Server):
    """aiohttp's server with this parser; `origin` is that of all requests, at the end of a tunnel.

    `is_proxy`: the server is that of a proxy, to which WebKit sends the handshake of a WebSocket without the
    origin in its URL; the header Host has it.
    """

    def __init__(self, handler: Any, origin: str | None = None, *, is_proxy: bool = False) -> None:
        self._origin = origin
        self._is_proxy = is_proxy
        super().__init__(
            handler,
            request_factory=self._make_large_request,
            access_log=None,
            auto_decompress=False,
            max_line_size=LONGEST_LINE,
            max_field_size=LONGEST_LINE,
        )

    def __call__(self) -> Any:
        """Return the protocol of a new connection."""
        protocol = super().__call__()
        parser = _RequestParser(
            protocol,
            asyncio.get_running_loop(),
            1 << 16,
            max_line_size=LONGEST_LINE,
            max_field_size=LONGEST_LINE,
            max_headers=MOST_HEADERS,
            payload_exception=web.RequestPayloadError,
            auto_decompress=False,
        )
        # The name has changed between versions of aiohttp.
        setattr(protocol, "_parser" if hasattr(protocol, "_parser") else "_request_parser", parser)
        return protocol

    def _make_large_request(self, message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> Any:
        loop = asyncio.get_running_loop()
        origin, path = self._origin, message.path
        if absolute := _ABSOLUTE_FORM.fullmatch(path):
            origin = absolute[1].lower().removesuffix(":80")
            path = absolute[2] if absolute[2].startswith("/") else f"/{absolute[2]}"
            message = message._replace(path=path, url=_make_url(path))
        elif origin is None and self._is_proxy and (host := message.headers.get("Host")):
            origin = f"http://{host.lower().removesuffix(':80')}"
        # Not by `request[ORIGIN] = …`: newer versions of aiohttp warn of keys that older ones know only.
        state: dict[Any, Any] = {} if origin is None else {ORIGIN: origin}
        return web.Request(
            message, payload, protocol, writer, task, loop, client_max_size=_LARGEST_BODY, state=state
        )


def _make_url(target: str) -> URL:
    path, _, query = target.partition("?")
    return URL.build(path=path, query_string=query, encoded=True)
