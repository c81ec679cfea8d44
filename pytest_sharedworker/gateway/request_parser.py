"""Read requests as a browser sends them: any method in its own case, and long headers."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web
from aiohttp.http_parser import HttpRequestParserPy, RawRequestMessagePy

LONGEST_LINE = 1 << 18
MOST_HEADERS = 1 << 15
_LARGEST_BODY = 1 << 30


class _RequestParser(HttpRequestParserPy):
    """aiohttp's fast parser knows a list of methods only, and this one writes them in upper case.

    Lax: a script may put any character but CR, LF and NUL in a header's value (Fetch, "header value").
    """

    lax = True

    def parse_message(self, lines: list[bytes]) -> RawRequestMessagePy:
        message = super().parse_message(lines)
        return message._replace(method=lines[0].partition(b" ")[0].decode("ascii"))


class RequestServer(web.Server):
    """aiohttp's server with this parser."""

    def __init__(self, handler: Any) -> None:
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
        return web.Request(message, payload, protocol, writer, task, loop, client_max_size=_LARGEST_BODY)
