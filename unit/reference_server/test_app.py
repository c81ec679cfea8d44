"""Starting and stopping: addresses, wrong use, and that nothing is left behind."""

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

from reference_server import Record, ReferenceServer, SessionReport, SqliteStore, StoreUnavailableError
from reference_server.config.sources import SERVER_VERSION
from unit.reference_server.conftest import StartServer
from unit.support.samples import ENDPOINT, body_of, record

JSON = {"Content-Type": "application/json"}
PROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"


async def is_healthy(client: aiohttp.ClientSession, server: ReferenceServer) -> bool:
    async with client.get(server.url / "health") as answer:
        return answer.status == 200 and (await answer.json())["status"] == "ok"


@pytest.mark.parametrize(
    ("prefix", "path"), [("", "/"), ("/", "/"), ("app", "/app/"), ("/app/", "/app/"), ("/a/b", "/a/b/")]
)
async def test_start_gives_the_base_url_with_the_prefix(
    client: aiohttp.ClientSession, prefix: str, path: str
) -> None:
    server = ReferenceServer(prefix=prefix)
    url = await server.start()
    assert (url.scheme, url.host, url.path) == ("http", "127.0.0.1", path)
    assert url == server.url
    assert await is_healthy(client, server)
    await server.stop()


@pytest.mark.parametrize("prefix", ["/{name}", "/a b", "/a//b", "/a?b", "/ü"])
def test_a_prefix_that_cannot_stand_in_a_url_is_refused(prefix: str) -> None:
    with pytest.raises(ValueError, match="prefix"):
        ReferenceServer(prefix=prefix)


@pytest.mark.parametrize(
    "name", ["max_body", "max_waiting_records", "max_waiting_bytes", "body_timeout_seconds"]
)
def test_a_limit_that_lets_nothing_pass_is_refused(name: str) -> None:
    options: dict[str, Any] = {name: 0}
    with pytest.raises(ValueError, match=name):
        ReferenceServer(**options)


async def test_it_is_a_context_manager_that_stops_at_the_end(client: aiohttp.ClientSession) -> None:
    async with ReferenceServer() as server:
        url = server.url
        assert await is_healthy(client, server)
    with pytest.raises(aiohttp.ClientConnectorError):
        await client.get(url / "health")
    with pytest.raises(RuntimeError, match="not running"):
        _ = server.url


async def test_a_server_that_runs_is_not_started_twice(start_server: StartServer) -> None:
    server = await start_server()
    with pytest.raises(RuntimeError, match="runs already"):
        await server.start()


async def test_stopping_twice_or_before_the_start_does_nothing() -> None:
    server = ReferenceServer()
    await server.stop()
    await server.start()
    await server.stop()
    await server.stop()


async def test_it_starts_again_with_the_records_of_its_file(
    start_server: StartServer, client: aiohttp.ClientSession, tmp_path: Path
) -> None:
    server = await start_server(database=tmp_path / "records.db")
    async with client.post(server.url / ENDPOINT, data=body_of(record()), headers=JSON) as answer:
        assert answer.status == 200
    await server.stop()
    await server.start()
    assert [kept.as_dict() for kept in await server.store.records()] == [record()]


async def test_a_request_whose_records_wait_for_the_store_is_answered_by_the_stop(
    start_server: StartServer, client: aiohttp.ClientSession, tmp_path: Path
) -> None:
    class WatchedStore(SqliteStore):
        async def add(self, records: Sequence[Record], report: SessionReport | None = None) -> int:
            reached.set()
            return await super().add(records, report)

    reached = asyncio.Event()
    database = tmp_path / "records.db"
    server = await start_server(store=WatchedStore(database))
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        posting = asyncio.ensure_future(
            client.post(server.url / ENDPOINT, data=body_of(record()), headers=JSON)
        )
        await reached.wait()
        stopping = asyncio.ensure_future(server.stop())
        await asyncio.sleep(0)
        assert not stopping.done()
        other.execute("ROLLBACK")
        async with await posting as answer:
            assert await answer.json() == {"status": "success", "accepted": 1}
        await stopping
    await server.start()
    assert await server.store.count() == 1


async def test_a_stopped_server_leaves_no_thread_and_no_open_file(tmp_path: Path) -> None:
    def open_files() -> int | None:
        return len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else None

    before = threading.enumerate(), open_files()
    async with ReferenceServer(database=tmp_path / "records.db") as server:
        async with aiohttp.ClientSession() as client:
            assert await is_healthy(client, server)
        assert len(threading.enumerate()) > len(before[0])
    assert (threading.enumerate(), open_files()) == before
    assert os.listdir(tmp_path) == ["records.db"]


async def test_a_port_in_use_is_an_os_error_that_leaves_nothing_open(start_server: StartServer) -> None:
    port = (await start_server()).url.port
    before = threading.enumerate()
    second = ReferenceServer(port=port or 0)
    with pytest.raises(OSError, match=str(port)):
        await second.start()
    assert threading.enumerate() == before


async def test_a_database_that_cannot_be_opened_is_told_before_listening(tmp_path: Path) -> None:
    server = ReferenceServer(database=tmp_path / "no" / "folder.db")
    with pytest.raises(StoreUnavailableError, match=r"folder\.db"):
        await server.start()
    with pytest.raises(RuntimeError, match="not running"):
        _ = server.url


async def test_by_default_the_environment_of_the_process_can_opt_out(
    client: aiohttp.ClientSession, configuration_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    async with ReferenceServer(config=configuration_file) as server:
        async with client.get(server.url / ENDPOINT) as answer:
            assert (await answer.json())["disable_ui_telemetry"] is True


def test_the_version_is_the_projects() -> None:
    assert f'\nversion = "{SERVER_VERSION}"\n' in PROJECT.read_text(encoding="utf-8")
