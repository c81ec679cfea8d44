"""The figures for Prometheus, read by Prometheus' own parser."""

import json
import math
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

import aiohttp
import pytest_asyncio
from prometheus_client.parser import text_string_to_metric_families

from reference_server import Losses, ReferenceServer, SqliteStore, StoreUnavailableError
from unit.reference_server.conftest import StartServer
from unit.support.samples import ENDPOINT, record

JSON = {"Content-Type": "application/json"}

Figures = dict[str, float]
ReadFigures = Callable[[ReferenceServer], Awaitable[Figures]]


@pytest_asyncio.fixture
async def figures(client: aiohttp.ClientSession) -> ReadFigures:
    """Read the figures: name → value, with labels as `name{value,value}`."""

    async def read(server: ReferenceServer) -> Figures:
        async with client.get(server.url / "metrics") as answer:
            assert answer.status == 200
            assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
            families = list(text_string_to_metric_families(await answer.text()))
        return {
            f"{each.name}{{{','.join(each.labels.values())}}}" if each.labels else each.name: each.value
            for family in families
            for each in family.samples
        }

    return read


async def test_records_are_counted_by_what_became_of_them(
    start_server: StartServer, client: aiohttp.ClientSession, figures: ReadFigures
) -> None:
    server = await start_server()
    members = [record(n, tab_id="a-tab", seq=n) for n in (0, 1, 1, 4)]
    body = json.dumps(
        {"records": [*members, 5, "bad"], "session_id": "s", "dropped": 2, "filtered": 1}
    ).encode()
    async with client.post(server.url / ENDPOINT, data=body, headers=JSON) as answer:
        assert answer.status == 200
    found = await figures(server)
    assert found["telemetry_records_accepted_total"] == 4
    assert found["telemetry_records_duplicate_total"] == 1
    assert found["telemetry_records_rejected_total"] == 2
    assert found["telemetry_events_missing"] == 2
    assert found["telemetry_events_dropped"] == 2
    assert found["telemetry_events_filtered"] == 1
    assert found["telemetry_queue_records"] == found["telemetry_queue_bytes"] == 0
    assert found["telemetry_commit_seconds_count"] == 1
    assert found["telemetry_commit_seconds_sum"] > 0


async def test_requests_are_counted_by_method_and_status_and_no_client_makes_up_labels(
    start_server: StartServer, client: aiohttp.ClientSession, figures: ReadFigures
) -> None:
    server = await start_server(prefix="/app")
    for method in ("GET", "GET", "HEAD", "DELETE", "PROPFIND", "LOCK"):
        async with client.request(method, server.url / ENDPOINT):
            pass
    async with client.get(server.url.origin() / "app"):  # the redirect to the page
        pass
    found = await figures(server)
    counted = {name: value for name, value in found.items() if name.startswith("telemetry_requests_total")}
    assert counted == {
        "telemetry_requests_total{GET,200}": 3,
        "telemetry_requests_total{GET,308}": 1,
        "telemetry_requests_total{HEAD,200}": 1,
        "telemetry_requests_total{DELETE,405}": 1,
        "telemetry_requests_total{other,405}": 2,
    }


async def test_two_servers_in_one_program_do_not_mix(start_server: StartServer, figures: ReadFigures) -> None:
    first, second = await start_server(), await start_server()
    await figures(first)
    assert (await figures(first))["telemetry_requests_total{GET,200}"] == 1
    assert "telemetry_requests_total{GET,200}" not in await figures(second)


async def test_figures_are_told_while_another_process_holds_the_database(
    start_server: StartServer, figures: ReadFigures, tmp_path: Path
) -> None:
    server = await start_server(database=tmp_path / "records.db")
    with closing(sqlite3.connect(tmp_path / "records.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert (await figures(server))["telemetry_events_missing"] == 0


async def test_what_the_store_cannot_tell_is_no_number(
    start_server: StartServer, figures: ReadFigures
) -> None:
    class Unreadable(SqliteStore):
        async def losses(self) -> Losses:
            raise StoreUnavailableError("it is gone")

    server = await start_server(store=Unreadable())
    found = await figures(server)
    assert math.isnan(found["telemetry_events_missing"])
    assert found["telemetry_records_accepted_total"] == 0
