"""Overload of the store: batches are refused early, and what waits stays within the limits.

A lock of another connection makes the store wait, as a slow disk would.
"""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import closing
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from reference_server import Added, Record, ReferenceServer, SessionReport, SqliteStore
from reference_server.api.admission import Admission
from reference_server.errors import WireError
from unit.reference_server.conftest import StartServer
from unit.support.samples import ENDPOINT, encode_body, make_record

JSON = {"Content-Type": "application/json"}
LOCK_WAIT_SECONDS = 60
"""Long enough that no request fails because of the lock."""


class WatchedStore(SqliteStore):
    """A store that signals each call of `add`."""

    def __init__(self, database: Path) -> None:
        super().__init__(database, lock_wait_seconds=LOCK_WAIT_SECONDS)
        self.reached = asyncio.Semaphore(0)

    async def add(self, records: Sequence[Record], report: SessionReport | None = None) -> Added:
        self.reached.release()
        return await super().add(records, report)


class LockedServer:
    """A server whose store is locked until `release()`."""

    def __init__(self, server: ReferenceServer, store: WatchedStore, lock: sqlite3.Connection) -> None:
        self.server = server
        self.store = store
        self._lock = lock

    def release(self) -> None:
        self._lock.execute("ROLLBACK")


@pytest_asyncio.fixture
async def locked(start_server: StartServer, tmp_path: Path) -> AsyncIterator[LockedServer]:
    """Return a server that lets 10 records or 10,000 bytes wait."""
    store = WatchedStore(tmp_path / "records.db")
    server = await start_server(store=store, max_waiting_records=10, max_waiting_bytes=10_000)
    with closing(sqlite3.connect(tmp_path / "records.db", isolation_level=None)) as lock:
        lock.execute("BEGIN IMMEDIATE")
        locked = LockedServer(server, store, lock)
        yield locked
        if lock.in_transaction:
            locked.release()


async def post(
    client: aiohttp.ClientSession, locked: LockedServer, body: bytes
) -> tuple[int, dict[str, object]]:
    async with client.post(locked.server.url / ENDPOINT, data=body, headers=JSON) as response:
        if response.status == 503:
            assert int(response.headers["Retry-After"]) > 0
        return response.status, await response.json()


@pytest.mark.parametrize(
    ("waiting_records", "refused"),
    [
        ([make_record(n) for n in range(10)], [make_record()]),
        ([make_record(n) for n in range(6)], [make_record(n) for n in range(5)]),
        ([make_record(params={"padding": "x" * 20_000})], []),
        ([make_record(params={"padding": "x" * 6_000})], [make_record(params={"padding": "x" * 5_000})]),
    ],
    ids=["records, full", "records, not enough room", "bytes, full", "bytes, not enough room"],
)
async def test_batch_is_refused_until_there_is_room(
    client: aiohttp.ClientSession, locked: LockedServer, waiting_records: list[object], refused: list[object]
) -> None:
    waiting = asyncio.ensure_future(post(client, locked, encode_body(*waiting_records)))
    await locked.store.reached.acquire()
    status, content = await post(client, locked, encode_body(*refused))
    assert (status, content["error"]) == (503, "overloaded")
    async with client.get(locked.server.url / ENDPOINT) as response:
        assert response.status == 200
    assert not waiting.done()
    locked.release()
    assert (await waiting)[0] == 200
    assert (await post(client, locked, encode_body(*refused)))[0] == 200
    assert await locked.store.count() == len(waiting_records) + len(refused)


async def test_batches_are_admitted_up_to_the_limit(
    client: aiohttp.ClientSession, locked: LockedServer
) -> None:
    waiting = [
        asyncio.ensure_future(post(client, locked, encode_body(make_record(n), make_record(n))))
        for n in range(5)
    ]
    for _ in waiting:
        await locked.store.reached.acquire()
    assert (await post(client, locked, encode_body(make_record())))[0] == 503
    locked.release()
    assert {status for status, _ in await asyncio.gather(*waiting)} == {200}
    assert await locked.store.count() == 10


async def test_announced_body_reserves_no_room(client: aiohttp.ClientSession, locked: LockedServer) -> None:
    locked.release()
    _, writer = await asyncio.open_connection("127.0.0.1", locked.server.url.port)
    writer.write(
        f"POST /{ENDPOINT} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        "Content-Length: 1000000\r\n\r\n".encode()
    )
    await writer.drain()
    assert (await post(client, locked, encode_body(make_record())))[0] == 200
    writer.close()
    await writer.wait_closed()


async def test_slow_body_is_refused_with_408(
    start_server: StartServer, client: aiohttp.ClientSession
) -> None:
    server = await start_server(body_timeout_seconds=0.2)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.url.port)
    body = encode_body(make_record())
    writer.write(
        f"POST /{ENDPOINT} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n".encode()
        + body[:-1]
    )
    response = await reader.read()  # to the end: the server closes the connection
    head, _, content = response.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 ")
    assert json.loads(content)["error"] == "body_too_slow"
    writer.close()
    await writer.wait_closed()
    assert await server.store.count() == 0


def test_failed_request_releases_its_load() -> None:
    admission = Admission(max_records=10, max_bytes=100)

    def serve() -> None:
        with admission.admit(), admission.admit() as load:
            load.grow(records=3, more_bytes=30)
            assert (admission.records, admission.waiting_bytes) == (3, 30)
            raise LookupError

    with pytest.raises(LookupError):
        serve()
    assert (admission.records, admission.waiting_bytes) == (0, 0)


def test_single_request_is_admitted_at_any_size() -> None:
    admission = Admission(max_records=10, max_bytes=100)
    with admission.admit() as alone:
        alone.grow(records=1_000, more_bytes=1_000)
        with pytest.raises(WireError), admission.admit():
            pass
    with admission.admit() as first, admission.admit() as second:
        first.grow(more_bytes=1)
        with pytest.raises(WireError):
            second.grow(records=11)
