"""Requests that are refused: each has a status, a stable code, stores nothing, and harms no later request."""

import asyncio
import gzip
import json
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

import aiohttp
import pytest
import pytest_asyncio
from yarl import URL

from reference_server import Record, ReferenceServer, SessionReport, SqliteStore
from unit.reference_server.conftest import StartServer
from unit.support.samples import ENDPOINT, body_of, record

JSON = {"Content-Type": "application/json"}
LIMIT_BYTES = 10_000


@pytest_asyncio.fixture
async def server(start_server: StartServer, client: aiohttp.ClientSession) -> AsyncIterator[ReferenceServer]:
    """Give a server that after the test has stored nothing, and still takes a good record."""
    server = await start_server(max_body=LIMIT_BYTES, prefix="/app")
    yield server
    assert await server.store.count() == 0
    async with client.post(server.url / ENDPOINT, data=body_of(record()), headers=JSON) as answer:
        assert await answer.json() == {"status": "success", "accepted": 1}


async def error_of(
    client: aiohttp.ClientSession,
    method: str,
    url: URL,
    body: bytes = b"",
    headers: Mapping[str, str] = JSON,
) -> tuple[int, str]:
    """Give the status and the code of an answer that has to be an error as JSON, with a message."""
    async with client.request(method, url, data=body, headers=headers) as answer:
        content = await answer.json()
        assert content["message"].endswith(".")
        return answer.status, content["error"]


@pytest.mark.parametrize("body", [b"", b"not JSON", b'{"records":[', b'{"records":["\xff"]}'])
async def test_a_body_that_is_not_json(
    server: ReferenceServer, client: aiohttp.ClientSession, body: bytes
) -> None:
    assert await error_of(client, "POST", server.url / ENDPOINT, body) == (400, "body_not_json")


@pytest.mark.parametrize("body", [b"{}", b"[]", b"null", b'{"records":{}}'])
async def test_json_without_a_list_of_records(
    server: ReferenceServer, client: aiohttp.ClientSession, body: bytes
) -> None:
    async with client.post(server.url / ENDPOINT, data=body, headers=JSON) as answer:
        content = await answer.json()
    assert (answer.status, content["error"], content["field"]) == (422, "records_missing", "records")


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonp", ""],
)
async def test_another_content_type(
    server: ReferenceServer, client: aiohttp.ClientSession, content_type: str
) -> None:
    headers = {"Content-Type": content_type}
    error = await error_of(client, "POST", server.url / ENDPOINT, body_of(record()), headers)
    assert error == (415, "unsupported_content_type")


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "Application/JSON"])
async def test_a_content_type_may_have_parameters_and_any_case(
    server: ReferenceServer, client: aiohttp.ClientSession, content_type: str
) -> None:
    headers = {"Content-Type": content_type}
    async with client.post(server.url / ENDPOINT, data=body_of(), headers=headers) as answer:
        assert answer.status == 200


async def test_a_body_may_be_as_large_as_the_limit_and_not_a_byte_larger(
    server: ReferenceServer, client: aiohttp.ClientSession
) -> None:
    body = body_of().ljust(LIMIT_BYTES)
    async with client.post(server.url / ENDPOINT, data=body, headers=JSON) as answer:
        assert answer.status == 200
    error = await error_of(client, "POST", server.url / ENDPOINT, body + b" ")
    assert error == (413, "body_too_large")


