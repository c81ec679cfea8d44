"""Clients that open connections and send nothing, or a request byte by byte. They reconnect when closed.

They run in their own processes, so that they take no time from the clients that are measured:

    python -m e2e.soak.slow_clients URL COUNT [SOURCE_ADDRESS]

Such a process prints a line for each connection: how many of its clients have connected so far, and how many
connections they have opened, closed ones included. It runs until its input ends.
"""

from __future__ import annotations

import asyncio
import resource
import subprocess
import sys
import threading
from contextlib import ExitStack
from types import TracebackType
from typing import IO
from urllib.parse import urlsplit

from e2e.conformance.paths import CHECKOUT
from e2e.conformance.targets.server import DEFAULT_ENDPOINT

BYTE_PAUSE_SECONDS = 1.0
RECONNECT_PAUSE_SECONDS = 5.0
CONNECTING_AT_ONCE = 100
CONNECT_TIMEOUT_SECONDS = 120.0
RESERVED_DESCRIPTORS = 100
MAX_CLIENTS_PER_PROCESS = 10_000
"""Fewer than a source address has ports, also while closed connections still occupy theirs."""


class SlowClients:
    """Processes of slow clients, as many as the limit of open files requires."""

    def __init__(self, url: str, count: int) -> None:
        self._url = url
        self._count = count
        self._shares = split_clients(count, _get_descriptor_limit())
        self._have_connected = threading.Condition()
        self._progress = [(0, 0)] * len(self._shares)
        self._ends = ExitStack()

    @property
    def connected(self) -> int:
        """How many clients have connected at least once."""
        return sum(connected for connected, _ in self._progress)

    @property
    def opened(self) -> int:
        """How many connections the clients have opened, closed ones included."""
        return sum(opened for _, opened in self._progress)

    def wait_until_connected(self, timeout_seconds: float = CONNECT_TIMEOUT_SECONDS) -> bool:
        """Wait until every client has connected. Return whether all did in time."""
        with self._have_connected:
            return self._have_connected.wait_for(lambda: self.connected >= self._count, timeout_seconds)

    def __enter__(self) -> SlowClients:
        with ExitStack() as ends:
            for number, share in enumerate(self._shares):
                self._start(number, share, ends)
            self._ends = ends.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ends.close()

    def _start(self, number: int, share: int, ends: ExitStack) -> None:
        # All of 127.0.0.0/8 belongs to this machine on Linux: each process has the ports of its own address.
        source = [f"127.0.0.{number % 250 + 2}"] if sys.platform == "linux" else []
        process = ends.enter_context(
            subprocess.Popen(
                [sys.executable, "-m", "e2e.soak.slow_clients", self._url, str(share), *source],
                cwd=CHECKOUT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        )
        reader = threading.Thread(target=self._read, args=(number, process.stdout))
        reader.start()
        ends.callback(reader.join)
        ends.callback(process.kill)

    def _read(self, number: int, lines: IO[str]) -> None:
        for line in lines:
            if not line.endswith("\n"):  # The process was killed while it wrote.
                break
            connected, opened = map(int, line.split())
            with self._have_connected:
                self._progress[number] = connected, opened
                self._have_connected.notify_all()


def split_clients(count: int, descriptor_limit: int | None) -> list[int]:
    """Return how many clients each process has, where one may open so many files (None: any number)."""
    most = MAX_CLIENTS_PER_PROCESS
    if descriptor_limit is not None:
        most = max(1, min(most, descriptor_limit - min(RESERVED_DESCRIPTORS, descriptor_limit // 2)))
    processes = -(-count // most)
    return [count // processes + (number < count % processes) for number in range(processes)]


def _get_descriptor_limit() -> int | None:
    """Return how many files a process of this user may open at most, None without a limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if hard == resource.RLIM_INFINITY else hard


class _Clients:
    """The clients, in their process."""

    def __init__(self, url: str, count: int, source: str | None) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._source = (source, 0) if source else None
        self._count = count
        self._connected: set[int] = set()
        self._opened = 0
        head = (
            f"POST {parts.path}{DEFAULT_ENDPOINT} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
            "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
        ).encode()
        self._beginnings = (b"", head[:30], head, head + b'{"records": [')

    async def run(self) -> None:
        """Run until the input ends."""
        connecting = asyncio.Semaphore(CONNECTING_AT_ONCE)
        clients = [asyncio.create_task(self._stay_slow(number, connecting)) for number in range(self._count)]
        await asyncio.to_thread(sys.stdin.read)
        for client in clients:
            client.cancel()
        await asyncio.gather(*clients, return_exceptions=True)

    async def _stay_slow(self, number: int, connecting: asyncio.Semaphore) -> None:
        while True:
            try:
                async with connecting:
                    reader, writer = await asyncio.open_connection(
                        self._host, self._port, local_addr=self._source
                    )
                self._opened += 1
                self._connected.add(number)
                print(len(self._connected), self._opened, flush=True)
                await self._send_slowly(reader, writer, self._beginnings[number % 4])
            except OSError:
                pass
            await asyncio.sleep(RECONNECT_PAUSE_SECONDS)

    async def _send_slowly(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, beginning: bytes
    ) -> None:
        """Send a byte a second until the server closes the connection."""
        closed = asyncio.ensure_future(reader.read())
        try:
            writer.write(beginning)
            while not (await asyncio.wait([closed], timeout=BYTE_PAUSE_SECONDS))[0]:
                if beginning:
                    writer.write(b" ")
            await closed
        finally:
            closed.cancel()
            writer.close()


def main(url: str, count: int, source: str | None = None) -> None:
    """Run the clients."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    asyncio.run(_Clients(url, count, source).run())


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:])
