"""The telemetry endpoint over HTTP: configuration, records, consent, and a store that fails.

test_wire_errors.py covers requests that are refused.
"""

import asyncio
import json
import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from reference_server import ReferenceServer, SqliteStore, StoreUnavailableError
from reference_server.model.batch import MAX_REJECTED_LISTED
from reference_server.storage.dead_letters import DeadLetter
from unit.reference_server.conftest import StartServer
from unit.support.samples import (
    DISABLED_RESPONSE,
    ENABLED,
    ENDPOINT,
    encode_body,
    make_record,
    write_configuration,
)

JSON = {"Content-Type": "application/json"}


async def post(
    client: aiohttp.ClientSession, server: ReferenceServer, *members: object
) -> tuple[int, dict[str, object]]:
    async with client.post(server.url / ENDPOINT, data=encode_body(*members), headers=JSON) as response:
        return response.status, await response.json()


async def read_stored(server: ReferenceServer) -> list[dict[str, object]]:
    return [record.as_dict() for record in await server.store.read_records()]


async def test_configuration_is_served_uncached(
    start_server: StartServer, client: aiohttp.ClientSession
) -> None:
    server = await start_server()
    async with client.get(server.url / ENDPOINT) as response:
        assert response.status == 200
        assert response.content_type == "application/json"
        assert response.headers["Cache-Control"] == "no-store"
        assert await response.json() == {
            "disable_ui_telemetry": False,
            "disable_ui_events": ["quiet.button"],
            "ui_rollout_percentage": 12.345678,
            "accept_encodings": ["gzip"],
        }


async def test_head_has_the_headers_of_get_and_no_body(
    start_server: StartServer, client: aiohttp.ClientSession
) -> None:
    server = await start_server()
    async with client.get(server.url / ENDPOINT) as get, client.head(server.url / ENDPOINT) as head:
        assert head.status == 200
        for header in ("Content-Type", "Content-Length", "Cache-Control"):
            assert head.headers[header] == get.headers[header]
        assert await head.read() == b""


async def test_changed_configuration_applies_to_the_next_request(
    start_server: StartServer, client: aiohttp.ClientSession, configuration_file: Path
) -> None:
    server = await start_server()
    for percentage in (1, 2, 3):
        write_configuration(configuration_file, {**ENABLED, "ui_rollout_percentage": percentage})
        async with client.get(server.url / ENDPOINT) as response:
            assert (await response.json())["ui_rollout_percentage"] == percentage


@pytest.mark.parametrize("config", [None, "missing.json", "http://127.0.0.1:1/"])
async def test_unknown_configuration_is_503_and_not_disabled(
    start_server: StartServer, client: aiohttp.ClientSession, config: str | None
) -> None:
    server = await start_server(config=config)
    for method, data in (("GET", None), ("POST", encode_body(make_record()))):
        async with client.request(method, server.url / ENDPOINT, data=data, headers=JSON) as response:
            assert (response.status, (await response.json())["error"]) == (503, "configuration_unknown")
            assert int(response.headers["Retry-After"]) > 0
    assert await server.store.count() == 0


async def test_records_are_stored_before_the_response(
    start_server: StartServer, client: aiohttp.ClientSession
) -> None:
    server = await start_server()
    assert await post(client, server, make_record(1), make_record(2)) == (
        200,
        {"status": "success", "accepted": 2},
    )
    assert await read_stored(server) == [make_record(1), make_record(2)]


async def test_bad_record_does_not_affect_the_others(
    start_server: StartServer, client: aiohttp.ClientSession
) -> None:
    server = await start_server()
    status, response = await post(
        client, server, make_record(1), make_record(2, session_id=7), 5, make_record(3)
    )
    assert status == 200
    assert response == {
        "status": "success",
        "accepted": 2,
        "rejected": [
            {"index": 1, "field": "session_id", "reason": "Expected `str`, got `int`"},
            {"index": 2, "field": None, "reason": "Expected `object`, got `int`"},
        ],
    }
    assert await read_stored(server) == [make_record(1), make_record(3)]


