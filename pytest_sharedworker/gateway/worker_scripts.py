"""Worker scripts: how the gateway knows one, and puts the prologue in front of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from aiohttp import web
from multidict import CIMultiDict

from pytest_sharedworker.gateway.patterns import Pattern
from pytest_sharedworker.injected.script_syntax import has_static_imports, is_strict

OWN_PREFIX = "/__pytest_sharedworker__/"
"""Paths below it belong to the harness; they are neither forwarded nor in the journal."""


class WorkerScripts:
    """The worker scripts of one origin."""

    def __init__(self, control_port: int) -> None:
        self.patterns: list[Pattern] = []
        self.prologue: Callable[[], str | None] = lambda: None
        self.paths: set[str] = set()
        """The paths of all scripts that browsers asked for as SharedWorkers."""
        self.prefixes: set[str] = set()
        """What has been put in front of scripts, each text with the space at its end."""
        self.gate: Callable[[str], Awaitable[None]] | None = None
        """Awaited, with path and query, before a script's body is sent; then no script is kept in a cache."""
        self._control_port = control_port
        self._own: dict[str, str] = {}

    def asked_for(self, request: web.Request) -> bool:
        """Whether a browser asks for the main script of a SharedWorker."""
        # Modules that a worker imports are fetched with mode "cors" (HTML, "fetch a module worker script
        # graph": only the top-level script has mode "same-origin").
        destination = request.headers.get("Sec-Fetch-Dest")
        if destination is not None:
            return destination == "sharedworker" and request.headers.get("Sec-Fetch-Mode") == "same-origin"
        return any(pattern.matches(request.method, request.path) for pattern in self.patterns)

    def is_referred_by(self, referer: str) -> bool:
        """Whether a request with this Referer comes from a worker."""
        path = urlsplit(referer).path
        return path in self.paths or any(pattern.matches("GET", path) for pattern in self.patterns)

    def serve(self, path: str, script: bytes, headers: CIMultiDict[str]) -> bytes:
        """The script as it is sent: behind the prologue, if there is one; changes `headers` to fit."""
        self.paths.add(path)
        prologue = self.prologue()
        if prologue is not None or self.gate is not None:
            for name in ("ETag", "Last-Modified", "Cache-Control"):
                headers.popall(name, None)
            headers["Cache-Control"] = "no-store"
        if prologue is None:
            return script
        _allow_control(headers, self._control_port)
        if not has_static_imports(script):
            directive = '"use strict"; ' if is_strict(script) else ""
            return self._behind(f"{directive}{prologue} ", script)
        own_path = f"{OWN_PREFIX}prologue-{len(self._own)}.js"
        self._own[own_path] = prologue
        return self._behind(f'import "{own_path}"; ', script)

    def _behind(self, prefix: str, script: bytes) -> bytes:
        self.prefixes.add(prefix)
        return prefix.encode() + script

    def answer_own(self, request: web.Request) -> web.Response:
        """Answer a request below OWN_PREFIX."""
        text = self._own.get(request.path)
        if text is None:
            return web.Response(status=404)
        response = web.Response(text=text, content_type="text/javascript")
        response.headers["Cache-Control"] = "no-store"
        response.force_close()
        return response


def _allow_control(headers: CIMultiDict[str], port: int) -> None:
    """Let a worker under a Content-Security-Policy reach the control channel, and nothing else."""
    # Several headers, or one with commas, are as many policies, and all of them count.
    lines = headers.popall("Content-Security-Policy", [])
    for policy in (policy for line in lines for policy in line.split(",")):
        headers.add("Content-Security-Policy", _with_control(policy, port))


def _with_control(policy: str, port: int) -> str:
    directives = [directive.strip() for directive in policy.split(";") if directive.strip()]
    names = [directive.split()[0].lower() for directive in directives]
    sources = f"http://*:{port} ws://*:{port}"
    if "connect-src" in names:
        index = names.index("connect-src")
        words = [word for word in directives[index].split()[1:] if word != "'none'"]
        directives[index] = " ".join(["connect-src", *words, sources])
    elif "default-src" in names:
        words = [word for word in directives[names.index("default-src")].split()[1:] if word != "'none'"]
        directives.append(" ".join(["connect-src", *words, sources]))
    return "; ".join(directives)
