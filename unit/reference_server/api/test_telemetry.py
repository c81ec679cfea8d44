"""The telemetry endpoint over HTTP: configuration out, records in, consent in between, a store that fails.

Requests that are refused are in test_wire_errors.py.
"""

import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import aiohttp
import pytest

from reference_server import ReferenceServer, SqliteStore
from reference_server.model.batch import MAX_REJECTED_LISTED
from unit.reference_server.conftest import StartServer
from unit.support.samples import DISABLED_ANSWER, ENABLED, ENDPOINT, body_of, record, write_configuration

JSON = {"Content-Type": "application/json"}


async def post(
    client: aiohttp.ClientSession, server: ReferenceServer, *members: object
) -> tuple[int, dict[str, object]]:
    async with client.post(server.url / ENDPOINT, data=body_of(*members), headers=JSON) as answer:
        return answer.status, await answer.json()


async def stored(server: ReferenceServer) -> list[dict[str, object]]:
    return [kept.as_dict() for kept in await server.store.records()]


async def test_a_worker_is_told_the_three_values_and_no_cache_keeps_them(
    start_server: StartServer, client: aiohttp.ClientSession
) -> None:
    server = await start_server()
    async with client.get(server.url / ENDPOINT) as answer:
        assert answer.status == 200
        assert answer.content_type == "application/json"
        assert answer.headers["Cache-Control"] == "no-store"
        assert await answer.json() == {
            "disable_ui_telemetry": False,
            "disable_ui_events": ["quiet.button"],
            "ui_rollout_percentage": 12.345678,
            "accept_encodings": ["gzip"],
        }


async def test_a_head_request_is_answered_like_a_get_without_a_body(
    start_server: StartServer, client: aiohttp.ClientSession
) -> None:
    server = await start_server()
    async with client.get(server.url / ENDPOINT) as get, client.head(server.url / ENDPOINT) as head:
        assert head.status == 200
        for header in ("Content-Type", "Content-Length", "Cache-Control"):
            assert head.headers[header] == get.headers[header]
        assert await head.read() == b""


async def test_a_changed_file_holds_from_the_next_request_on(
    start_server: StartServer, client: aiohttp.ClientSession, configuration_file: Path
) -> None:
    server = await start_server()
    for percentage in (1, 2, 3):
        write_configuration(configuration_file, {**ENABLED, "ui_rollout_percentage": percentage})
        async with client.get(server.url / ENDPOINT) as answer:
            assert (await answer.json())["ui_rollout_percentage"] == percentage


async def test_without_a_configuration_nothing_may_be_sent(
    start_server: StartServer, client: aiohttp.ClientSession
) -> None:
    server = await start_server(config=None)
    async with client.get(server.url / ENDPOINT) as answer:
        assert await answer.json() == DISABLED_ANSWER


async def test_records_are_stored_before_the_answer_says_so(
    start_server: StartServer, client: aiohttp.ClientSession
) -> None:
    server = await start_server()
    assert await post(client, server, record(1), record(2)) == (200, {"status": "success", "accepted": 2})
    assert await stored(server) == [record(1), record(2)]


async def test_one_bad_record_does_not_cost_the_others(
    start_server: StartServer, client: aiohttp.ClientSession
) -> None:
    server = await start_server()
    status, answer = await post(client, server, record(1), record(2, session_id=7), 5, record(3))
    assert status == 200
    assert answer == {
        "status": "success",
        "accepted": 2,
        "rejected": [
            {"index": 1, "field": "session_id", "reason": "Expected `str`, got `int`"},
            {"index": 2, "field": None, "reason": "Expected `object`, got `int`"},
        ],
    }
    assert await stored(server) == [record(1), record(3)]


async def test_an_empty_list_is_a_success_that_stores_nothing(
    start_server: StartServer, client: aiohttp.ClientSession
) -> None:
    server = await start_server()
    assert await post(client, server) == (200, {"status": "success", "accepted": 0})
    assert await server.store.count() == 0


async def test_an_answer_lists_a_limited_number_of_rejections_and_counts_the_rest(
    start_server: StartServer, client: aiohttp.ClientSession
) -> None:
    server = await start_server()
    _, answer = await post(client, server, *[0] * (MAX_REJECTED_LISTED + 5), record(1))
    assert isinstance(answer["rejected"], list)
    assert len(answer["rejected"]) == MAX_REJECTED_LISTED
    assert answer["rejected_unlisted"] == 5
    assert await stored(server) == [record(1)]