async def test_empty_batch_succeeds_and_stores_nothing(
    start_server: StartServer, client: aiohttp.ClientSession
) -> None:
    server = await start_server()
    assert await post(client, server) == (200, {"status": "success", "accepted": 0})
    assert await server.store.count() == 0


async def test_response_limits_listed_rejections_and_counts_the_rest(
    start_server: StartServer, client: aiohttp.ClientSession
) -> None:
    server = await start_server()
    _, response = await post(client, server, *[0] * (MAX_REJECTED_LISTED + 5), make_record(1))
    assert isinstance(response["rejected"], list)
    assert len(response["rejected"]) == MAX_REJECTED_LISTED
    assert response["rejected_unlisted"] == 5
    assert await read_stored(server) == [make_record(1)]


async def test_concurrent_requests_are_all_stored_once(
    start_server: StartServer, client: aiohttp.ClientSession
) -> None:
    server = await start_server()
    responses = await asyncio.gather(
        *(post(client, server, make_record(n), make_record(n)) for n in range(100))
    )
    assert {status for status, _ in responses} == {200}
    counts = {n: 0 for n in range(100)}
    for record in await server.store.read_records():
        counts[record.timestamp_ns - 1_700_000_000_000_000_000] += 1
    assert set(counts.values()) == {2}


@pytest.mark.parametrize("switch", ["disable_telemetry", "disable_ui_telemetry"])
@pytest.mark.parametrize(("value", "status"), [(True, 200), (None, 503), ("false", 503)])
async def test_only_a_switch_that_is_true_disables(
    start_server: StartServer,
    client: aiohttp.ClientSession,
    configuration_file: Path,
    switch: str,
    value: object,
    status: int,
) -> None:
    server = await start_server()
    write_configuration(configuration_file, {**ENABLED, switch: value})
    response = await post(client, server, make_record())
    assert response[0] == status
    assert (response[1].get("status") == "disabled") == (value is True)
    assert await server.store.count() == 0


async def test_last_configuration_holds_over_a_restart_beside_the_database(
    start_server: StartServer, client: aiohttp.ClientSession, configuration_file: Path, tmp_path: Path
) -> None:
    server = await start_server(database=tmp_path / "records.db")
    await server.stop()
    os.unlink(configuration_file)
    await server.start()
    assert (await post(client, server, make_record()))[1]["status"] == "success"
    assert "records.db.last-config.json" in os.listdir(tmp_path)


async def test_environment_opt_out_reads_no_source(
    start_server: StartServer, client: aiohttp.ClientSession
) -> None:
    requests: list[str] = []

    async def respond(request: web.Request) -> web.Response:
        requests.append(request.path)
        return web.json_response(ENABLED)

    app = web.Application()
    app.router.add_get("/", respond)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    server = await start_server(config=url, environ={"CI": "false"})
    assert await post(client, server, make_record()) == (200, {"status": "disabled"})
    async with client.get(server.url / ENDPOINT) as response:
        assert await response.json() == DISABLED_RESPONSE
    await runner.cleanup()
    assert requests == []


async def test_environment_opt_out_applies_to_the_next_request(
    start_server: StartServer, client: aiohttp.ClientSession
) -> None:
    environ: dict[str, str] = {}
    server = await start_server(environ=environ)
    assert (await post(client, server, make_record(1)))[1]["status"] == "success"
    environ["DO_NOT_TRACK"] = "Yes"
    assert (await post(client, server, make_record(2)))[1] == {"status": "disabled"}
    async with client.get(server.url / ENDPOINT) as response:
        assert await response.json() == DISABLED_RESPONSE
    assert await read_stored(server) == [make_record(1)]


