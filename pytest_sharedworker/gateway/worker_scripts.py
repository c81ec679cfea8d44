"""Worker scripts: how the gateway recognizes one, and puts the prologue in front of it."""

from __future__ import annotations

from urllib.parse import urlsplit

from aiohttp import web
from multidict import CIMultiDict

from pytest_sharedworker.gateway.csp import allow_control
from pytest_sharedworker.gateway.messages import RawResponse
from pytest_sharedworker.gateway.patterns import Origin, Pattern, URLMatch
from pytest_sharedworker.gateway.worker_support import WorkerSupport
from pytest_sharedworker.injected.prologue import OWN_PREFIX
from pytest_sharedworker.injected.script_syntax import has_static_imports, is_strict


class WorkerScripts:
    """The worker scripts of one origin."""

    def __init__(self, origin: Origin, workers: WorkerSupport, control_port: int) -> None:
        self.paths: set[str] = set()
        """The paths of all scripts that browsers requested as SharedWorkers."""
        self.prefixes: set[str] = set()
        """What was put in front of scripts, each text with the space at its end."""
        self._origin = origin
        self._workers = workers
        self._control_port = control_port
        self._patterns: list[Pattern] = []
        self._own: dict[str, str] = {}

    def add_pattern(self, pattern: URLMatch) -> None:
        """Recognize scripts by a pattern, too, where browsers send no Fetch Metadata. Raise GatewayError."""
        self._patterns.append(self._origin.compile(pattern))

    def is_requested_by(self, request: web.Request) -> bool:
        """Return whether a browser requests the main script of a SharedWorker."""
        # Modules that a worker imports are fetched with mode "cors" (HTML, "fetch a module worker script
        # graph": only the top-level script has mode "same-origin").
        destination = request.headers.get("Sec-Fetch-Dest")
        if destination is not None:
            return destination == "sharedworker" and request.headers.get("Sec-Fetch-Mode") == "same-origin"
        return self._has_pattern(request.method, request.raw_path)

    def is_referred_by(self, referer: str) -> bool:
        """Return whether a request with this Referer comes from a worker."""
        parts = urlsplit(referer)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        return parts.path in self.paths or self._has_pattern("GET", target)

    def _has_pattern(self, method: str, target: str) -> bool:
        return any(pattern.matches(method, self._origin.url + target) for pattern in self._patterns)

    def serve(self, path: str, response: RawResponse) -> RawResponse:
        """Return the response with the script as it is sent: behind the prologue, if any."""
        headers = response.headers.copy()
        body = self._serve(path, response.body, headers)
        if response.stream is not None and "Content-Length" in headers:  # A script that breaks off.
            headers["Content-Length"] = str(int(headers["Content-Length"]) + len(body) - len(response.body))
        return response._replace(headers=headers, body=body)

    def _serve(self, path: str, script: bytes, headers: CIMultiDict[str]) -> bytes:
        self.paths.add(path)
        prologue = self._workers.prologue()
        if prologue is not None or self._workers.has_gate:
            for name in ("ETag", "Last-Modified", "Cache-Control"):
                headers.popall(name, None)
            headers["Cache-Control"] = "no-store"
        if prologue is None:
            return script
        allow_control(headers, self._control_port)
        if not has_static_imports(script):
            directive = '"use strict"; ' if is_strict(script) else ""
            return self._put_before(f"{directive}{prologue} ", script)
        own_path = f"{OWN_PREFIX}prologue-{len(self._own)}.js"
        self._own[own_path] = prologue
        return self._put_before(f'import "{own_path}"; ', script)

    async def wait_at_gate(self, path: str) -> None:
        """Return when the script at `path` (with its query) may be sent."""
        await self._workers.wait_at_gate(path)

    def _put_before(self, prefix: str, script: bytes) -> bytes:
        self.prefixes.add(prefix)
        return prefix.encode() + script

    def respond_own(self, request: web.Request) -> web.Response:
        """Respond to a request below OWN_PREFIX."""
        text = self._own.get(request.path)
        if text is None:
            return web.Response(status=404)
        response = web.Response(text=text, content_type="text/javascript")
        response.headers["Cache-Control"] = "no-store"
        response.force_close()
        return response
