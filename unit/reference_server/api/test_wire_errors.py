"""Refused requests: each has a status and a stable code, stores nothing, and does not affect later ones."""

import asyncio
import gzip
import json
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

import aiohttp
import pytest
import pytest_asyncio
from yarl import URL

from reference_server import Added, Record, ReferenceServer, SessionReport, SqliteStore
from reference_server.model.batch import MAX_RECORDS
from unit.reference_server.conftest import StartServer
from unit.support.samples import ENDPOINT, encode_body, make_record

JSON = {"Content-Type": "application/json"}
LIMIT_BYTES = 10_000


@pytest_asyncio.fixture
async def server(start_server: StartServer, client: aiohttp.ClientSession) -> AsyncIterator[ReferenceServer]:
    """Return a server; after the test it has stored nothing and still accepts a valid record."""
    server = await start_server(max_body=LIMIT_BYTES, prefix="/app")
    yield server
    assert await server.store.count() == 0
    async with client.post(server.url / ENDPOINT, data=encode_body(make_record()), headers=JSON) as response:
        assert await response.json() == {"status": "success", "accepted": 1}


async def request_error(
    client: aiohttp.ClientSession,
    method: str,
    url: URL,
    body: bytes = b"",
    headers: Mapping[str, str] = JSON,
) -> tuple[int, str]:
    """Send a request and return the status and the code of its JSON error, which must have a message."""
    async with client.request(method, url, data=body, headers=headers) as response:
        content = await response.json()
        assert content["message"].endswith(".")
        return response.status, content["error"]


@pytest.mark.parametrize("body", [b"", b"not JSON", b'{"records":[', b'{"records":["\xff"]}'])
async def test_body_that_is_not_json_is_400(
    server: ReferenceServer, client: aiohttp.ClientSession, body: bytes
) -> None:
    assert await request_error(client, "POST", server.url / ENDPOINT, body) == (400, "body_not_json")


@pytest.mark.parametrize("body", [b'{"events":[]}', b"[]", b"null", b'{"records":{}}'])
async def test_json_without_records_list_is_422(
    server: ReferenceServer, client: aiohttp.ClientSession, body: bytes
) -> None:
    async with client.post(server.url / ENDPOINT, data=body, headers=JSON) as response:
        content = await response.json()
    assert (response.status, content["error"], content["field"]) == (422, "records_missing", "records")


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonp", ""],
)
async def test_unsupported_content_type_is_415(
    server: ReferenceServer, client: aiohttp.ClientSession, content_type: str
) -> None:
    headers = {"Content-Type": content_type}
    error = await request_error(client, "POST", server.url / ENDPOINT, encode_body(make_record()), headers)
    assert error == (415, "unsupported_content_type")


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "Application/JSON"])
async def test_content_type_allows_parameters_and_any_case(
    server: ReferenceServer, client: aiohttp.ClientSession, content_type: str
) -> None:
    headers = {"Content-Type": content_type}
    async with client.post(server.url / ENDPOINT, data=encode_body(), headers=headers) as response:
        assert response.status == 200


async def test_body_above_the_limit_by_one_byte_is_413(
    server: ReferenceServer, client: aiohttp.ClientSession
) -> None:
    body = encode_body().ljust(LIMIT_BYTES)
    async with client.post(server.url / ENDPOINT, data=body, headers=JSON) as response:
        assert response.status == 200
    error = await request_error(client, "POST", server.url / ENDPOINT, body + b" ")
    assert error == (413, "body_too_large")


async def send_raw(server: ReferenceServer, *parts: bytes) -> tuple[int, bytes]:
    """Send parts of an incomplete request and return the response that arrives before its end."""
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


def build_head(server: ReferenceServer, *headers: str, path: str = ENDPOINT) -> bytes:
    lines = [
        f"POST {(server.url / path).path} HTTP/1.1",
        f"Host: 127.0.0.1:{server.url.port}",
        "Content-Type: application/json",
        *headers,
    ]
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode()


async def test_large_announced_length_is_refused_before_the_body(
    server: ReferenceServer,
) -> None:
    status, content = await send_raw(server, build_head(server, f"Content-Length: {10**15}"))
    assert (status, json.loads(content)["error"]) == (413, "body_too_large")