async def test_locked_database_is_503_and_a_retry_succeeds(
    start_server: StartServer, client: aiohttp.ClientSession, tmp_path: Path
) -> None:
    database = tmp_path / "records.db"
    server = await start_server(store=SqliteStore(database, lock_wait_seconds=0.01))
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        async with client.post(
            server.url / ENDPOINT, data=encode_body(make_record(1)), headers=JSON
        ) as response:
            assert response.status == 503
            assert int(response.headers["Retry-After"]) > 0
            assert (await response.json())["error"] == "store_unavailable"
        other.execute("ROLLBACK")
    assert (await post(client, server, make_record(1)))[0] == 200
    assert await read_stored(server) == [make_record(1)]


async def test_waiting_store_does_not_block_other_requests(
    start_server: StartServer, client: aiohttp.ClientSession, tmp_path: Path
) -> None:
    database = tmp_path / "records.db"
    server = await start_server(store=SqliteStore(database, lock_wait_seconds=30))
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        waiting = asyncio.ensure_future(post(client, server, make_record(1)))
        async with client.get(server.url / "health") as response:
            assert (await response.json())["status"] == "ok"
        assert not waiting.done()
        other.execute("ROLLBACK")
    assert (await waiting)[0] == 200


async def test_repeated_record_is_accepted_as_a_duplicate(
    start_server: StartServer, client: aiohttp.ClientSession
) -> None:
    server = await start_server()
    members = [make_record(n, tab_id="a-tab", seq=n) for n in range(3)]
    assert await post(client, server, *members[:2]) == (200, {"status": "success", "accepted": 2})
    again = {"status": "success", "accepted": 3, "duplicates": 2}
    assert await post(client, server, *members) == (200, again)
    assert await read_stored(server) == members


async def test_report_without_records_is_stored(
    start_server: StartServer, client: aiohttp.ClientSession
) -> None:
    server = await start_server()
    for dropped in (7, 5):
        body = json.dumps({"records": [], "session_id": "s", "dropped": dropped}).encode()
        async with client.post(server.url / ENDPOINT, data=body, headers=JSON) as response:
            assert await response.json() == {"status": "success", "accepted": 0}
    assert (await server.store.read_totals()).dropped == 7


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
@pytest.mark.parametrize("count", [1, 1000])
async def test_compressed_body_is_accepted(
    start_server: StartServer, client: aiohttp.ClientSession, encoding: str, count: int
) -> None:
    server = await start_server()
    body = encode_body(*(make_record(n) for n in range(count)))
    async with client.post(server.url / ENDPOINT, data=body, headers=JSON, compress=encoding) as response:
        assert (await response.json())["accepted"] == count


async def test_stored_records_are_acknowledged_although_the_rejected_ones_are_not_kept(
    start_server: StartServer, client: aiohttp.ClientSession
) -> None:
    class FullStore(SqliteStore):
        async def add_dead_letters(self, letters: Sequence[DeadLetter], rejected_count: int) -> None:
            raise StoreUnavailableError("it is full")

    server = await start_server(store=FullStore())
    status, response = await post(client, server, make_record(1), 5)
    assert (status, response["status"], response["accepted"]) == (200, "success", 1)
    assert (await post(client, server, 5))[0] == 503
    assert await read_stored(server) == [make_record(1)]


async def test_conflict_is_rejected_with_its_index(
    start_server: StartServer, client: aiohttp.ClientSession
) -> None:
    server = await start_server()
    await post(client, server, make_record(1, tab_id="a", seq=0))
    status, response = await post(client, server, 5, make_record(2), make_record(3, tab_id="a", seq=0))
    assert (status, response["accepted"]) == (200, 1)
    assert "duplicates" not in response
    rejected = response["rejected"]
    assert isinstance(rejected, list)
    assert [(each["index"], each["field"]) for each in rejected] == [(0, None), (2, "seq")]
    totals = await server.store.read_totals()
    assert (totals.accepted, totals.duplicates, totals.rejected) == (2, 0, 2)
