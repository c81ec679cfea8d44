"""A server that records its requests, and a client that shows every byte of a response."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aiohttp import web

from pytest_sharedworker.gateway.gateway import Gateway

CLIENT_TIMEOUT_SECONDS = 10.0

Respond = Callable[[web.Request], web.StreamResponse]


@dataclass
class Received:
    """A request as it came out of the gateway."""

    method: str
    raw_path: str
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def header(self, name: str) -> list[str]:
        """Return all values of a header."""
        return [value.decode() for key, value in self.headers if key.decode().lower() == name.lower()]


@dataclass
class Upstream:
    """A server behind a gateway, with a response to choose; `received` has its requests."""

    respond: Respond = lambda request: web.Response(text="fine")
    respond_later: Callable[[web.Request], Awaitable[web.StreamResponse]] | None = None
    ended: list[int | None] = field(default_factory=list)
    """The close code of each WebSocket that has ended."""
    received: list[Received] = field(default_factory=list)
    url: str = ""

    async def start(self) -> None:
        """Listen on a free port of 127.0.0.1."""
        app = web.Application(client_max_size=1 << 30)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        """Close every connection and stop listening."""
        await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.received.append(
            Received(request.method, request.raw_path, list(request.raw_headers), body),
        )
        if self.respond_later is not None:
            return await self.respond_later(request)
        return self.respond(request)


@dataclass(frozen=True)
class Reply:
    """All bytes of a response, and whether the connection was reset behind them."""

    raw: bytes
    reset: bool

    @property
    def status(self) -> int:
        """The status. Raise IndexError without a response."""
        return int(self.raw.split(b" ", 2)[1])

    @property
    def body(self) -> bytes:
        """The bytes after the headers."""
        return self.raw.partition(b"\r\n\r\n")[2]

    def header(self, name: str) -> list[str]:
        """Return all values of a header."""
        lines = self.raw.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
        pairs = [line.split(": ", 1) for line in lines]
        return [value for key, value in pairs if key.lower() == name.lower()]


class Client:
    """One connection to a gateway, and one request on it; without `last_line` it is not complete yet.

    A context manager.
    """

    def __init__(
        self,
        gateway: Gateway,
        request: str = "GET / HTTP/1.1",
        *headers: str,
        body: bytes = b"",
        last_line: bool = True,
        raw_header: bytes = b"",
    ) -> None:
        port = int(gateway.url.rpartition(":")[2])
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=CLIENT_TIMEOUT_SECONDS)
        length = [f"Content-Length: {len(body)}"] if body else []
        lines = [request, f"Host: 127.0.0.1:{port}", *headers, *length, *([""] if last_line else []), ""]
        head = "\r\n".join(lines).encode()
        if raw_header:
            head = head.replace(b"\r\n", b"\r\n" + raw_header + b"\r\n", 1)
        self._socket.sendall(head + body)

    def send(self, text: str) -> None:
        """Send more."""
        self._socket.sendall(text.encode())

    def receive(self) -> bytes:
        """Return the next bytes, b"" at the end. Raise TimeoutError."""
        return self._socket.recv(1 << 16)

    def settimeout(self, seconds: float) -> None:
        """Limit how long `read` waits."""
        self._socket.settimeout(seconds)

    def read(self) -> Reply:
        """Read to the end of the connection. Raise TimeoutError if it stays open."""
        raw = b""
        try:
            while piece := self._socket.recv(1 << 16):
                raw += piece
        except ConnectionResetError:
            return Reply(raw, reset=True)
        return Reply(raw, reset=False)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()


def send(
    gateway: Gateway,
    request: str = "GET / HTTP/1.1",
    *headers: str,
    body: bytes = b"",
    raw_header: bytes = b"",
) -> Reply:
    """Send one request on a connection of its own and read all that comes back."""
    with Client(gateway, request, *headers, body=body, raw_header=raw_header) as client:
        return client.read()
