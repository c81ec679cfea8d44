"""Worker scripts: how the gateway recognizes one, and puts the prologue in front of it."""

from __future__ import annotations

import json

from aiohttp import web
from multidict import CIMultiDict

from pytest_sharedworker.gateway.content_encoding import decode_body, list_encodings
from pytest_sharedworker.gateway.csp import (
    HEADERS,
    allow_control,
    allow_inline_workers,
    allows_inline_workers,
)
from pytest_sharedworker.gateway.headers import NOT_FORWARDED, remove_headers
from pytest_sharedworker.gateway.messages import RawResponse
from pytest_sharedworker.gateway.patterns import Origin, Pattern, URLMatch
from pytest_sharedworker.gateway.request_parser import get_url
from pytest_sharedworker.gateway.worker_support import WorkerSupport
from pytest_sharedworker.injected.prologue import OWN_PREFIX, import_module, make_module
from pytest_sharedworker.injected.script_syntax import has_static_imports, is_strict
from pytest_sharedworker.injected.script_text import read_script

_IMPORT = """
try {
    importScripts(%s);
} catch (error) {
    if (error instanceof TypeError && error.message.includes("odule")) {
        throw new Error("pytest-sharedworker: this module script has the content encoding " + %s
            + ", which needs a Python package to decode it (brotli, zstandard)");
    }
    throw error;
}
""".replace("\n", " ")
"""Runs a classic script that the gateway cannot decode."""

_DECODING = ("Content-Encoding", "Content-Type")
"""By which a browser decodes a script."""


