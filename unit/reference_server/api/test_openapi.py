"""The OpenAPI document matches the server: routes, methods, statuses, and the schema of every response."""

import asyncio
import gzip
import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from reference_server import Added, Record, ReferenceServer, SessionReport, SqliteStore, StoreUnavailableError
from reference_server.api.openapi import build_document
from reference_server.api.routes import UNKNOWN
from reference_server.api.telemetry import ENDPOINT
from reference_server.model.record import MAX_ID_CHARACTERS, MAX_SEQ
from unit.reference_server.conftest import StartServer
from unit.support.json_schema import find_violations
from unit.support.samples import encode_body, make_record

JSON = {"Content-Type": "application/json"}
LIMIT_BYTES = 100_000
BODY_TIMEOUT_SECONDS = 0.2

Response = tuple[int, str, bytes]


class FailingStore(SqliteStore):
    """A store whose `add` raises `failure`."""

    failure: Exception | None = None

    async def add(self, records: Sequence[Record], report: SessionReport | None = None) -> Added:
        if self.failure is not None:
            raise self.failure
        return await super().add(records, report)


@pytest_asyncio.fixture
async def server(start_server: StartServer) -> AsyncIterator[ReferenceServer]:
    yield await start_server(
        store=FailingStore(),
        max_body=LIMIT_BYTES,
        body_timeout_seconds=BODY_TIMEOUT_SECONDS,
        allowed_hosts=["127.0.0.1"],
    )


def list_operations() -> list[tuple[str, str, Mapping[str, Any]]]:
    """Return path, method and operation of everything in the document."""
    return [
        (path, method.upper(), operation)
        for path, item in build_document("")["paths"].items()
        for method, operation in item.items()
        if method != "parameters"
    ]


async def test_document_and_routes_have_the_same_operations(
    server: ReferenceServer,
) -> None:
    assert server._runner is not None
    app = server._runner.app
    assert isinstance(app, web.Application)
    routed = {
        (route.resource.canonical, route.method)
        for route in app.router.routes()
        if route.resource is not None and route.name != UNKNOWN
    }
    assert {(path, method) for path, method, _ in list_operations()} == routed


@pytest.mark.parametrize(("prefix", "url"), [("", "/"), ("/app", "/app")])
async def test_document_is_served_with_the_prefix(
    start_server: StartServer, client: aiohttp.ClientSession, prefix: str, url: str
) -> None:
    server = await start_server(prefix=prefix)
    async with client.get(server.url / "openapi.json") as response:
        content = await response.json()
    assert content["servers"] == [{"url": url}]
    assert content == build_document(prefix)


def test_every_reference_has_a_schema_and_every_schema_is_used() -> None:
    document = build_document("")
    schemas = document["components"]["schemas"]
    names = {text.split('"')[0] for text in json.dumps(document).split("#/components/schemas/")[1:]}
    assert names == set(schemas)


async def collect_responses(
    server: ReferenceServer, client: aiohttp.ClientSession
) -> list[tuple[str, str, Response]]:
    """Send requests of every kind; return path, method and response of each."""
    collected: list[tuple[str, str, Response]] = []
    base = str(server.url).rstrip("/")

    async def send(method: str, path: str, at: str | None = None, **options: Any) -> bytes:
        async with client.request(method, f"{base}{at or path}", **options) as response:
            body = await response.read()
            collected.append((path, method, (response.status, response.content_type, body)))
            return body

    async with client.get(base + "/") as response:
        [worker] = set(re.findall(r"static-files/telemetry\.worker\.[0-9a-f]+\.js", await response.text()))
    places = {path: path for path, method, _ in list_operations() if method == "GET"}
    places["/static-files/{name}"] = f"/{worker}"
    for method in ("GET", "HEAD"):
        for path, at in places.items():
            await send(method, path, at)
            await send(method, path, at, headers={"Host": "a b"})
            await send(method, path, at, headers={"Host": "evil.test"})
            await send(method, path, at, headers={"Origin": "http://evil.test"})
            await send(method, path, at, headers={"Expect": "more"})
        await send(method, "/static-files/{name}", "/static-files/nothing.js")

    async def post(body: bytes, **headers: str) -> None:
        await send("POST", ENDPOINT, data=body, headers={**JSON, **headers})

    good = [make_record(n, tab_id="a-tab", seq=n) for n in range(3)]
    await post(encode_body(*good))
    await post(encode_body(*good, 5, make_record(event_name=7)))
    await post(encode_body(*[0] * 2_000))
    await post(gzip.compress(encode_body(make_record())), **{"Content-Encoding": "gzip"})
    await post(b"{")
    await post(b"x", **{"Content-Encoding": "gzip"})
    await post(encode_body(), Host="a b")
    await post(encode_body(), Expect="more")
    await post(encode_body(), Host="evil.test")
    await post(encode_body(), Origin="http://evil.test")
    await post(b" " * (LIMIT_BYTES + 1))
    await post(encode_body(), **{"Content-Type": "text/plain"})
    await post(encode_body(), **{"Content-Encoding": "br"})
    await post(b"[]")
    await post(b"{}")
    await send("POST", ENDPOINT, data=_send_slowly(), headers=JSON)
    assert isinstance(server.store, FailingStore)
    for failure in (StoreUnavailableError("it is full"), LookupError("unexpected")):
        server.store.failure = failure
        await post(encode_body(make_record()))
    return collected


