"""Bounds on connections: their number, and how long one may wait for its client.

Silent and slow clients must not stop others. So a connection that waits for its client (for the head of a
request, its body, or room to write the response) has a deadline; and where too many are open, the one that
has waited longest makes room for a new one. A connection whose request has arrived never does.

Every connection takes a file descriptor, and so do the database and the configuration: the number of
connections stays so far below the limit of the process that both can be opened at any time.
"""

import asyncio
import logging
import os
import sys
from collections.abc import Callable
from typing import Any

from aiohttp import web

from reference_server.limits import Limits

RESPONSE_TIMEOUT_SECONDS = 30.0
"""The longest time in which a client may read a response."""

SWEEP_SECONDS = 0.5
"""How often deadlines are checked."""

LISTEN_BACKLOG = 1024
"""How many connections the system queues. With few, clients wait for seconds beside a burst of others."""

MAX_ACCEPTED_AT_ONCE = 64
"""How many connections asyncio accepts before it runs anything else, and so before it can close others."""

RESERVED_DESCRIPTORS = 64
"""What the database, its readers, the configuration and the log may need."""

ROUNDS_TO_CLOSE = 3
"""How many rounds of the event loop pass between the accept of a connection and the close of another."""

logger = logging.getLogger(__name__)


class Connections:
    """The open connections of one server. Call `start` and `stop`."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        free = _count_free_descriptors()
        # A small part of all: the request of a new connection arrives before a burst of others replaces it.
        self.accepted_at_once = max(1, min(MAX_ACCEPTED_AT_ONCE, free // 16, limits.max_connections // 8))
        reserved = min(RESERVED_DESCRIPTORS, free // 2) + ROUNDS_TO_CLOSE * self.accepted_at_once
        self.max_open = max(1, min(limits.max_connections, free - reserved))
        if self.max_open < limits.max_connections:
            logger.warning("at most %d connections, because of the limit of open files", self.max_open)
        self._open: dict[Connection, None] = {}
        """In the order in which they began to wait; busy ones where they were before."""
        self._sweep_handle: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to check deadlines, in the running event loop."""
        self._sweep_handle = asyncio.get_running_loop().call_later(SWEEP_SECONDS, self._sweep)

    def stop(self) -> None:
        """Stop checking deadlines."""
        if self._sweep_handle is not None:
            self._sweep_handle.cancel()

    def add(self, connection: "Connection") -> None:
        """Add a new connection. If too many are open, close the one that has waited longest."""
        if len(self._open) >= self.max_open:
            oldest = next((each for each in self._open if each.waits_for_client), None)
            if oldest is None:
                connection.abort()
                return
            oldest.abort()
            del self._open[oldest]
        self._open[connection] = None

    def move_to_end(self, connection: "Connection") -> None:
        """Note that a connection begins to wait again."""
        if connection in self._open:
            del self._open[connection]
            self._open[connection] = None

    def remove(self, connection: "Connection") -> None:
        """Remove a connection that is closed."""
        self._open.pop(connection, None)

    def _sweep(self) -> None:
        now = asyncio.get_running_loop().time()
        for connection in list(self._open):
            if connection.waits_for_client and now >= connection.deadline:
                connection.abort()
        self.start()


class Connection(web.RequestHandler):
    """A connection with deadlines. The time that a body may take is limited where it is read."""

    def __init__(self, connections: Connections, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._connections = connections
        self._limits = connections.limits
        self._has_head_begun = False
        self._is_writing = False
        self.deadline = 0.0
        """When the connection is closed if it still waits for its client: the time of the event loop."""

    @property
    def waits_for_client(self) -> bool:
        """Whether the next step is the client's: to send the rest of a request, or to read the response."""
        if self._current_request is not None and not self._is_writing:
            return not self._current_request.content.is_eof()
        return True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._set_deadline(self._limits.head_timeout_seconds)
        self._connections.add(self)

    def data_received(self, data: bytes) -> None:
        """Note when the head of a request begins: a client may not send it slowly."""
        if not self._has_head_begun and self._current_request is None:
            self._has_head_begun = True
            self._set_deadline(self._limits.head_timeout_seconds)
        super().data_received(data)
        request = self._current_request
        if request is None and self._messages:  # The head is complete; its handler begins in a moment.
            self._set_deadline(self._limits.body_timeout_seconds + self._limits.head_timeout_seconds)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget the connection."""
        self._connections.remove(self)
        super().connection_lost(exc)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Write the response, within a time, and begin to wait for the next request."""
        self._is_writing = True
        self._set_deadline(RESPONSE_TIMEOUT_SECONDS)
        try:
            return await super().finish_response(request, resp, start_time)
        finally:
            self._is_writing = False
            self._has_head_begun = False
            self._set_deadline(self._limits.idle_timeout_seconds)
            self._connections.move_to_end(self)

    def abort(self) -> None:
        """Close the connection now, whatever has not been sent yet."""
        transport = self.transport
        self.force_close()
        if isinstance(transport, asyncio.Transport):
            transport.abort()

    def _set_deadline(self, seconds: float) -> None:
        self.deadline = asyncio.get_running_loop().time() + seconds


class LimitedSite(web.BaseSite):
    """Listens on an address, like `web.TCPSite`, with connections that `create_connection` creates."""

    def __init__(
        self,
        runner: web.AppRunner,
        host: str,
        port: int,
        connections: Connections,
        create_connection: Callable[[], Connection],
    ) -> None:
        super().__init__(runner, backlog=LISTEN_BACKLOG)
        self._host = host
        self._port = port
        self._connections = connections
        self._create_connection = create_connection

    @property
    def name(self) -> str:
        """The address as a URL."""
        return f"http://{self._host}:{self._port}"

    async def start(self) -> None:
        """Listen."""
        await super().start()
        self._server = await asyncio.get_running_loop().create_server(
            self._create_connection,
            self._host,
            self._port,
            backlog=self._connections.accepted_at_once,  # asyncio uses one number for two things
        )
        for listening in self._server.sockets:
            with listening.dup() as duplicate:
                duplicate.listen(LISTEN_BACKLOG)
        self._connections.start()

    async def stop(self) -> None:
        """Stop listening."""
        self._connections.stop()
        await super().stop()


def _count_free_descriptors() -> int:
    """Return how many files the process may still open."""
    if sys.platform == "win32":
        return sys.maxsize
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return sys.maxsize
    return max(0, soft - len(os.listdir("/dev/fd")))