class WorkerScripts:
    """The worker scripts of one gateway."""

    def __init__(self, origin: Origin, workers: WorkerSupport, control_port: int) -> None:
        self.urls: set[str] = set()
        """The URLs, without a query, of all scripts that browsers requested as SharedWorkers."""
        self.prefixes: set[str] = set()
        """What was put in front of scripts, each text with the space at its end."""
        self.pages_without_inline_workers: set[str] = set()
        """The URLs of pages whose policies forbid workers of blob: and data: URLs."""
        self._origin = origin
        self._workers = workers
        self._control_port = control_port
        self._patterns: list[Pattern] = []
        self._own: dict[str, RawResponse] = {}
        self._prefixes_by_url: dict[str, str] = {}

    def add_pattern(self, pattern: URLMatch) -> None:
        """Recognize scripts by a pattern, too: without Fetch Metadata, or behind a service worker.

        Raise GatewayError.
        """
        self._patterns.append(self._origin.compile(pattern))

    def is_requested_by(self, request: web.Request) -> bool:
        """Return whether a browser requests the main script of a SharedWorker."""
        # Modules that a worker imports are fetched with mode "cors" (HTML, "fetch a module worker script
        # graph": only the top-level script has mode "same-origin").
        destination = request.headers.get("Sec-Fetch-Dest")
        if destination == "sharedworker":
            return request.headers.get("Sec-Fetch-Mode") == "same-origin"
        # A service worker's own fetch has the destination "empty", also for the script of a SharedWorker.
        url = get_url(request, self._origin.url)
        return destination in (None, "empty") and self._has_pattern(request.method, url)

    def has(self, url: str) -> bool:
        """Return whether a script of this URL was served as a worker's."""
        return url.partition("?")[0] in self.urls

    def find_prefix(self, url: str) -> str | None:
        """Return what was put in front of the script of a URL last, if anything."""
        return self._prefixes_by_url.get(self._origin.normalize(url).partition("?")[0])

    def is_referred_by(self, referer: str) -> bool:
        """Return whether a request with this Referer comes from a worker."""
        url = self._origin.normalize(referer)
        return self.has(url) or self._has_pattern("GET", url)

    def _has_pattern(self, method: str, url: str) -> bool:
        return any(pattern.matches(method, url) for pattern in self._patterns)

    def serve(self, url: str, response: RawResponse) -> RawResponse:
        """Return the response with the script as it is sent: behind the prologue, if any."""
        self.urls.add(url.partition("?")[0])
        prologue = self._workers.prologue()
        headers = response.headers.copy()
        if prologue is not None or self._workers.has_gate:
            for name in ("ETag", "Last-Modified", "Cache-Control"):
                headers.popall(name, None)
            headers["Cache-Control"] = "no-store"
        if prologue is None:
            return response._replace(headers=headers)
        allow_control(headers, self._control_port)
        body = self._add_prologue(url, prologue, response, headers)
        if response.stream is not None and "Content-Length" in headers:  # A script that breaks off.
            headers["Content-Length"] = str(int(headers["Content-Length"]) + len(body) - len(response.body))
        return response._replace(headers=headers, body=body)

    def _add_prologue(
        self, url: str, prologue: str, response: RawResponse, headers: CIMultiDict[str]
    ) -> bytes:
        encodings = ", ".join(list_encodings(headers))
        headers.popall("Content-Encoding", None)
        decoded = decode_body(response.body, response.headers)
        if encodings and decoded is response.body:  # The browser may decode it, in a response of its own.
            script_path = self._serve_own("script", response)
            return f"{prologue} {_IMPORT % (json.dumps(script_path), json.dumps(encodings))}".encode()
        script = read_script(decoded, headers.get("Content-Type", ""))
        prefix = self._make_prefix(prologue, script.utf8)
        self._prefixes_by_url[url.partition("?")[0]] = prefix
        return script.put_behind(prefix)

    def _make_prefix(self, prologue: str, script: bytes, origin: str = "") -> str:
        if has_static_imports(script):
            kind = CIMultiDict({"Content-Type": "text/javascript; charset=utf-8"})
            own = RawResponse(200, kind, make_module(prologue).encode())
            prefix = import_module(origin + self._serve_own("prologue", own))
        else:
            directive = '"use strict"; ' if is_strict(script) else ""
            prefix = f"{directive}{prologue} "
        self.prefixes.add(prefix)
        return prefix

    def make_inline_prefix(self, url: str, script: bytes, origin: str | None = None) -> str | None:
        """Return what is put in front of a script that is in a blob: or data: URL of a page.

        `origin` is that of a page that is not the gateway's own.
        """
        prologue = self._workers.prologue(url, origin)
        return None if prologue is None else self._make_prefix(prologue, script, origin or self._origin.url)

    def serve_page(self, url: str, response: RawResponse) -> RawResponse:
        """Return the response with a page, whose inline workers may reach the plugin."""
        self.pages_without_inline_workers.discard(url)
        if not any(name in response.headers for name in HEADERS) or self._workers.prologue() is None:
            return response
        if not allows_inline_workers(response.headers):
            self.pages_without_inline_workers.add(url)
            return response
        headers = response.headers.copy()
        allow_inline_workers(headers, self._control_port)
        return response._replace(headers=headers)

    def _serve_own(self, name: str, response: RawResponse) -> str:
        for path, own in self._own.items():
            if own.body == response.body and all(
                own.headers.get(header) == response.headers.get(header) for header in _DECODING
            ):
                return path
        path = f"{OWN_PREFIX}{name}-{len(self._own)}.js"
        self._own[path] = response
        return path

    async def wait_at_gate(self, path: str) -> None:
        """Return when the script at `path` (with its query) may be sent."""
        await self._workers.wait_at_gate(path)

    def respond_own(self, request: web.Request) -> web.Response:
        """Respond to a request below OWN_PREFIX."""
        own = self._own.get(request.path)
        if own is None:
            return web.Response(status=404)
        headers = remove_headers(own.headers, NOT_FORWARDED | {"cache-control", "etag", "last-modified"})
        headers["Cache-Control"] = "no-store"
        headers["Access-Control-Allow-Origin"] = "*"  # A worker of a data: URL has an origin of its own.
        response = web.Response(body=own.body, headers=headers)
        response.force_close()
        return response