async def test_concurrent_requests_are_all_stored_once(
    start_server: StartServer, client: aiohttp.ClientSession
) -> None:
    server = await start_server()
    answers = await asyncio.gather(*(post(client, server, record(n), record(n)) for n in range(100)))
    assert {status for status, _ in answers} == {200}
    counts = {n: 0 for n in range(100)}
    for kept in await server.store.records():
        counts[kept.timestamp_ns - 1_700_000_000_000_000_000] += 1
    assert set(counts.values()) == {2}


@pytest.mark.parametrize("switch", ["disable_telemetry", "disable_ui_telemetry"])
@pytest.mark.parametrize("value", [True, None, "false"])
async def test_a_configuration_that_disables_stores_nothing(
    start_server: StartServer,
    client: aiohttp.ClientSession,
    configuration_file: Path,
    switch: str,
    value: object,
) -> None:
    server = await start_server()
    write_configuration(configuration_file, {**ENABLED, switch: value})
    assert await post(client, server, record()) == (200, {"status": "disabled"})
    assert await server.store.count() == 0


async def test_an_unreadable_configuration_stores_nothing(
    start_server: StartServer, client: aiohttp.ClientSession, configuration_file: Path
) -> None:
    server = await start_server(config=configuration_file.with_name("missing.json"))
    assert await post(client, server, record()) == (200, {"status": "disabled"})
    assert await server.store.count() == 0


async def test_an_opt_out_by_the_environment_holds_from_the_next_request_on(
    start_server: StartServer, client: aiohttp.ClientSession
) -> None:
    environ: dict[str, str] = {}
    server = await start_server(environ=environ)
    assert (await post(client, server, record(1)))[1]["status"] == "success"
    environ["DO_NOT_TRACK"] = "Yes"
    assert (await post(client, server, record(2)))[1] == {"status": "disabled"}
    async with client.get(server.url / ENDPOINT) as answer:
        assert await answer.json() == DISABLED_ANSWER
    assert await stored(server) == [record(1)]


async def test_a_locked_database_is_told_and_the_same_request_succeeds_later(
    start_server: StartServer, client: aiohttp.ClientSession, tmp_path: Path
) -> None:
    database = tmp_path / "records.db"
    server = await start_server(store=SqliteStore(database, lock_wait_seconds=0.01))
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        async with client.post(server.url / ENDPOINT, data=body_of(record(1)), headers=JSON) as answer:
            assert answer.status == 503
            assert int(answer.headers["Retry-After"]) > 0
            assert (await answer.json())["error"] == "store_unavailable"
        other.execute("ROLLBACK")
    assert (await post(client, server, record(1)))[0] == 200
    assert await stored(server) == [record(1)]


async def test_a_store_that_waits_does_not_hold_up_other_requests(
    start_server: StartServer, client: aiohttp.ClientSession, tmp_path: Path
) -> None:
    database = tmp_path / "records.db"
    server = await start_server(store=SqliteStore(database, lock_wait_seconds=30))
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        waiting = asyncio.ensure_future(post(client, server, record(1)))
        async with client.get(server.url / "health") as answer:
            assert (await answer.json())["status"] == "ok"
        assert not waiting.done()
        other.execute("ROLLBACK")
    assert (await waiting)[0] == 200


async def test_a_record_that_comes_again_is_accepted_and_a_duplicate(
    start_server: StartServer, client: aiohttp.ClientSession
) -> None:
    server = await start_server()
    members = [record(n, tab_id="a-tab", seq=n) for n in range(3)]
    assert await post(client, server, *members[:2]) == (200, {"status": "success", "accepted": 2})
    again = {"status": "success", "accepted": 3, "duplicates": 2}
    assert await post(client, server, *members) == (200, again)
    assert await stored(server) == members


async def test_a_report_without_a_record_is_kept(
    start_server: StartServer, client: aiohttp.ClientSession
) -> None:
    server = await start_server()
    for dropped in (7, 5):
        body = json.dumps({"records": [], "session_id": "s", "dropped": dropped}).encode()
        async with client.post(server.url / ENDPOINT, data=body, headers=JSON) as answer:
            assert await answer.json() == {"status": "success", "accepted": 0}
    assert (await server.store.losses()).dropped == 7


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
@pytest.mark.parametrize("count", [1, 1000])
async def test_packed_bodies_are_understood(
    start_server: StartServer, client: aiohttp.ClientSession, encoding: str, count: int
) -> None:
    server = await start_server()
    body = body_of(*(record(n) for n in range(count)))
    async with client.post(server.url / ENDPOINT, data=body, headers=JSON, compress=encoding) as answer:
        assert (await answer.json())["accepted"] == count
