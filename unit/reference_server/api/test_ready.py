"""Readiness: whether a batch would be stored now. `/health` says only that the server runs."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import aiohttp
import pytest

from reference_server import ReferenceServer, SqliteStore, StoreUnavailableError
from reference_server.api import ready
from reference_server.api.ready import RESULT_SECONDS, Readiness
from unit.reference_server.config.fake_clock import FakeClock
from unit.reference_server.conftest import StartServer


class CountingStore(SqliteStore):
    """A store that counts its checks, raises `failure` if it is set, and waits for `may_respond`."""

    def __init__(self) -> None:
        super().__init__()
        self.checks = 0
        self.failure: StoreUnavailableError | None = None
        self.may_respond = asyncio.Event()
        self.may_respond.set()

    async def check_writable(self) -> None:
        self.checks += 1
        await self.may_respond.wait()
        if self.failure is not None:
            raise self.failure


async def get(
    client: aiohttp.ClientSession, server: ReferenceServer, path: str
) -> tuple[int, dict[str, object]]:
    async with client.get(server.url / path) as response:
        return response.status, await response.json()


async def test_server_is_ready_and_healthy(start_server: StartServer, client: aiohttp.ClientSession) -> None:
    server = await start_server()
    assert await get(client, server, "ready") == (200, {"status": "ready"})
    assert (await get(client, server, "health"))[0] == 200


async def test_locked_store_is_healthy_and_not_ready(
    start_server: StartServer, client: aiohttp.ClientSession, tmp_path: Path
) -> None:
    server = await start_server(store=SqliteStore(tmp_path / "records.db", lock_wait_seconds=0.01))
    with closing(sqlite3.connect(tmp_path / "records.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        status, content = await get(client, server, "ready")
        assert (status, content["error"]) == (503, "store_unavailable")
        assert "records.db" not in str(content)
        assert (await get(client, server, "health"))[0] == 200
        other.execute("ROLLBACK")


async def test_unknown_configuration_is_not_ready(
    start_server: StartServer, client: aiohttp.ClientSession
) -> None:
    server = await start_server(config=None)
    status, content = await get(client, server, "ready")
    assert (status, content["error"]) == (503, "configuration_unknown")


async def test_disabled_server_is_ready_without_its_store(
    start_server: StartServer, client: aiohttp.ClientSession
) -> None:
    store = CountingStore()
    store.failure = StoreUnavailableError("it is full")
    server = await start_server(store=store, environ={"DO_NOT_TRACK": "1"})
    assert (await get(client, server, "ready"))[0] == 200


async def test_concurrent_and_frequent_requests_share_a_check() -> None:
    store, clock = CountingStore(), FakeClock()
    readiness = Readiness(store, monotonic_seconds=clock)
    await asyncio.gather(*(readiness.require_store() for _ in range(5)))
    await readiness.require_store()
    assert store.checks == 1
    clock.seconds += RESULT_SECONDS
    store.failure = StoreUnavailableError("it is full")
    for _ in range(2):
        with pytest.raises(StoreUnavailableError):
            await readiness.require_store()
    assert store.checks == 2
    clock.seconds += RESULT_SECONDS
    store.failure = None
    await readiness.require_store()
    assert store.checks == 3


async def test_store_that_does_not_respond_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ready, "CHECK_TIMEOUT_SECONDS", 0.05)
    store = CountingStore()
    store.may_respond.clear()
    readiness = Readiness(store)
    for _ in range(2):
        with pytest.raises(StoreUnavailableError, match="no answer"):
            await readiness.require_store()
    assert store.checks == 1
    store.may_respond.set()
    await readiness.close()
    await readiness.require_store()
