"""More than the store can take: batches are refused early, and what waits stays within its bounds.

The store is kept waiting by a lock that another connection holds, as a slow disk would.
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

from reference_server import Record, ReferenceServer, SessionReport, SqliteStore
from reference_server.api.admission import Admission
from reference_server.errors import WireError
from unit.reference_server.conftest import StartServer
from unit.support.samples import ENDPOINT, body_of, record

JSON = {"Content-Type": "application/json"}
PATIENCE_SECONDS = 60
"""How long the lock may be held: no request fails for it here."""


class WatchedStore(SqliteStore):
    """Tells when records have come to it."""

    def __init__(self, database: Path) -> None:
        super().__init__(database, lock_wait_seconds=PATIENCE_SECONDS)
        self.reached = asyncio.Semaphore(0)

    async def add(self, records: Sequence[Record], report: SessionReport | None = None) -> int:
        self.reached.release()
        return await super().add(records, report)


class Held:
    """A server whose store waits until `release()`."""

    def __init__(self, server: ReferenceServer, store: WatchedStore, lock: sqlite3.Connection) -> None:
        self.server = server
        self.store = store
        self._lock = lock

    def release(self) -> None:
        self._lock.execute("ROLLBACK")


@pytest_asyncio.fixture
async def held(start_server: StartServer, tmp_path: Path) -> AsyncIterator[Held]:
    """Give a server that lets 10 records wait, or 10,000 bytes."""
    store = WatchedStore(tmp_path / "records.db")
    server = await start_server(store=store, max_waiting_records=10, max_waiting_bytes=10_000)
    with closing(sqlite3.connect(tmp_path / "records.db", isolation_level=None)) as lock:
        lock.execute("BEGIN IMMEDIATE")
        held = Held(server, store, lock)
        yield held
        if lock.in_transaction:
            held.release()


async def post(client: aiohttp.ClientSession, held: Held, body: bytes) -> tuple[int, dict[str, object]]:
    async with client.post(held.server.url / ENDPOINT, data=body, headers=JSON) as answer:
        if answer.status == 503:
            assert int(answer.headers["Retry-After"]) > 0
        return answer.status, await answer.json()


@pytest.mark.parametrize(
    ("waits", "refused"),
    [
        ([record(n) for n in range(10)], [record()]),
        ([record(n) for n in range(6)], [record(n) for n in range(5)]),
        ([record(params={"padding": "x" * 20_000})], []),
        ([record(params={"padding": "x" * 6_000})], [record(params={"padding": "x" * 5_000})]),
    ],
    ids=["records, full", "records, not enough room", "bytes, full", "bytes, not enough room"],
)
async def test_what_has_no_room_is_refused_and_taken_once_there_is(
    client: aiohttp.ClientSession, held: Held, waits: list[object], refused: list[object]
) -> None:
    waiting = asyncio.ensure_future(post(client, held, body_of(*waits)))
    await held.store.reached.acquire()
    status, content = await post(client, held, body_of(*refused))
    assert (status, content["error"]) == (503, "overloaded")
    async with client.get(held.server.url / ENDPOINT) as answer:
        assert answer.status == 200
    assert not waiting.done()
    held.release()
    assert (await waiting)[0] == 200
    assert (await post(client, held, body_of(*refused)))[0] == 200
    assert await held.store.count() == len(waits) + len(refused)


async def test_room_for_more_is_used(client: aiohttp.ClientSession, held: Held) -> None:
    waiting = [asyncio.ensure_future(post(client, held, body_of(record(n), record(n)))) for n in range(5)]
    for _ in waiting:
        await held.store.reached.acquire()
    assert (await post(client, held, body_of(record())))[0] == 503
    held.release()
    assert {status for status, _ in await asyncio.gather(*waiting)} == {200}
    assert await held.store.count() == 10


async def test_one_that_only_announces_a_large_body_keeps_no_room(
    client: aiohttp.ClientSession, held: Held
) -> None:
    held.release()
    _, writer = await asyncio.open_connection("127.0.0.1", held.server.url.port)
    writer.write(
        f"POST /{ENDPOINT} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        "Content-Length: 1000000\r\n\r\n".encode()
    )
    await writer.drain()
    assert (await post(client, held, body_of(record())))[0] == 200
    writer.close()
    await writer.wait_closed()


async def test_a_body_that_does_not_end_in_time_is_given_up(
    start_server: StartServer, client: aiohttp.ClientSession
) -> None:
    server = await start_server(body_timeout_seconds=0.2)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.url.port)
    body = body_of(record())
    writer.write(
        f"POST /{ENDPOINT} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n".encode()
        + body[:-1]
    )
    answer = await reader.read()  # to the end: the server closes the connection
    head, _, content = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 ")
    assert json.loads(content)["error"] == "body_too_slow"
    writer.close()
    await writer.wait_closed()
    assert await server.store.count() == 0


def test_what_a_request_held_is_given_back_also_when_it_is_refused() -> None:
    admission = Admission(max_records=10, max_bytes=100)

    def serve() -> None:
        with admission.admit(), admission.admit() as load:
            load.grow(records=3, more_bytes=30)
            assert (admission.records, admission.waiting_bytes) == (3, 30)
            raise LookupError

    with pytest.raises(LookupError):
        serve()
    assert (admission.records, admission.waiting_bytes) == (0, 0)


def test_a_request_that_is_alone_is_let_in_however_large_it_is() -> None:
    admission = Admission(max_records=10, max_bytes=100)
    with admission.admit() as alone:
        alone.grow(records=1_000, more_bytes=1_000)
        with pytest.raises(WireError), admission.admit():
            pass
    with admission.admit() as first, admission.admit() as second:
        first.grow(more_bytes=1)
        with pytest.raises(WireError):
            second.grow(records=11)
