"""Workers whose script is in a blob: or data: URL: pages ask here what to put in front of it.

`injected/inline-workers.js` is the other end.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from urllib.parse import urldefrag

from aiohttp import web

from pytest_sharedworker.gateway.request_parser import get_proxied_origin
from pytest_sharedworker.gateway.worker_scripts import WorkerScripts
from pytest_sharedworker.gateway.worker_support import WorkerSupport
from pytest_sharedworker.injected.prologue import OWN_PREFIX

PATH = f"{OWN_PREFIX}inline"

_START_TIME = timedelta(seconds=5)
"""How long a worker may take from its constructor to its first line."""


@dataclass
class InlineWorkers:
    """The inline workers of one gateway."""

    scripts: WorkerScripts
    workers: WorkerSupport
    starts: list[tuple[str, datetime]] = field(default_factory=list)
    """The URLs that pages gave to constructors, and when."""
    _wrapped: dict[str, tuple[str, datetime]] = field(default_factory=dict)

    async def respond(self, request: web.Request) -> web.Response:
        """Respond to a page that constructs an inline worker."""
        try:
            question = json.loads(await request.text())
            answer = self._answer(question, get_proxied_origin(request))
        except (ValueError, KeyError, TypeError):
            return web.Response(status=400)
        response = web.json_response(answer, headers={"Cache-Control": "no-store"})
        response.force_close()
        return response

    def find_wrapped(self, url: str) -> str | None:
        """Return the URL of the blob that runs in place of a blob's."""
        return self._wrapped[url][0] if url in self._wrapped else None

    def _answer(self, question: dict[str, object], origin: str | None) -> dict[str, object]:
        url = str(question["url"])
        if wrapped := question.get("wrapped"):
            running = self._find_running(url)
            if running is None or running == question.get("replaced"):
                running = str(wrapped)
            self._wrapped[url] = running, datetime.now(timezone.utc)
            return {"running": running}
        if "script" in question:
            self.starts.append((url, datetime.now(timezone.utc)))
            # A classic script with imports does not run at all.
            script = str(question["script"]).encode("utf-8", "replace")
            return {"prefix": self.scripts.make_inline_prefix(url, script, origin)}
        is_forbidden = urldefrag(str(question["page"]))[0] in self.scripts.pages_without_inline_workers
        return {
            "running": self._find_running(url),
            "isStarted": self.workers.has_worker(url),
            "isForbidden": is_forbidden,
        }

    def _find_running(self, url: str) -> str | None:
        """Return the URL that an earlier constructor has given to the browser, if its worker lives."""
        if url not in self._wrapped:
            return None
        wrapped, since = self._wrapped[url]
        is_starting = datetime.now(timezone.utc) - since < _START_TIME
        return wrapped if is_starting or self.workers.has_worker(url) else None
