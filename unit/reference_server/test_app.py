"""Start and stop of a server: addresses, invalid arguments, and released resources."""

import asyncio
import os
import sqlite3
import sys
import threading
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from reference_server import Added, Record, ReferenceServer, SessionReport, SqliteStore, StoreUnavailableError
from reference_server.version import SERVER_VERSION
from unit.reference_server.conftest import StartServer
from unit.support.samples import ENDPOINT, encode_body, make_record

JSON = {"Content-Type": "application/json"}
PROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"


async def is_healthy(client: aiohttp.ClientSession, server: ReferenceServer) -> bool:
    async with client.get(server.url / "health") as response:
        return response.status == 200 and (await response.json())["status"] == "ok"


@pytest.mark.parametrize(
    ("prefix", "path"), [("", "/"), ("/", "/"), ("app", "/app/"), ("/app/", "/app/"), ("/a/b", "/a/b/")]
)
async def test_start_returns_the_base_url_with_the_prefix(
    client: aiohttp.ClientSession, prefix: str, path: str
) -> None:
    server = ReferenceServer(prefix=prefix)
    url = await server.start()
    assert (url.scheme, url.host, url.path) == ("http", "127.0.0.1", path)
    assert url == server.url
    assert await is_healthy(client, server)
    await server.stop()


@pytest.mark.parametrize("prefix", ["/{name}", "/a b", "/a//b", "/a?b", "/ü"])
def test_invalid_prefix_raises(prefix: str) -> None:
    with pytest.raises(ValueError, match="prefix"):
        ReferenceServer(prefix=prefix)


@pytest.mark.parametrize(
    "name", ["max_body", "max_waiting_records", "max_waiting_bytes", "body_timeout_seconds"]
)
def test_limit_of_zero_raises(name: str) -> None:
    options: dict[str, Any] = {name: 0}
    with pytest.raises(ValueError, match=name):
        ReferenceServer(**options)


async def test_context_manager_stops_the_server(client: aiohttp.ClientSession) -> None:
    async with ReferenceServer() as server:
        url = server.url
        assert await is_healthy(client, server)
    with pytest.raises(aiohttp.ClientConnectorError):
        await client.get(url / "health")
    with pytest.raises(RuntimeError, match="not running"):
        _ = server.url


async def test_start_of_a_running_server_raises(start_server: StartServer) -> None:
    server = await start_server()
    with pytest.raises(RuntimeError, match="already running"):
        await server.start()


async def test_stop_of_a_stopped_server_does_nothing() -> None:
    server = ReferenceServer()
    await server.stop()
    await server.start()
    await server.stop()
    await server.stop()


async def test_restart_keeps_the_records_of_the_file(
    start_server: StartServer, client: aiohttp.ClientSession, tmp_path: Path
) -> None:
    server = await start_server(database=tmp_path / "records.db")
    async with client.post(server.url / ENDPOINT, data=encode_body(make_record()), headers=JSON) as response:
        assert response.status == 200
    await server.stop()
    await server.start()
    assert [record.as_dict() for record in await server.store.read_records()] == [make_record()]


async def test_stop_finishes_a_request_that_waits_for_the_store(
    start_server: StartServer, client: aiohttp.ClientSession, tmp_path: Path
) -> None:
    class WatchedStore(SqliteStore):
        async def add(self, records: Sequence[Record], report: SessionReport | None = None) -> Added:
            reached.set()
            return await super().add(records, report)

    reached = asyncio.Event()
    database = tmp_path / "records.db"
    server = await start_server(store=WatchedStore(database))
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        posting = asyncio.ensure_future(
            client.post(server.url / ENDPOINT, data=encode_body(make_record()), headers=JSON)
        )
        await reached.wait()
        stopping = asyncio.ensure_future(server.stop())
        await asyncio.sleep(0)
        assert not stopping.done()
        other.execute("ROLLBACK")
        async with await posting as response:
            assert await response.json() == {"status": "success", "accepted": 1}
        await stopping
    await server.start()
    assert await server.store.count() == 1


async def test_stopped_server_leaves_no_thread_or_open_file(tmp_path: Path) -> None:
    def open_files() -> int | None:
        return len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else None

    before = threading.enumerate(), open_files()
    async with ReferenceServer(database=tmp_path / "records.db") as server:
        async with aiohttp.ClientSession() as client:
            assert await is_healthy(client, server)
        assert len(threading.enumerate()) > len(before[0])
    assert (threading.enumerate(), open_files()) == before
    assert os.listdir(tmp_path) == ["records.db"]


async def test_port_in_use_raises_os_error_and_leaves_no_thread(start_server: StartServer) -> None:
    port = (await start_server()).url.port
    before = threading.enumerate()
    second = ReferenceServer(port=port or 0)
    with pytest.raises(OSError, match=str(port)):
        await second.start()
    assert threading.enumerate() == before


async def test_unusable_database_raises_before_listening(tmp_path: Path) -> None:
    server = ReferenceServer(database=tmp_path / "no" / "folder.db")
    with pytest.raises(StoreUnavailableError, match=r"folder\.db"):
        await server.start()
    with pytest.raises(RuntimeError, match="not running"):
        _ = server.url


async def test_process_environment_can_disable_telemetry(
    client: aiohttp.ClientSession, configuration_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    async with ReferenceServer(config=configuration_file) as server:
        async with client.get(server.url / ENDPOINT) as response:
            assert (await response.json())["disable_ui_telemetry"] is True


def test_version_equals_the_project_version() -> None:
    assert f'\nversion = "{SERVER_VERSION}"\n' in PROJECT.read_text(encoding="utf-8")
