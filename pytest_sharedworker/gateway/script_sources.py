"""What a source map needs of the gateway: the scripts that passed it, and the map itself.

The journal does not show the fetch of a map, which is the plugin's and not the app's.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timezone

from multidict import CIMultiDict

from pytest_sharedworker.gateway.body_stream import read_whole
from pytest_sharedworker.gateway.content_encoding import decode_body
from pytest_sharedworker.gateway.exchange import Exchange
from pytest_sharedworker.gateway.exchange_control import ClientDisconnectedError
from pytest_sharedworker.gateway.journal import Journal
from pytest_sharedworker.gateway.messages import UpstreamRequest
from pytest_sharedworker.gateway.origins.registry import Origins
from pytest_sharedworker.gateway.patterns import Origin
from pytest_sharedworker.integration.event_loop_thread import LoopThread
from pytest_sharedworker.source_maps.script_maps import Script

_PATIENCE_SECONDS = 5


class ScriptSources:
    """Scripts and maps of the origins behind a gateway."""

    def __init__(self, loop_thread: LoopThread, own: Origin, journal: Journal, origins: Origins) -> None:
        self._loop_thread = loop_thread
        self._journal = journal
        self._origins = origins
        self._own = own

    def find_script(self, url: str) -> Script | None:
        """Return the last script that a browser got for a URL; None where there is none."""
        url = self._own.normalize(url)
        for exchange in reversed(self._journal.exchanges):
            if exchange.url == url and exchange.status == 200:
                body = decode_body(exchange.response_body, exchange.response_headers)
                headers = exchange.response_headers
                header = headers.get("SourceMap") or headers.get("X-SourceMap") or ""
                return Script(body.decode("utf-8", "replace"), header)
        return None

    def fetch(self, url: str) -> bytes | None:
        """Return what the origin has under a URL; None for another status than 200 or another origin."""
        return self._loop_thread.run(self._fetch(self._own.normalize(url))) if self._own.covers(url) else None

    async def _fetch(self, url: str) -> bytes | None:
        request = UpstreamRequest("GET", url, CIMultiDict({"Accept-Encoding": "identity"}), b"")
        try:
            response = self._origins.respond(request)
            if response is None:
                fetching = self._origins.fetch(request, _make_exchange(request))
                response = await asyncio.wait_for(fetching, _PATIENCE_SECONDS)
            response = await read_whole(response, patience=_PATIENCE_SECONDS)
        except (asyncio.TimeoutError, ClientDisconnectedError):
            return None
        return decode_body(response.body, response.headers) if response.status == 200 else None


def _make_exchange(request: UpstreamRequest) -> Exchange:
    """Return an exchange that no journal has."""
    return Exchange(
        number=0,
        method=request.method,
        url=request.url,
        path="",
        request_headers=request.headers,
        request_body=b"",
        sender="unknown",
        worker_id=None,
        request_number=None,
        virtual_time=None,
        started_at=datetime.now(timezone.utc),
        started_seconds=0,
    )
