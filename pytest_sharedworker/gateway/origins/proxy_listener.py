"""The port of the forward proxy: requests in absolute form, and tunnels (CONNECT), which end here.

Inside a tunnel is TLS (https, wss) or a plain handshake of a WebSocket (ws).
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any
from weakref import WeakSet

from aiohttp import web

from pytest_sharedworker.browsers.remote import ProxyAddress
from pytest_sharedworker.gateway.origins.certificates import CertificateAuthority
from pytest_sharedworker.gateway.origins.urls import make_origin, split_authority
from pytest_sharedworker.gateway.request_parser import RequestServer

_CONNECT = b"CONNECT "
_END_OF_HEAD = b"\r\n\r\n"
_LONGEST_HEAD = 1 << 16
_TLS_HANDSHAKE = 0x16
"""The first byte of a TLS connection (RFC 8446 §5.1)."""
_PARTIAL_SECONDS = 0.005
_SHUTDOWN_SECONDS = 0.1


class ProxyListener:
    """Accepts the connections of browsers; `handle` gets their requests, with their origins."""

    def __init__(
        self,
        handle: Callable[[web.Request], Awaitable[web.StreamResponse]],
        certificates: CertificateAuthority,
        address: ProxyAddress,
    ) -> None:
        self._handle = handle
        self._address = address
        self._certificates = certificates
        self._servers: dict[str | None, RequestServer] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._transports: WeakSet[asyncio.BaseTransport] = WeakSet()
        self._socket: socket.socket | None = None
        self.url = ""
        """Where it listens."""

    async def start(self) -> None:
        """Listen on a free port. Raise OSError."""
        self._socket = self._address.open_socket()
        self._socket.setblocking(False)
        self.url = f"http://{self._address.url_host}:{self._socket.getsockname()[1]}"
        self._spawn(self._accept(self._socket))

    async def stop(self) -> None:
        """Close every connection. Idempotent."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        for server in self._servers.values():
            await server.shutdown(_SHUTDOWN_SECONDS)
        self._servers.clear()
        # A TLS connection that closes in order waits for its browser, which may not reply any more.
        for transport in list(self._transports):
            if isinstance(transport, asyncio.WriteTransport):
                transport.abort()
        await asyncio.sleep(0)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self, listening: socket.socket) -> None:
        while True:
            connection, peer = await asyncio.get_running_loop().sock_accept(listening)
            if self._address.accepts(peer[0]):
                self._spawn(self._serve(connection))
            else:
                connection.close()

    async def _serve(self, connection: socket.socket) -> None:
        """Hand a connection, and what it tunnels, over to a server."""
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        is_handed_over = False
        # A browser may go at any time, and may not like a certificate: no reason for a traceback.
        try:
            with suppress(OSError, ssl.SSLError, asyncio.TimeoutError, ValueError):
                origin, tls = None, None
                if await _peek(connection, len(_CONNECT)) == _CONNECT:
                    origin, tls = await self._open_tunnel(connection)
                server = self._servers.setdefault(origin, RequestServer(self._handle, origin, is_proxy=True))
                loop = asyncio.get_running_loop()
                is_handed_over = True
                transport, _ = await loop.connect_accepted_socket(server, connection, ssl=tls)
                self._transports.add(transport)
        finally:
            if not is_handed_over:
                connection.close()

    async def _open_tunnel(self, connection: socket.socket) -> tuple[str, ssl.SSLContext | None]:
        """Return the origin at the end of a tunnel, and what its TLS needs. Raise ValueError."""
        target = (await _read_head(connection)).split(b" ", 2)[1].decode("ascii")
        answer = b"HTTP/1.1 200 Connection established\r\n\r\n"
        await asyncio.get_running_loop().sock_sendall(connection, answer)
        host, port = split_authority(target)
        first = await _peek(connection, 1)
        if not first:
            raise ValueError("the browser closed the tunnel")
        if first[0] != _TLS_HANDSHAKE:
            return make_origin("http", host, port), None
        return make_origin("https", host, port), self._certificates.get_context(host.strip("[]"))


async def _peek(connection: socket.socket, size: int) -> bytes:
    """Return the next bytes of a connection and leave them there; fewer at its end, or where they differ."""
    while True:
        await _wait_until_readable(connection)
        found = connection.recv(size, socket.MSG_PEEK)
        if len(found) == size or not _CONNECT.startswith(found) or not found:
            return found
        await asyncio.sleep(_PARTIAL_SECONDS)  # The rest of the method is on its way.


async def _read_head(connection: socket.socket) -> bytes:
    head = b""
    while not head.endswith(_END_OF_HEAD):
        if len(head) > _LONGEST_HEAD:
            raise ValueError("the head of a CONNECT has no end")
        # A browser sends nothing behind it before it has the answer.
        piece = await asyncio.get_running_loop().sock_recv(connection, _LONGEST_HEAD)
        if not piece:
            raise ValueError("the browser closed the connection")
        head += piece
    return head


async def _wait_until_readable(connection: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(connection, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(connection)