async def _send_slowly() -> AsyncIterator[bytes]:
    yield b"{"
    await asyncio.Event().wait()


async def test_document_and_responses_have_the_same_statuses_and_schemas(
    server: ReferenceServer, client: aiohttp.ClientSession, start_server: StartServer, tmp_path: Path
) -> None:
    """Every response also has the documented media type and schema."""
    document = build_document("")
    documented = {
        (path, method, int(status))
        for path, method, operation in list_operations()
        for status in operation["responses"]
    }
    responses = await collect_responses(server, client)
    limited = await start_server(config=None, metrics_token="a-token-of-more-than-twenty-characters")
    for path in (ENDPOINT, "/ready", "/metrics"):
        for method in ("GET", "HEAD"):
            async with client.request(method, limited.url / path[1:]) as response:
                described = response.status, response.content_type, await response.read()
                responses.append((path, method, described))
    without_worker = await start_server(worker_directory=tmp_path)
    for method in ("GET", "HEAD"):
        async with client.request(method, without_worker.url) as response:
            responses.append(("/", method, (response.status, response.content_type, await response.read())))
    observed = set()
    for path, method, (status, media_type, body) in responses:
        observed.add((path, method, status))
        response = document["paths"][path][method.lower()]["responses"][str(status)]
        if method == "HEAD":
            assert body == b""
            continue
        [(expected_type, documented_content)] = response["content"].items()
        assert media_type == expected_type, (path, method, status)
        value = json.loads(body) if media_type == "application/json" else body.decode()
        assert find_violations(documented_content["schema"], value, document) == [], (path, method, status)
    assert observed == documented


async def test_disabled_responses_match_the_schema(
    start_server: StartServer, client: aiohttp.ClientSession
) -> None:
    server = await start_server(environ={"DO_NOT_TRACK": "1"})
    document = build_document("")
    for method in ("GET", "POST"):
        async with client.request(
            method, f"{server.url.origin()}{ENDPOINT}", data=b"", headers=JSON
        ) as response:
            content = await response.json()
        documented_content = document["paths"][ENDPOINT][method.lower()]["responses"]["200"]["content"]
        assert find_violations(documented_content["application/json"]["schema"], content, document) == []


def test_only_valid_records_match_the_schema() -> None:
    document = build_document("")
    schema = {"$ref": "#/components/schemas/Batch"}
    assert (
        find_violations(schema, {"records": [make_record(), make_record(tab_id="a", seq=0)]}, document) == []
    )
    for bad in (
        5,
        make_record(event_name=5),
        make_record(timestamp_ns=-1),
        make_record(params="x"),
        make_record(tab_id=""),
    ):
        assert find_violations(schema, {"records": [bad]}, document) != []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"records": []},
        {"records": [], "session_id": 5, "dropped": -1, "filtered": "3"},
        {"records": [make_record()], "session_id": "s" * 300, "dropped": 10**30, "more": []},
        {"records": [make_record(tab_id="b" * 64, seq=MAX_SEQ)]},
        {"records": [make_record(session_id="s" * MAX_ID_CHARACTERS)]},
        {"records": None},
        {"dropped": 1},
        {"records": [{}]},
        {"records": [make_record(session_id="s" * (MAX_ID_CHARACTERS + 1))]},
        {"records": [make_record(tab_id="b", seq=MAX_SEQ + 1)]},
        {"records": [make_record(tab_id="b", seq=-1)]},
        {"records": [make_record(timestamp_ns=-1)]},
        {"records": [make_record(params="text")]},
        {"records": [make_record(params=[])]},
        [],
        5,
    ],
)
async def test_schema_of_a_body_agrees_with_what_is_taken(
    start_server: StartServer, client: aiohttp.ClientSession, body: object
) -> None:
    document = build_document("")
    schema = document["paths"][ENDPOINT]["post"]["requestBody"]["content"]["application/json"]["schema"]
    server = await start_server()
    data = json.dumps(body).encode()
    async with client.post(server.url / ENDPOINT[1:], data=data, headers=JSON) as response:
        content = await response.json()
    is_taken = response.status == 200 and "rejected" not in content
    assert (find_violations(schema, body, document) == []) == is_taken