async def test_large_chunked_body_is_refused_before_its_end(server: ReferenceServer) -> None:
    chunk = b"1000\r\n" + b" " * 0x1000 + b"\r\n"
    status, content = await send_raw(
        server, build_head(server, "Transfer-Encoding: chunked"), chunk * (LIMIT_BYTES // 0x1000 + 1)
    )
    assert (status, json.loads(content)["error"]) == (413, "body_too_large")


async def test_sender_of_a_large_body_can_read_the_response(server: ReferenceServer) -> None:
    body = bytes(16 * 1024 * 1024)  # more than the socket buffers hold
    status, content = await send_raw(server, build_head(server, f"Content-Length: {len(body)}"), body)
    assert (status, json.loads(content)["error"]) == (413, "body_too_large")


async def test_body_that_decompresses_above_the_limit_is_413(
    server: ReferenceServer, client: aiohttp.ClientSession
) -> None:
    body = encode_body().ljust(100 * LIMIT_BYTES)
    async with client.post(server.url / ENDPOINT, data=body, headers=JSON, compress="gzip") as response:
        assert (response.status, (await response.json())["error"]) == (413, "body_too_large")


async def test_body_of_too_many_records_is_413_and_no_dead_letter(
    start_server: StartServer, client: aiohttp.ClientSession
) -> None:
    server = await start_server()
    body = gzip.compress(encode_body(*[1] * (MAX_RECORDS + 1)))
    headers = {**JSON, "Content-Encoding": "gzip"}
    error = await request_error(client, "POST", server.url / ENDPOINT, body, headers)
    assert error == (413, "too_many_records")
    totals = await server.store.read_totals()
    assert (totals.dead_letters, totals.rejected) == (0, 0)


async def test_body_that_is_not_gzip_is_400(server: ReferenceServer, client: aiohttp.ClientSession) -> None:
    headers = {**JSON, "Content-Encoding": "gzip"}
    error = await request_error(client, "POST", server.url / ENDPOINT, encode_body(make_record()), headers)
    assert error == (400, "body_unreadable")


@pytest.mark.parametrize(
    "damage",
    [
        lambda compressed: compressed[:-1],
        lambda compressed: compressed + b"x",
        lambda compressed: compressed * 2,
        lambda _: b"",
    ],
    ids=["cut off", "trailing data", "twice", "empty"],
)
async def test_damaged_gzip_is_400(
    server: ReferenceServer, client: aiohttp.ClientSession, damage: Callable[[bytes], bytes]
) -> None:
    headers = {**JSON, "Content-Encoding": "gzip"}
    body = damage(gzip.compress(encode_body(make_record())))
    error = await request_error(client, "POST", server.url / ENDPOINT, body, headers)
    assert error == (400, "body_unreadable")


@pytest.mark.parametrize("encoding", ["br", "gzip, gzip", "unknown", "", "gzip;q=1"])
async def test_unsupported_content_encoding_is_415(
    server: ReferenceServer, client: aiohttp.ClientSession, encoding: str
) -> None:
    headers = {**JSON, "Content-Encoding": encoding}
    async with client.post(
        server.url / ENDPOINT, data=encode_body(make_record()), headers=headers
    ) as response:
        assert (response.status, (await response.json())["error"]) == (415, "unsupported_content_encoding")
        assert response.headers["Accept-Encoding"].startswith("gzip")


@pytest.mark.parametrize("path", [ENDPOINT, "nothing"])
@pytest.mark.parametrize("text", [b"200-ok", b"\xff\xfe"])
async def test_unsupported_expect_is_417(server: ReferenceServer, path: str, text: bytes) -> None:
    status, content = await send_raw(
        server, build_head(server, path=path)[:-2] + b"Expect: " + text + b"\r\n\r\n"
    )
    assert (status, json.loads(content)["error"]) == (417, "expectation_failed")


async def test_expect_100_continue_is_confirmed(server: ReferenceServer) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.url.port)
    body = encode_body()
    writer.write(build_head(server, "Expect: 100-continue", f"Content-Length: {len(body)}"))
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(body)
    assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
    writer.close()
    await writer.wait_closed()


async def test_invalid_chunk_is_400(server: ReferenceServer) -> None:
    # Not HTTP: aiohttp's parser refuses it with its own message.
    status, _ = await send_raw(server, build_head(server, "Transfer-Encoding: chunked"), b"zz\r\n")
    assert status == 400


