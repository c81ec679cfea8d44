"""The control channel: a server to which every worker with a prologue reports.

One a test session, on its own port, so that it stays up while a gateway is down. A worker first sends
`POST /start`, synchronously, before its own first line; then it keeps `GET /socket/<id>` open for as
long as it lives, so that the plugin knows when it ends, in every browser.
"""

from __future__ import annotations

import asyncio
import json
import math
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone

from aiohttp import web

from pytest_sharedworker.control.session import ControlChannel, WorkerRegistry
from pytest_sharedworker.integration.event_loop_thread import LoopThread

SOCKET_TIMEOUT_SECONDS = 5.0
"""A worker died at its start, or its last tab closed too soon, if no socket at all came for so long.

Chromium opens the WebSockets of a process with pauses where many wait: the last of many is long in coming.
"""

LARGEST_REQUEST_TIME = timedelta(seconds=1)
"""Where the browser's date differs by more, its machine has another clock; by less, the request took time."""

_CORS = {"Access-Control-Allow-Origin": "*"}


class ControlServer:
    """Serves the control channel on 127.0.0.1."""

    def __init__(self, loop_thread: LoopThread) -> None:
        self._loop_thread = loop_thread
        self._registries: dict[str, WorkerRegistry] = {}
        self._channels: dict[str, ControlChannel] = {}
        self._sockets: set[web.WebSocketResponse] = set()
        self._last_socket_monotonic = -math.inf
        self._runner: web.AppRunner | None = None
        self.port = 0

    async def start(self) -> None:
        """Listen on a free port."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self.respond)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Close every channel and stop listening. Idempotent."""
        for socket in list(self._sockets):
            await socket.close()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def open_registry(self) -> WorkerRegistry:
        """Return a new registry, whose token the prologues of its workers carry."""
        registry = WorkerRegistry(secrets.token_hex(8))
        self._registries[registry.token] = registry
        return registry

    def close_registry(self, registry: WorkerRegistry) -> None:
        """Forget a registry: workers that start from now on with its token are rejected."""
        self._registries.pop(registry.token, None)
        for channel in registry.channels:
            self._channels.pop(channel.id, None)

    def get_channel(self, worker_id: str) -> ControlChannel | None:
        """Return the channel of a worker, by its id."""
        return self._channels.get(worker_id)

    def list_channels(self) -> list[ControlChannel]:
        """Return the channels of all workers of the tests that run."""
        return list(self._channels.values())

    async def respond(self, request: web.Request) -> web.StreamResponse:
        """Respond to a request, also to one that came through a gateway's proxy."""
        _, what, *rest = request.path.split("/")
        channel = self._channels.get(rest[0]) if rest else None
        match request.method, what:
            case "POST", "start":
                return await self._start(request)
            case "POST", "messages":
                return await self._receive(request, channel)
            case "POST", "end":
                return await self._end(request, channel)
            case "GET", "socket":
                return await self._socket(request, channel)
        return web.Response(status=404)

    async def _start(self, request: web.Request) -> web.Response:
        message = json.loads(await request.text())
        registry = self._registries.get(message["token"])
        if registry is None:
            return web.Response(status=410, text="its test is over", headers=_CORS)
        channel = ControlChannel(
            secrets.token_hex(6),
            message["name"],
            message["url"],
            self._loop_thread,
            registry.changes,
            message.get("host", ""),
        )
        browser_date = datetime.fromtimestamp(message["atMs"] / 1000, timezone.utc)
        if abs(channel.started_at - browser_date) > LARGEST_REQUEST_TIME:
            channel.clock_skew = channel.started_at - browser_date
        channel.ignored_requests += registry.ignored_requests
        channel.virtual_offset = registry.elapsed_ms
        self._channels[channel.id] = channel
        registry.channels.append(channel)
        for callback in registry.at_start:
            await callback(channel)
        registry.changes.notify()
        self._expect_socket(channel, SOCKET_TIMEOUT_SECONDS)
        return web.json_response({"id": channel.id, "epochMs": round(registry.read_date_ms())}, headers=_CORS)

    def _expect_socket(self, channel: ControlChannel, seconds: float) -> None:
        def check() -> None:
            left = self._last_socket_monotonic + SOCKET_TIMEOUT_SECONDS - time.monotonic()
            if left > 0 and not channel.connected:
                self._expect_socket(channel, left)
            else:
                channel.end_unless_connected()

        asyncio.get_running_loop().call_later(seconds, check)

    async def _receive(self, request: web.Request, channel: ControlChannel | None) -> web.Response:
        """Receive messages of a worker that waits until they have arrived."""
        if channel is not None:
            for message in json.loads(await request.text()):
                channel.receive(message)
        return web.Response(headers=_CORS)

    async def _end(self, request: web.Request, channel: ControlChannel | None) -> web.Response:
        """Receive the last messages of a worker that closes itself."""
        if channel is not None:
            for message in json.loads(await request.text()):
                channel.receive(message)
            channel.end_unless_connected()  # Where it is, the end of the socket shows when it is really gone.
        return web.Response(headers=_CORS)

    async def _socket(self, request: web.Request, channel: ControlChannel | None) -> web.StreamResponse:
        if channel is None:
            return web.Response(status=410)
        socket = web.WebSocketResponse(max_msg_size=0)
        try:
            await socket.prepare(request)
        except ConnectionError:  # The worker has ended meanwhile.
            channel.end_unless_connected()
            return web.Response()
        self._last_socket_monotonic = time.monotonic()
        self._sockets.add(socket)
        try:
            await channel.serve(socket)
        finally:
            self._sockets.discard(socket)
        return socket


@contextmanager
def start_control_server() -> Iterator[tuple[LoopThread, ControlServer]]:
    """Start a control server in a thread of its own, for a program without pytest; stop both in the end."""
    loop_thread = LoopThread()
    try:
        control = ControlServer(loop_thread)
        loop_thread.run(control.start())
        try:
            yield loop_thread, control
        finally:
            loop_thread.run(control.stop())
    finally:
        loop_thread.close()
