"""The OpenAPI document and the code say the same: routes, methods, statuses, the shape of every answer."""

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

from reference_server import Record, ReferenceServer, SessionReport, SqliteStore, StoreUnavailableError
from reference_server.api.openapi import document
from reference_server.api.routes import UNKNOWN
from reference_server.api.telemetry import ENDPOINT
from unit.reference_server.conftest import StartServer
from unit.support.json_schema import complaints
from unit.support.samples import body_of, record

JSON = {"Content-Type": "application/json"}
LIMIT_BYTES = 100_000
BODY_TIMEOUT_SECONDS = 0.2

Response = tuple[int, str, bytes]


class MoodyStore(SqliteStore):
    """Fails as it is told."""

    failure: Exception | None = None

    async def add(self, records: Sequence[Record], report: SessionReport | None = None) -> int:
        if self.failure is not None:
            raise self.failure
        return await super().add(records, report)


@pytest_asyncio.fixture
async def server(start_server: StartServer) -> AsyncIterator[ReferenceServer]:
    yield await start_server(
        store=MoodyStore(),
        max_body=LIMIT_BYTES,
        body_timeout_seconds=BODY_TIMEOUT_SECONDS,
        allowed_hosts=["127.0.0.1"],
    )


def operations() -> list[tuple[str, str, Mapping[str, Any]]]:
    """Path, method and what the document says of them."""
    return [
        (path, method.upper(), operation)
        for path, item in document("")["paths"].items()
        for method, operation in item.items()
        if method != "parameters"
    ]


async def test_every_route_is_in_the_document_and_every_path_of_it_has_a_route(
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
    assert {(path, method) for path, method, _ in operations()} == routed


@pytest.mark.parametrize(("prefix", "url"), [("", "/"), ("/app", "/app")])
async def test_it_is_answered_and_names_the_prefix(
    start_server: StartServer, client: aiohttp.ClientSession, prefix: str, url: str
) -> None:
    server = await start_server(prefix=prefix)
    async with client.get(server.url / "openapi.json") as answer:
        content = await answer.json()
    assert content["servers"] == [{"url": url}]
    assert content == document(prefix)


def test_every_reference_leads_to_a_schema() -> None:
    whole = document("")
    schemas = whole["components"]["schemas"]
    names = {text.split('"')[0] for text in json.dumps(whole).split("#/components/schemas/")[1:]}
    assert names == set(schemas)


async def answers_to(
    server: ReferenceServer, client: aiohttp.ClientSession
) -> list[tuple[str, str, Response]]:
    """Give path, method and answer for requests of every kind that the server knows."""
    given: list[tuple[str, str, Response]] = []
    base = str(server.url).rstrip("/")

    async def ask(method: str, path: str, at: str | None = None, **options: Any) -> bytes:
        async with client.request(method, f"{base}{at or path}", **options) as answer:
            body = await answer.read()
            given.append((path, method, (answer.status, answer.content_type, body)))
            return body

    async with client.get(base + "/") as answer:
        [worker] = set(re.findall(r"static-files/telemetry\.worker\.[0-9a-f]+\.js", await answer.text()))
    places = {path: path for path, method, _ in operations() if method == "GET"}
    places["/static-files/{name}"] = f"/{worker}"
    for method in ("GET", "HEAD"):
        for path, at in places.items():
            await ask(method, path, at)
            await ask(method, path, at, headers={"Host": "a b"})
            await ask(method, path, at, headers={"Host": "evil.test"})
            await ask(method, path, at, headers={"Origin": "http://evil.test"})
            await ask(method, path, at, headers={"Expect": "more"})
        await ask(method, "/static-files/{name}", "/static-files/nothing.js")

    async def post(body: bytes, **headers: str) -> None:
        await ask("POST", ENDPOINT, data=body, headers={**JSON, **headers})

    good = [record(n, tab_id="a-tab", seq=n) for n in range(3)]
    await post(body_of(*good))
    await post(body_of(*good, 5, record(event_name=7)))
    await post(body_of(*[0] * 2_000))
    await post(gzip.compress(body_of(record())), **{"Content-Encoding": "gzip"})
    await post(b"{")
    await post(b"x", **{"Content-Encoding": "gzip"})
    await post(body_of(), Host="a b")
    await post(body_of(), Expect="more")
    await post(body_of(), Host="evil.test")
    await post(body_of(), Origin="http://evil.test")
    await post(b" " * (LIMIT_BYTES + 1))
    await post(body_of(), **{"Content-Type": "text/plain"})
    await post(body_of(), **{"Content-Encoding": "br"})
    await post(b"{}")
    await ask("POST", ENDPOINT, data=_slow(), headers=JSON)
    assert isinstance(server.store, MoodyStore)
    for failure in (StoreUnavailableError("it is full"), LookupError("nobody foresaw this")):
        server.store.failure = failure
        await post(body_of(record()))
    return given


async def _slow() -> AsyncIterator[bytes]:
    yield b"{"
    await asyncio.Event().wait()


async def test_every_status_is_in_the_document_and_every_one_in_it_is_answered(
    server: ReferenceServer, client: aiohttp.ClientSession, start_server: StartServer, tmp_path: Path
) -> None:
    """And every answer has the type and the shape that the document says."""
    whole = document("")
    said = {
        (path, method, int(status))
        for path, method, operation in operations()
        for status in operation["responses"]
    }
    answers = await answers_to(server, client)
    without_worker = await start_server(worker_directory=tmp_path)
    for method in ("GET", "HEAD"):
        async with client.request(method, without_worker.url) as answer:
            answers.append(("/", method, (answer.status, answer.content_type, await answer.read())))
    answered = set()
    for path, method, (status, media_type, body) in answers:
        answered.add((path, method, status))
        response = whole["paths"][path][method.lower()]["responses"][str(status)]
        if method == "HEAD":
            assert body == b""
            continue
        [(expected_type, described)] = response["content"].items()
        assert media_type == expected_type, (path, method, status)
        value = json.loads(body) if media_type == "application/json" else body.decode()
        assert complaints(described["schema"], value, whole) == [], (path, method, status)
    assert answered == said


async def test_a_worker_that_must_stop_hears_so_in_the_shape_of_the_document(
    start_server: StartServer, client: aiohttp.ClientSession
) -> None:
    server = await start_server(config=None)
    whole = document("")
    for method in ("GET", "POST"):
        async with client.request(
            method, f"{server.url.origin()}{ENDPOINT}", data=b"", headers=JSON
        ) as answer:
            content = await answer.json()
        described = whole["paths"][ENDPOINT][method.lower()]["responses"]["200"]["content"]
        assert complaints(described["application/json"]["schema"], content, whole) == []


def test_records_that_are_taken_fit_the_schema_and_others_do_not() -> None:
    whole = document("")
    schema = {"$ref": "#/components/schemas/Batch"}
    assert complaints(schema, {"records": [record(), record(tab_id="a", seq=0)]}, whole) == []
    for bad in (5, record(event_name=5), record(timestamp_ns=-1), record(params="x"), record(tab_id="")):
        assert complaints(schema, {"records": [bad]}, whole) != []