async def test_client_disconnect_in_the_body_logs_no_warning(
    server: ReferenceServer, caplog: pytest.LogCaptureFixture
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.url.port)
    body = encode_body(make_record())
    writer.write(build_head(server, f"Content-Length: {len(body)}") + body[:-1])
    writer.write_eof()
    await reader.read()  # until the server has closed the connection
    writer.close()
    await writer.wait_closed()
    assert [entry for entry in caplog.records if entry.levelno >= logging.WARNING] == []


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize(
    ("path", "allowed"), [(ENDPOINT, {"GET", "HEAD", "POST"}), ("health", {"GET", "HEAD"})]
)
async def test_unsupported_method_is_405(
    server: ReferenceServer, client: aiohttp.ClientSession, method: str, path: str, allowed: set[str]
) -> None:
    async with client.request(method, server.url / path) as response:
        assert (response.status, (await response.json())["error"]) == (405, "method_not_allowed")
        assert set(response.headers["Allow"].split(",")) == allowed


@pytest.mark.parametrize(
    "path",
    ["nothing", "ajax-api", "static-files", "static-files/", "static-files/a.js", "health/", "../health"],
)
async def test_unknown_path_is_404(server: ReferenceServer, client: aiohttp.ClientSession, path: str) -> None:
    assert await request_error(client, "GET", server.url.join(URL(path))) == (404, "not_found")


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
async def test_page_of_another_origin_is_403(
    server: ReferenceServer, client: aiohttp.ClientSession, origin: str, method: str
) -> None:
    headers = {**JSON, "Origin": origin.format(port=server.url.port)}
    error = await request_error(client, method, server.url / ENDPOINT, encode_body(make_record()), headers)
    assert error == (403, "cross_origin")


async def test_second_origin_header_is_checked(
    server: ReferenceServer, client: aiohttp.ClientSession
) -> None:
    headers = [("Origin", f"{server.url.origin()}"), ("Origin", "http://evil.test")]
    async with client.get(server.url / ENDPOINT, headers=headers) as response:
        assert response.status == 403


@pytest.mark.parametrize(
    "host", ["a b", "a.test/path", "user@a.test", "[::1", "a:port", "a?b", "a#b", "a:99999", ""]
)
async def test_invalid_host_is_400(server: ReferenceServer, client: aiohttp.ClientSession, host: str) -> None:
    headers = {**JSON, "Host": host, "Origin": f"http://{host}"}
    error = await request_error(client, "POST", server.url / ENDPOINT, encode_body(make_record()), headers)
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
async def test_page_of_the_same_origin_is_served(
    server: ReferenceServer, client: aiohttp.ClientSession, host: str, origin: str
) -> None:
    port = server.url.port
    headers = {"Host": host.format(port=port), "Origin": origin.format(port=port)}
    async with client.get(server.url / ENDPOINT, headers=headers) as response:
        assert response.status == 200


@pytest.mark.parametrize(
    ("forwarded", "origin", "status"),
    [
        ("https", "https://app.test", 200),
        ("https", "http://app.test", 403),
        ("https", "https://evil.test", 403),
        ("http", "https://app.test", 403),
        ("https, http", "https://app.test", 200),
        ("https,http", "http://app.test", 403),
        (" HTTPS ", "https://app.test", 200),
        ("http, https", "http://app.test", 200),
        ("", "http://app.test", 200),
        ("wss", "http://app.test", 200),
        ("https/evil.test", "https://app.test", 403),
    ],
)
async def test_forwarded_proto_sets_the_scheme_of_the_origin(
    server: ReferenceServer, client: aiohttp.ClientSession, forwarded: str, origin: str, status: int
) -> None:
    headers = {"Host": "app.test", "X-Forwarded-Proto": forwarded, "Origin": origin}
    async with client.get(server.url / ENDPOINT, headers=headers) as response:
        assert response.status == status


async def test_unexpected_failure_is_logged_and_hidden_from_clients(
    start_server: StartServer, client: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    class BrokenStore(SqliteStore):
        async def add(self, records: Sequence[Record], report: SessionReport | None = None) -> Added:
            raise LookupError("a secret detail")

    server = await start_server(store=BrokenStore())
    async with client.post(server.url / ENDPOINT, data=encode_body(make_record()), headers=JSON) as response:
        text = await response.text()
    assert (response.status, json.loads(text)["error"]) == (500, "internal_error")
    assert "secret" not in text
    assert "a secret detail" in caplog.text
    async with client.get(server.url / "health") as response:
        assert response.status == 200
