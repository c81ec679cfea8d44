"""Serve the inspector's page, its events and its commands, on 127.0.0.1 to whoever has the token."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from importlib import resources
from typing import Any

from aiohttp import web

from pytest_sharedworker.inspector.access import (
    SECURITY_HEADERS,
    is_command_allowed,
    is_host_allowed,
    is_token_valid,
)
from pytest_sharedworker.inspector.commands import CommandQueue, NotPausedError
from pytest_sharedworker.inspector.feed import EventFeed

BATCH_SECONDS = 0.1
"""How long events are collected for one message."""
KEEP_ALIVE_SECONDS = 10.0
_TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript"}


class InspectorServer:
    """The server of one inspector; `url` holds the token."""

    def __init__(self, feed: EventFeed, commands: CommandQueue) -> None:
        self._feed = feed
        self._commands = commands
        self._token = secrets.token_urlsafe(24)
        self._runner: web.AppRunner | None = None
        self._port = 0
        self._state: dict[str, Any] = {"isPaused": False}
        self._state_number = 0
        self._is_stopping = False

    @property
    def url(self) -> str:
        """The address of the page; "" before the start."""
        return f"http://127.0.0.1:{self._port}/{self._token}/" if self._port else ""

    async def start(self) -> None:
        """Listen on a free port."""
        app = web.Application(middlewares=[self._guard], client_max_size=1 << 20)
        app.router.add_get("/{token}/", self._send_page)
        app.router.add_get("/{token}/events", self._send_events)
        app.router.add_post("/{token}/commands", self._run_command)
        app.router.add_get("/{token}/{file}", self._send_file)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self._port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Tell the pages that the test has ended, and stop. Idempotent."""
        self._is_stopping = True
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def set_state(self, state: dict[str, Any]) -> None:
        """Show this state of the test from now on, from any thread."""
        self._state = state
        self._state_number += 1

    @web.middleware
    async def _guard(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        token = request.path.split("/")[1]
        if not is_host_allowed(request.headers.get("Host"), self._port):
            response: web.StreamResponse = web.Response(status=421, text="This host is not the inspector's.")
        elif not is_token_valid(token, self._token):
            response = web.Response(status=404, text="There is nothing here.")
        else:
            try:
                response = await handler(request)
            except web.HTTPException as error:
                response = web.Response(status=error.status, text=error.reason)
        if not response.prepared:
            response.headers.update(SECURITY_HEADERS)
        return response

    async def _send_page(self, request: web.Request) -> web.Response:
        return _read_file("index.html")

    async def _send_file(self, request: web.Request) -> web.Response:
        return _read_file(request.match_info["file"])

    async def _send_events(self, request: web.Request) -> web.StreamResponse:
        """Send batches of events, and the state whenever it changes, until the test ends."""
        response = web.StreamResponse(
            headers={**SECURITY_HEADERS, "Content-Type": "text/event-stream; charset=utf-8"}
        )
        await response.prepare(request)
        with suppress(ConnectionResetError):  # The page was closed or loaded again.
            await self._write_events(response, _to_number(request.headers.get("Last-Event-ID")))
        return response

    async def _write_events(self, response: web.StreamResponse, position: int) -> None:
        seen_state = -1
        quiet_seconds = 0.0
        while not self._is_stopping:
            self._feed.update()
            events, position, lost = self._feed.get_batch(position)
            message = ""
            if seen_state != self._state_number:
                seen_state = self._state_number
                message = f"event: state\ndata: {json.dumps(self._state)}\n\n"
            if events:
                data = json.dumps({"events": events, "lost": lost})
                message += f"id: {position}\ndata: {data}\n\n"
            quiet_seconds = 0.0 if message else quiet_seconds + BATCH_SECONDS
            if quiet_seconds > KEEP_ALIVE_SECONDS:  # A write is how a closed connection shows.
                message, quiet_seconds = ": alive\n\n", 0.0
            if message:
                await response.write(message.encode())
            await asyncio.sleep(BATCH_SECONDS)
        self._feed.update()
        events, position, lost = self._feed.get_batch(position)
        last = json.dumps({"events": events, "lost": lost})
        await response.write(f"event: end\ndata: {last}\n\n".encode())

    async def _run_command(self, request: web.Request) -> web.Response:
        if not is_command_allowed(request.headers, request.headers.get("Host", "")):
            return web.json_response({"error": "commands come from the inspector's own page"}, status=403)
        try:
            body = json.loads(await request.text())
            name, arguments = body["name"], body.get("arguments", {})
            is_valid = isinstance(name, str) and isinstance(arguments, dict)
        except (ValueError, KeyError, TypeError, AttributeError):
            is_valid = False
        if not is_valid:
            return web.json_response({"error": "a command has a name and arguments"}, status=400)
        try:
            result = await self._commands.run(name, arguments)
        except NotPausedError as error:
            return web.json_response({"error": str(error)}, status=409)
        except Exception as error:  # Whatever the command raised is for the person at the page.
            text = str(error).encode("utf-8", "backslashreplace").decode() or type(error).__name__
            return web.json_response({"error": text})
        return web.json_response({"result": result})


def _read_file(name: str) -> web.Response:
    kind = _TYPES.get(name.rpartition(".")[2])
    file = resources.files(__package__).joinpath("view").joinpath(name)
    if kind is None or "/" in name or "\\" in name or not file.is_file():
        return web.Response(status=404, text="There is nothing here.")
    return web.Response(body=file.read_bytes(), content_type=kind, charset="utf-8")


def _to_number(text: str | None) -> int:
    return int(text) if text is not None and text.isdecimal() and len(text) < 16 else 0
