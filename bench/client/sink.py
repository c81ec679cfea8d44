"""The sink: one server that serves each client's page and takes what each client posts."""

from __future__ import annotations

import gzip
import re
import zlib
from collections import Counter
from dataclasses import dataclass, field

from aiohttp import web

from bench.client.peers import Client
from pytest_sharedworker.integration.event_loop_thread import LoopThread

_CONFIGURATION = {
    "status": "success",
    "disable_ui_telemetry": False,
    "ui_rollout_percentage": 100,
    "accept_encodings": ["gzip"],
}
_RUDDERSTACK_SOURCE = {
    "source": {
        "id": "bench",
        "writeKey": "bench",
        "name": "bench",
        "enabled": True,
        "workspaceId": "bench",
        "connections": [],
        "destinations": [],
        "config": {"statsCollection": {"errors": {"enabled": False}, "metrics": {"enabled": False}}},
    }
}
_MARK = re.compile(r"bench-mark-\d+-\d+")
_PAGE = "<!doctype html><title>{name}</title><link rel=icon href=data:,>{scripts}"
MAX_BODY_BYTES = 64 * 2**20


@dataclass
class Received:
    """What one client has posted."""

    requests: int = 0
    body_bytes: int = 0
    events: Counter[str] = field(default_factory=Counter)


class Sink:
    """The server. Requests of a client begin with its name, or carry its page in the Referer."""

    def __init__(self, loop_thread: LoopThread, clients: list[Client]) -> None:
        self._loop_thread = loop_thread
        self._clients = {client.name: client for client in clients}
        self._runner: web.AppRunner | None = None
        self.received: dict[str, Received] = {client.name: Received() for client in clients}
        self.url = ""

    def start(self) -> None:
        """Start the server on a free port of the loopback interface."""
        self._loop_thread.run(self._start())

    async def _start(self) -> None:
        app = web.Application(client_max_size=MAX_BODY_BYTES)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"

    def stop(self) -> None:
        """Stop the server."""
        assert self._runner is not None
        self._loop_thread.run(self._runner.cleanup())

    def get_page_url(self, client: Client) -> str:
        """Return the URL of the client's page."""
        return f"{self.url}/{client.name}/page.html"

    async def _handle(self, request: web.Request) -> web.Response:
        name = self._find_client(request)
        if request.method in ("POST", "PUT"):
            await self._receive(request, self.received[name])
            return web.json_response({"status": "success"})
        path = request.path.removeprefix(f"/{name}/")
        client = self._clients[name]
        if path == "page.html":
            tags = "".join(
                f'<script src="{script}"></script>'
                for script in ("main.js", "entry.js")
                if script in client.scripts
            )
            return web.Response(text=_PAGE.format(name=name, scripts=tags), content_type="text/html")
        if path in client.scripts:
            return web.Response(body=client.scripts[path], content_type="text/javascript")
        if "sourceConfig" in path:
            return web.json_response(_RUDDERSTACK_SOURCE)
        return web.json_response(_CONFIGURATION)

    def _find_client(self, request: web.Request) -> str:
        for url in (request.path, request.headers.get("Referer", "")):
            name = url.removeprefix(self.url).split("/")[1:2]
            if name and name[0] in self._clients:
                return name[0]
        raise web.HTTPNotFound

    async def _receive(self, request: web.Request, received: Received) -> None:
        # aiohttp decodes the body of a request with Content-Encoding; what was sent is the header's length.
        body = await request.read()
        received.requests += 1
        received.body_bytes += request.content_length or len(body)
        if body[:2] == b"\x1f\x8b":
            body = gzip.decompress(body)
        elif body[:1] == b"\x78":
            body = zlib.decompress(body)
        # An event may carry its text more than once.
        received.events.update(set(_MARK.findall(body.decode("utf-8", "replace"))))
