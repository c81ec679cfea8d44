"""The metrics for Prometheus, read by Prometheus' own parser."""

import json
import math
import signal
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from prometheus_client.parser import text_string_to_metric_families

from reference_server import ReferenceServer, SqliteStore, StoreUnavailableError, Totals
from unit.reference_server.conftest import StartServer
from unit.support.command import StartCommand
from unit.support.samples import ENDPOINT, make_record

JSON = {"Content-Type": "application/json"}

MetricValues = dict[str, float]
ReadMetrics = Callable[[ReferenceServer], Awaitable[MetricValues]]


@pytest_asyncio.fixture
async def read_metrics(client: aiohttp.ClientSession) -> ReadMetrics:
    """Return a function that reads the metrics: name → value, with labels as `name{value,value}`."""

    async def read(server: ReferenceServer) -> MetricValues:
        async with client.get(server.url / "metrics") as response:
            assert response.status == 200
            assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
            families = list(text_string_to_metric_families(await response.text()))
        return {
            f"{each.name}{{{','.join(each.labels.values())}}}" if each.labels else each.name: each.value
            for family in families
            for each in family.samples
        }

    return read


async def test_records_are_counted_by_result(
    start_server: StartServer, client: aiohttp.ClientSession, read_metrics: ReadMetrics
) -> None:
    server = await start_server()
    members = [make_record(n, tab_id="a-tab", seq=n) for n in (0, 1, 1, 4)]
    body = json.dumps(
        {"records": [*members, 5, "bad"], "session_id": "s", "dropped": 2, "filtered": 1}
    ).encode()
    async with client.post(server.url / ENDPOINT, data=body, headers=JSON) as response:
        assert response.status == 200
    found = await read_metrics(server)
    assert found["telemetry_records_accepted_total"] == 4
    assert found["telemetry_records_duplicate_total"] == 1
    assert found["telemetry_records_rejected_total"] == 2
    assert found["telemetry_events_missing"] == 2
    assert found["telemetry_events_dropped"] == 2
    assert found["telemetry_events_filtered"] == 1
    assert found["telemetry_queue_records"] == found["telemetry_queue_bytes"] == 0
    assert found["telemetry_commit_seconds_count"] == 2  # records, and dead letters
    assert found["telemetry_commit_seconds_sum"] > 0


async def test_requests_are_counted_by_known_method_and_status(
    start_server: StartServer, client: aiohttp.ClientSession, read_metrics: ReadMetrics
) -> None:
    server = await start_server(prefix="/app")
    for method in ("GET", "GET", "HEAD", "DELETE", "PROPFIND", "LOCK"):
        async with client.request(method, server.url / ENDPOINT):
            pass
    async with client.get(server.url.origin() / "app"):  # the redirect to the page
        pass
    found = await read_metrics(server)
    counted = {name: value for name, value in found.items() if name.startswith("telemetry_requests_total")}
    assert counted == {
        "telemetry_requests_total{GET,200}": 3,
        "telemetry_requests_total{GET,308}": 1,
        "telemetry_requests_total{HEAD,200}": 1,
        "telemetry_requests_total{DELETE,405}": 1,
        "telemetry_requests_total{other,405}": 2,
    }


async def test_servers_in_one_program_have_separate_metrics(
    start_server: StartServer, read_metrics: ReadMetrics
) -> None:
    first, second = await start_server(), await start_server()
    await read_metrics(first)
    assert (await read_metrics(first))["telemetry_requests_total{GET,200}"] == 1
    assert "telemetry_requests_total{GET,200}" not in await read_metrics(second)


