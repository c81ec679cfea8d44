"""The listener: the gateway's port, which can refuse connections and accept them again."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress

from aiohttp import web

from pytest_sharedworker.errors import GatewayError
from pytest_sharedworker.gateway.request_parser import RequestServer

_HOST = "127.0.0.1"
_BACKLOG = 128


class Listener:
    """One port of 127.0.0.1, served by `handle`. All methods run in the loop's thread."""

    def __init__(self, handle: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> None:
        self._handle = handle
        self._runner: web.ServerRunner | None = None
        self._site: web.BaseSite | None = None
        self._socket: socket.socket | None = None
        self._port = 0

    @property
    def is_open(self) -> bool:
        """Whether it accepts connections."""
        return self._site is not None

    async def start(self, port: int) -> str:
        """Listen on a port (0: a free one) and return the origin. Raise GatewayError."""
        self._runner = web.ServerRunner(RequestServer(self._handle), shutdown_timeout=0.1)
        await self._runner.setup()
        try:
            await self._listen(port)
        except OSError as error:
            await self.stop()
            raise GatewayError(
                f"the gateway cannot listen on {_HOST}:{port} ({error.strerror or error});"
                " choose another port, or 0 for a free one"
            ) from error
        return f"http://{_HOST}:{self._port}"

    async def refuse(self) -> None:
        """Refuse connections from now on."""
        if self._site is None or self._socket is None:
            return
        # asyncio never closes a connection that it has accepted in the turn in which its server is closed,
        # and warns of it later. Therefore accept no more, and let that turn end first.
        with suppress(NotImplementedError):  # Windows
            asyncio.get_running_loop().remove_reader(self._socket)
        await asyncio.sleep(0)
        await self._site.stop()
        self._site = self._socket = None

    async def accept(self) -> None:
        """Accept connections again, on the same port."""
        if self._site is None and self._runner is not None:
            await self._listen(self._port)

    async def stop(self) -> None:
        """Close every connection. Idempotent."""
        await self.refuse()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _listen(self, port: int) -> None:
        assert self._runner is not None
        self._socket = socket.create_server((_HOST, port), backlog=_BACKLOG)
        site = web.SockSite(self._runner, self._socket, backlog=_BACKLOG)
        await site.start()
        self._site = site
        self._port = self._socket.getsockname()[1]
