"""Clients that open connections and send nothing, or a request byte by byte. They reconnect when closed.

They run in their own process, so that they take no time from the clients that are measured:

    python -m e2e.soak.slow_clients URL COUNT

It prints the number of connections opened so far, a line for each, until its input ends.
"""

from __future__ import annotations

import asyncio
import resource
import subprocess
import sys
import threading
from types import TracebackType
from typing import IO
from urllib.parse import urlsplit

from e2e.conformance.paths import CHECKOUT
from e2e.conformance.targets.server import DEFAULT_ENDPOINT

BYTE_PAUSE_SECONDS = 1.0
RECONNECT_PAUSE_SECONDS = 5.0
CONNECTING_AT_ONCE = 100
OPEN_TIMEOUT_SECONDS = 60.0
RESERVED_DESCRIPTORS = 100


class SlowClients:
    """A process of slow clients. `opened` counts their connections, closed ones included."""

    def __init__(self, url: str, count: int) -> None:
        self._url = url
        self._count = count
        self.opened = 0
        self._are_open = threading.Event()
        self._process: subprocess.Popen[str]
        self._reader: threading.Thread

    def wait_until_open(self) -> None:
        """Wait until as many connections were opened as there are clients."""
        self._are_open.wait(OPEN_TIMEOUT_SECONDS)

    def __enter__(self) -> SlowClients:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "e2e.soak.slow_clients", self._url, str(self._count)],
            cwd=CHECKOUT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, args=(self._process.stdout,))
        self._reader.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()
        if self._process.stdin is not None:
            self._process.stdin.close()

    def _read(self, lines: IO[str]) -> None:
        with lines:
            for line in lines:
                self.opened = int(line)
                if self.opened >= self._count:
                    self._are_open.set()


class _Clients:
    """The clients, in their process."""

    def __init__(self, url: str, count: int) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._count = count
        self._opened = 0
        head = (
            f"POST {parts.path}{DEFAULT_ENDPOINT} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
            "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
        ).encode()
        self._beginnings = (b"", head[:30], head, head + b'{"records": [')

    async def run(self) -> None:
        """Run until the input ends."""
        connecting = asyncio.Semaphore(CONNECTING_AT_ONCE)
        clients = [
            asyncio.create_task(self._stay_slow(self._beginnings[number % 4], connecting))
            for number in range(self._count)
        ]
        await asyncio.to_thread(sys.stdin.read)
        for client in clients:
            client.cancel()
        await asyncio.gather(*clients, return_exceptions=True)

    async def _stay_slow(self, beginning: bytes, connecting: asyncio.Semaphore) -> None:
        while True:
            try:
                async with connecting:
                    reader, writer = await asyncio.open_connection(self._host, self._port)
                self._opened += 1
                print(self._opened, flush=True)
                await self._send_slowly(reader, writer, beginning)
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


def main(url: str, count: int) -> None:
    """Run the clients, as many as this process may open files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    limit = count if hard == resource.RLIM_INFINITY else min(count, hard - RESERVED_DESCRIPTORS)
    asyncio.run(_Clients(url, limit).run())


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