async def test_metrics_are_served_while_the_database_is_locked(
    start_server: StartServer, read_metrics: ReadMetrics, tmp_path: Path
) -> None:
    server = await start_server(database=tmp_path / "records.db")
    with closing(sqlite3.connect(tmp_path / "records.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert (await read_metrics(server))["telemetry_events_missing"] == 0


async def test_losses_are_nan_if_the_store_is_unavailable(
    start_server: StartServer, read_metrics: ReadMetrics
) -> None:
    class UnreadableStore(SqliteStore):
        async def read_totals(self) -> Totals:
            raise StoreUnavailableError("it is gone")

    server = await start_server(store=UnreadableStore())
    found = await read_metrics(server)
    assert math.isnan(found["telemetry_events_missing"])
    assert found["telemetry_records_accepted_total"] == 0


async def test_counters_are_exact_after_a_crash(
    start_command: StartCommand, configuration_file: Path, tmp_path: Path
) -> None:
    members = [make_record(n, tab_id="a-tab", seq=n) for n in (0, 1, 5)]
    expected = {
        "telemetry_records_accepted_total": 7,
        "telemetry_records_duplicate_total": 3,
        "telemetry_records_rejected_total": 2,
        "telemetry_records_stored": 4,
        "telemetry_events_missing": 3,
        "telemetry_events_dropped": 2,
    }
    arguments = ["--config", configuration_file, "--database", tmp_path / "records.db"]
    command = start_command(*arguments)
    for _ in range(2):
        assert command.post(*members, 5) == 200
    body = {"records": [make_record()], "session_id": "s", "dropped": 2}
    assert command.post_raw(json.dumps(body).encode()) == 200
    assert {name: command.get_metric(name) for name in expected} == expected
    for number in (signal.SIGKILL, signal.SIGTERM):
        command.stop(number)
        command = start_command(*arguments)
        assert {name: command.get_metric(name) for name in expected} == expected


async def test_counters_keep_their_last_values_if_the_store_is_unavailable(
    start_server: StartServer, client: aiohttp.ClientSession, read_metrics: ReadMetrics, tmp_path: Path
) -> None:
    server = await start_server(database=tmp_path / "records.db")
    body = json.dumps({"records": [make_record()]}).encode()
    async with client.post(server.url / ENDPOINT, data=body, headers=JSON) as response:
        assert response.status == 200
    before = await read_metrics(server)
    await server.store.close()
    found = await read_metrics(server)
    assert found["telemetry_records_accepted_total"] == before["telemetry_records_accepted_total"] == 1
    assert math.isnan(found["telemetry_records_stored"])


TOKEN = "a.long-token_with~every+kind/of=character:!"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Authorization": f"Bearer {TOKEN}"}, 200),
        ({"Authorization": f"bearer  {TOKEN}"}, 200),
        ({}, 401),
        ({"Authorization": ""}, 401),
        ({"Authorization": "Bearer"}, 401),
        ({"Authorization": "Bearer "}, 401),
        ({"Authorization": TOKEN}, 401),
        ({"Authorization": f"Basic {TOKEN}"}, 401),
        ({"Authorization": f"Bearer {TOKEN[:-1]}"}, 401),
        ({"Authorization": f"Bearer {TOKEN}x"}, 401),
        ({"Authorization": f"Bearer {TOKEN.upper()}"}, 401),
        ({"Authorization": f"Bearer \u00fc{TOKEN}"}, 401),
    ],
)
async def test_metrics_need_the_token(
    start_server: StartServer,
    client: aiohttp.ClientSession,
    method: str,
    headers: dict[str, str],
    status: int,
) -> None:
    server = await start_server(metrics_token=TOKEN)
    async with client.request(method, server.url / "metrics", headers=headers) as response:
        assert response.status == status
        text = await response.text()
        assert TOKEN not in text
        assert ("WWW-Authenticate" in response.headers) is (status == 401)
        assert ("telemetry_" in text) is (status == 200 and method == "GET")
    async with client.get(server.url / "health") as response:
        assert response.status == 200


async def test_two_tokens_in_one_request_are_refused(
    start_server: StartServer, client: aiohttp.ClientSession
) -> None:
    server = await start_server(metrics_token=TOKEN)
    headers = [("Authorization", f"Bearer {TOKEN}"), ("Authorization", "Bearer other")]
    async with client.get(server.url / "metrics", headers=headers) as response:
        assert response.status == 401


@pytest.mark.parametrize("token", ["", " ", "two words", "line\n", "\u00fc", "tab\t"])
def test_token_that_no_header_can_hold_is_refused(token: str) -> None:
    with pytest.raises(ValueError, match="metrics token"):
        ReferenceServer(metrics_token=token)
