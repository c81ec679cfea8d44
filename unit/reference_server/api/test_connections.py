"""Bounds on connections: deadlines for slow clients, and room for new ones."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from reference_server import ReferenceServer
from reference_server.api import connections
from reference_server.api.connections import Connections
from reference_server.limits import Limits
from unit.reference_server.conftest import StartServer
from unit.support.samples import ENDPOINT, encode_body, make_record

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[[ReferenceServer, bytes], Awaitable[Stream]]

HEAD = f"POST /{ENDPOINT} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
GET = f"GET /{ENDPOINT} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
BODY = encode_body(make_record())
POST = f"{HEAD}Content-Length: {len(BODY)}\r\n\r\n".encode() + BODY
SHORT_SECONDS = 0.2
LONG_SECONDS = 60.0


@pytest_asyncio.fixture
async def connect() -> AsyncIterator[Connect]:
    """Return a function that opens a connection and sends bytes; all of them are closed after the test."""
    writers: list[asyncio.StreamWriter] = []

    async def connect(server: ReferenceServer, data: bytes) -> Stream:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.url.port)
        writers.append(writer)
        writer.write(data)
        await writer.drain()
        return reader, writer

    yield connect
    for writer in writers:
        writer.close()


async def read_response(reader: asyncio.StreamReader) -> int:
    """Read one response from a connection that stays open, and return its status."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    [length] = [line for line in head.splitlines() if line.startswith("content-length:")]
    await reader.readexactly(int(length.split()[1]))
    return int(head.split()[1])


async def is_served(client: aiohttp.ClientSession, server: ReferenceServer) -> bool:
    # A connection of its own: an idle one may be closed while a request is on its way.
    headers = {"Content-Type": "application/json", "Connection": "close"}
    async with client.post(server.url / ENDPOINT, data=BODY, headers=headers) as response:
        return response.status == 200


async def read_to_end(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read()
    except ConnectionResetError:
        return b""


@pytest.mark.parametrize(
    ("data", "limit"),
    [
        (b"", "head_timeout_seconds"),
        (b"P", "head_timeout_seconds"),
        (POST[:40], "head_timeout_seconds"),
        (GET, "idle_timeout_seconds"),
        (POST, "idle_timeout_seconds"),
        (GET + b"P", "idle_timeout_seconds"),
    ],
    ids=[
        "silent",
        "one byte",
        "half a head",
        "idle after GET",
        "idle after POST",
        "idle inside the next head",
    ],
)
async def test_connection_that_waits_too_long_is_closed(
    start_server: StartServer, connect: Connect, data: bytes, limit: str
) -> None:
    limits: dict[str, Any] = {"head_timeout_seconds": LONG_SECONDS, "idle_timeout_seconds": LONG_SECONDS}
    server = await start_server(**{**limits, limit: SHORT_SECONDS})
    reader, _ = await connect(server, data)
    response = await read_to_end(reader)
    assert response.startswith(b"HTTP/1.1 200") == (limit == "idle_timeout_seconds")


async def test_bytes_that_trickle_do_not_move_the_deadline_of_a_head(
    start_server: StartServer, connect: Connect
) -> None:
    server = await start_server(head_timeout_seconds=SHORT_SECONDS, idle_timeout_seconds=LONG_SECONDS)
    reader, writer = await connect(server, b"")
    closed = asyncio.ensure_future(read_to_end(reader))
    for byte in POST * 20:
        if closed.done():
            break
        writer.write(bytes([byte]))
        await asyncio.wait([closed], timeout=0.05)
    assert await closed == b""


async def test_slow_request_is_served_within_the_deadlines(
    start_server: StartServer, connect: Connect
) -> None:
    server = await start_server(head_timeout_seconds=SHORT_SECONDS, body_timeout_seconds=LONG_SECONDS)
    reader, writer = await connect(server, POST[: -len(BODY)])
    await asyncio.sleep(SHORT_SECONDS + 2 * connections.SWEEP_SECONDS)  # real time is what the test is about
    writer.write(BODY)
    assert await read_response(reader) == 200


async def test_connection_is_kept_between_requests(start_server: StartServer, connect: Connect) -> None:
    server = await start_server(head_timeout_seconds=SHORT_SECONDS, idle_timeout_seconds=LONG_SECONDS)
    reader, writer = await connect(server, POST)
    assert await read_response(reader) == 200
    await asyncio.sleep(SHORT_SECONDS + 2 * connections.SWEEP_SECONDS)
    writer.write(GET + POST)
    assert [await read_response(reader), await read_response(reader)] == [200, 200]


async def test_client_that_does_not_read_is_closed(
    start_server: StartServer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "RESPONSE_TIMEOUT_SECONDS", SHORT_SECONDS)
    server = await start_server()
    _, writer = await connect(server, b"")
    request = f"GET /openapi.json HTTP/1.1\r\nHost: 127.0.0.1:{server.url.port}\r\n\r\n".encode()

    async def send_forever() -> None:
        while True:
            writer.write(request * 100)
            await writer.drain()

    with pytest.raises(ConnectionError):
        await send_forever()


@pytest.mark.parametrize(
    "waiting",
    [b"", POST[:40], POST[:-1], GET],
    ids=["silent", "half a head", "half a body", "idle"],
)
async def test_new_connection_replaces_the_one_that_waited_longest(
    start_server: StartServer, client: aiohttp.ClientSession, connect: Connect, waiting: bytes
) -> None:
    server = await start_server(max_connections=5)
    opened = [await connect(server, waiting) for _ in range(12)]
    assert await is_served(client, server)
    ended = [asyncio.ensure_future(read_to_end(reader)) for reader, _ in opened]
    await asyncio.wait(ended[:8], timeout=10)
    assert [each.done() for each in ended] == [True] * 8 + [False] * 4
    for each in ended:
        each.cancel()


async def test_replaced_connection_is_no_failure_of_the_server(
    start_server: StartServer, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    server = await start_server(max_connections=1)
    opened = [await connect(server, POST[:-1]) for _ in range(50)]
    for reader, _ in opened[:-1]:
        await read_to_end(reader)
    assert [entry for entry in caplog.records if entry.levelno >= logging.WARNING] == []


async def test_bursts_of_connections_do_not_stop_others(
    start_server: StartServer, client: aiohttp.ClientSession, connect: Connect
) -> None:
    server = await start_server(max_connections=20)
    for _ in range(5):
        burst = asyncio.gather(*(connect(server, POST[: 10 + number]) for number in range(100)))
        assert await is_served(client, server)
        await burst
    assert await server.store.count() == 5


@pytest.mark.skipif(sys.platform == "win32", reason="has no limit of open files")
@pytest.mark.parametrize("soft", [64, 256, 1024, 20_000])
def test_connections_leave_descriptors_free(monkeypatch: pytest.MonkeyPatch, soft: int) -> None:
    monkeypatch.setattr(connections, "_count_free_descriptors", lambda: soft)
    pool = Connections(Limits(max_connections=1_000))
    beyond = connections.ROUNDS_TO_CLOSE * pool.accepted_at_once
    assert 10 <= pool.max_open <= min(1_000, soft - beyond - min(64, soft // 2))