async def answer_to(server: ReferenceServer, *parts: bytes) -> tuple[int, bytes]:
    """Send parts of a request that is never finished, and give the answer that comes all the same."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.url.port)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        length = next(int(line.split(":")[1]) for line in head if line.lower().startswith("content-length"))
        return int(head[0].split()[1]), await reader.readexactly(length)
    finally:
        writer.close()
        await writer.wait_closed()


def head_of(server: ReferenceServer, *headers: str, path: str = ENDPOINT) -> bytes:
    lines = [
        f"POST {(server.url / path).path} HTTP/1.1",
        f"Host: 127.0.0.1:{server.url.port}",
        "Content-Type: application/json",
        *headers,
    ]
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode()


async def test_a_large_body_is_refused_by_its_announced_length_before_it_comes(
    server: ReferenceServer,
) -> None:
    status, content = await answer_to(server, head_of(server, f"Content-Length: {10**15}"))
    assert (status, json.loads(content)["error"]) == (413, "body_too_large")


async def test_a_large_body_in_chunks_is_refused_before_its_end(server: ReferenceServer) -> None:
    chunk = b"1000\r\n" + b" " * 0x1000 + b"\r\n"
    status, content = await answer_to(
        server, head_of(server, "Transfer-Encoding: chunked"), chunk * (LIMIT_BYTES // 0x1000 + 1)
    )
    assert (status, json.loads(content)["error"]) == (413, "body_too_large")


async def test_who_sends_a_large_body_to_its_end_gets_to_see_the_answer(server: ReferenceServer) -> None:
    body = bytes(16 * 1024 * 1024)  # more than the buffers between the two hold
    status, content = await answer_to(server, head_of(server, f"Content-Length: {len(body)}"), body)
    assert (status, json.loads(content)["error"]) == (413, "body_too_large")


async def test_a_small_body_that_unpacks_to_a_large_one(
    server: ReferenceServer, client: aiohttp.ClientSession
) -> None:
    body = body_of().ljust(100 * LIMIT_BYTES)
    async with client.post(server.url / ENDPOINT, data=body, headers=JSON, compress="gzip") as answer:
        assert (answer.status, (await answer.json())["error"]) == (413, "body_too_large")


async def test_a_body_that_is_not_the_gzip_it_claims_to_be(
    server: ReferenceServer, client: aiohttp.ClientSession
) -> None:
    headers = {**JSON, "Content-Encoding": "gzip"}
    error = await error_of(client, "POST", server.url / ENDPOINT, body_of(record()), headers)
    assert error == (400, "body_unreadable")


@pytest.mark.parametrize(
    "damage",
    [lambda packed: packed[:-1], lambda packed: packed + b"x", lambda packed: packed * 2, lambda _: b""],
    ids=["cut off", "more behind it", "twice", "empty"],
)
async def test_gzip_that_is_not_whole(
    server: ReferenceServer, client: aiohttp.ClientSession, damage: Callable[[bytes], bytes]
) -> None:
    headers = {**JSON, "Content-Encoding": "gzip"}
    body = damage(gzip.compress(body_of(record())))
    error = await error_of(client, "POST", server.url / ENDPOINT, body, headers)
    assert error == (400, "body_unreadable")


@pytest.mark.parametrize("encoding", ["br", "gzip, gzip", "unheard-of", "", "gzip;q=1"])
async def test_a_body_that_is_packed_in_another_way(
    server: ReferenceServer, client: aiohttp.ClientSession, encoding: str
) -> None:
    headers = {**JSON, "Content-Encoding": encoding}
    async with client.post(server.url / ENDPOINT, data=body_of(record()), headers=headers) as answer:
        assert (answer.status, (await answer.json())["error"]) == (415, "unsupported_content_encoding")
        assert answer.headers["Accept-Encoding"].startswith("gzip")


@pytest.mark.parametrize("path", [ENDPOINT, "nothing"])
@pytest.mark.parametrize("text", [b"200-ok", b"\xff\xfe"])
async def test_an_expectation_that_cannot_be_met(server: ReferenceServer, path: str, text: bytes) -> None:
    status, content = await answer_to(
        server, head_of(server, path=path)[:-2] + b"Expect: " + text + b"\r\n\r\n"
    )
    assert (status, json.loads(content)["error"]) == (417, "expectation_failed")


async def test_a_client_may_wait_before_it_sends_its_body(server: ReferenceServer) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.url.port)
    body = body_of()
    writer.write(head_of(server, "Expect: 100-continue", f"Content-Length: {len(body)}"))
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(body)
    assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
    writer.close()
    await writer.wait_closed()


async def test_chunks_that_are_none(server: ReferenceServer) -> None:
    # Not HTTP: refused by the parser below the application, hence in its own words.
    status, _ = await answer_to(server, head_of(server, "Transfer-Encoding: chunked"), b"zz\r\n")
    assert status == 400


async def test_a_client_that_goes_away_in_the_middle_of_its_body(
    server: ReferenceServer, caplog: pytest.LogCaptureFixture
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.url.port)
    body = body_of(record())
    writer.write(head_of(server, f"Content-Length: {len(body)}") + body[:-1])
    writer.write_eof()
    await reader.read()  # until the server has closed the connection
    writer.close()
    await writer.wait_closed()
    assert [entry for entry in caplog.records if entry.levelno >= logging.WARNING] == []


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize(
    ("path", "allowed"), [(ENDPOINT, {"GET", "HEAD", "POST"}), ("health", {"GET", "HEAD"})]
)
async def test_another_method(
    server: ReferenceServer, client: aiohttp.ClientSession, method: str, path: str, allowed: set[str]
) -> None:
    async with client.request(method, server.url / path) as answer:
        assert (answer.status, (await answer.json())["error"]) == (405, "method_not_allowed")
        assert set(answer.headers["Allow"].split(",")) == allowed


@pytest.mark.parametrize(
    "path",
    ["nothing", "ajax-api", "static-files", "static-files/", "static-files/a.js", "health/", "../health"],
)
async def test_an_unknown_path(server: ReferenceServer, client: aiohttp.ClientSession, path: str) -> None:
    assert await error_of(client, "GET", server.url.join(URL(path))) == (404, "not_found")


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "http://127.0.0.1",
        "http://127.0.0.1:1",
        "https://127.0.0.1:{port}",
        "http://localhost:{port}",
        "http://127.0.0.1.evil.test:{port}",
        "http://evil.test",
        "file://",
        "http://[broken",
        "",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
async def test_a_page_of_another_origin(
    server: ReferenceServer, client: aiohttp.ClientSession, origin: str, method: str
) -> None:
    headers = {**JSON, "Origin": origin.format(port=server.url.port)}
    error = await error_of(client, method, server.url / ENDPOINT, body_of(record()), headers)
    assert error == (403, "cross_origin")


async def test_a_second_origin_does_not_hide_behind_the_first(
    server: ReferenceServer, client: aiohttp.ClientSession
) -> None:
    headers = [("Origin", f"{server.url.origin()}"), ("Origin", "http://evil.test")]
    async with client.get(server.url / ENDPOINT, headers=headers) as answer:
        assert answer.status == 403


@pytest.mark.parametrize(
    "host", ["a b", "a.test/path", "user@a.test", "[::1", "a:port", "a?b", "a#b", "a:99999", ""]
)
async def test_a_host_that_is_none(server: ReferenceServer, client: aiohttp.ClientSession, host: str) -> None:
    headers = {**JSON, "Host": host, "Origin": f"http://{host}"}
    error = await error_of(client, "POST", server.url / ENDPOINT, body_of(record()), headers)
    assert error == (400, "host_invalid")


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("127.0.0.1:{port}", "http://127.0.0.1:{port}"),
        ("App.Test:80", "http://app.test"),
        ("app.test", "http://APP.test:80"),
        ("[::1]:8080", "http://[::1]:8080"),
    ],
)
async def test_a_page_of_the_same_origin_is_served(
    server: ReferenceServer, client: aiohttp.ClientSession, host: str, origin: str
) -> None:
    port = server.url.port
    headers = {"Host": host.format(port=port), "Origin": origin.format(port=port)}
    async with client.get(server.url / ENDPOINT, headers=headers) as answer:
        assert answer.status == 200


@pytest.mark.parametrize(
    ("forwarded", "origin", "status"),
    [
        ("https", "https://app.test", 200),
        ("https", "http://app.test", 403),
        ("https", "https://evil.test", 403),
        ("http", "https://app.test", 403),
        ("https, http", "https://app.test", 400),
    ],
)
async def test_a_proxy_that_ends_tls_tells_the_scheme(
    server: ReferenceServer, client: aiohttp.ClientSession, forwarded: str, origin: str, status: int
) -> None:
    headers = {"Host": "app.test", "X-Forwarded-Proto": forwarded, "Origin": origin}
    async with client.get(server.url / ENDPOINT, headers=headers) as answer:
        assert answer.status == status


async def test_a_failure_that_nobody_foresaw_is_logged_and_told_without_its_details(
    start_server: StartServer, client: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    class BrokenStore(SqliteStore):
        async def add(self, records: Sequence[Record], report: SessionReport | None = None) -> int:
            raise LookupError("a secret detail")

    server = await start_server(store=BrokenStore())
    async with client.post(server.url / ENDPOINT, data=body_of(record()), headers=JSON) as answer:
        text = await answer.text()
    assert (answer.status, json.loads(text)["error"]) == (500, "internal_error")
    assert "secret" not in text
    assert "a secret detail" in caplog.text
    async with client.get(server.url / "health") as answer:
        assert answer.status == 200
