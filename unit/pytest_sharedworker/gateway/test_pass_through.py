"""What the gateway passes on: the server's bytes as they are and when they come, broken ends too."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator

import pytest

from pytest_sharedworker.gateway.gateway import Gateway
from pytest_sharedworker.gateway.route import AsyncRoute, Route
from pytest_sharedworker.gateway.toxics import Bandwidth, DropResponse, Latency, LimitData
from pytest_sharedworker.integration.event_loop_thread import LoopThread
from unit.support.raw_server import RawServer
from unit.support.servers import Client, Reply, send

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED_HEAD = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"

Serve = Callable[..., RawServer]


@pytest.fixture
def serve(gateway: Gateway, sharedworker_loop: LoopThread) -> Iterator[Serve]:
    """Put a server of bytes behind the gateway."""
    started: list[RawServer] = []

    async def start(pieces: tuple[bytes, ...], end: str, is_stepwise: bool) -> RawServer:
        server = RawServer(pieces, end=end, is_stepwise=is_stepwise)
        gateway._upstream.origin = await server.start()
        started.append(server)
        return server

    def serve(*pieces: bytes, end: str = "close", is_stepwise: bool = False) -> RawServer:
        return sharedworker_loop.run(start(pieces, end, is_stepwise))

    yield serve
    for server in started:
        sharedworker_loop.run(server.stop())


def head_of(reply: Reply) -> bytes:
    return reply.raw.partition(b"\r\n\r\n")[0]


def read_until(client: Client, end: bytes) -> bytes:
    raw = b""
    while not raw.endswith(end):
        piece = client.receive()
        assert piece, raw
        raw += piece
    return raw


# --- heads ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", ["Very Well", "", "Ca va \xe9"])
def test_reason_phrase_is_that_of_the_server(gateway: Gateway, serve: Serve, reason: str) -> None:
    line = f"HTTP/1.1 201 {reason}".encode("latin-1")
    serve(line + b"\r\nContent-Length: 0\r\n\r\n")
    assert head_of(send(gateway)).startswith(line + b"\r\n")


@pytest.mark.parametrize("line", [b"HTTP/1.1 299", b"HTTP/1.0 299 ", b"HTTP/1 299 "])
def test_status_line_needs_no_reason(gateway: Gateway, serve: Serve, line: bytes) -> None:
    serve(line + b"\r\nContent-Length: 2\r\n\r\nok")
    reply = send(gateway)
    assert (reply.status, reply.body) == (299, b"ok")


@pytest.mark.parametrize("value", [b"caf\xe9", b"caf\xc3\xa9", b"\xff\xfe", b"a\tb"])
def test_bytes_of_response_headers_are_kept(gateway: Gateway, serve: Serve, value: bytes) -> None:
    serve(HEAD + b"X-Own: " + value + b"\r\nContent-Length: 0\r\n\r\n")
    assert b"\r\nX-Own: " + value + b"\r\n" in head_of(send(gateway)) + b"\r\n"


@pytest.mark.parametrize("value", [b"caf\xe9", b"\x01", b"a\x1fb\x7f", b"\x0b,\x0c"])
def test_bytes_of_request_headers_are_kept(gateway: Gateway, serve: Serve, value: bytes) -> None:
    server = serve(HEAD + b"Content-Length: 0\r\n\r\n")
    send(gateway, "GET / HTTP/1.1", raw_header=b"X-Own: " + value)
    assert b"\r\nX-Own: " + value + b"\r\n" in server.requests[0]


def test_many_request_headers_are_passed_on(gateway: Gateway, serve: Serve) -> None:
    server = serve(HEAD + b"Content-Length: 0\r\n\r\n")
    send(gateway, "GET / HTTP/1.1", raw_header=b"\r\n".join(b"X-%d: 1" % number for number in range(500)))
    assert b"\r\nX-499: 1\r\n" in server.requests[0]


@pytest.mark.parametrize("method", ["CHICKEN", "patch", "PROPFIND", "Get", "M-SEARCH", "a!b"])
def test_method_stays_as_it_is(gateway: Gateway, serve: Serve, method: str) -> None:
    server = serve(HEAD + b"Content-Length: 2\r\n\r\nok")
    assert send(gateway, f"{method} /x HTTP/1.1").body == b"ok"
    assert server.requests[0].startswith(f"{method} /x HTTP/1.1\r\n".encode())
    assert gateway.journal.exchanges[0].method == method


@pytest.mark.parametrize("target", ["/a?", "/%0A", "/%0d%0a?%0a", "//double", "/caf%E9", "/?a=b?c"])
def test_target_stays_as_it_is(gateway: Gateway, serve: Serve, target: str) -> None:
    server = serve(HEAD + b"Content-Length: 2\r\n\r\nok")
    assert send(gateway, f"GET {target} HTTP/1.1").body == b"ok"
    assert server.requests[0].startswith(f"GET {target} HTTP/1.1\r\n".encode())


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\nX-Own: 1\nContent-Length: 2\n\n",
        b"HTTP/1.1 200 OK\r\nX-Own: 1\nContent-Length: 2\r\n\n",
        b"HTTP/1.1 200 OK\r\nX-Own:\r\n 1\r\nContent-Length: 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno header\r\nX-Own: 1\r\nContent-Length: 2\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nX-Own: 1\r\nContent-Length: 2\r\n\r\n",
    ],
    ids=["LF", "mixed", "folded", "line without a colon", "interim response"],
)
def test_head_that_browsers_accept_is_accepted(gateway: Gateway, serve: Serve, head: bytes) -> None:
    serve(head + b"ok")
    reply = send(gateway)
    assert (reply.status, reply.header("X-Own"), reply.body) == (200, ["1"], b"ok")


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"", b"\r"])
def test_head_ends_with_the_connection(gateway: Gateway, serve: Serve, end: bytes) -> None:
    serve(b"HTTP/1.1 280 HELLO\nfirst: 1\nlast: 2" + end)
    reply = send(gateway)
    assert (reply.status, reply.header("first"), reply.header("last")) == (280, ["1"], ["2"])


def test_long_headers_pass_both_ways(gateway: Gateway, serve: Serve) -> None:
    value = "x" * 60_000
    server = serve(HEAD + f"X-Own: {value}\r\nContent-Length: 0\r\n\r\n".encode())
    assert send(gateway, "GET / HTTP/1.1", f"Cookie: {value}").header("X-Own") == [value]
    assert value.encode() in server.requests[0]


def test_response_gets_no_header_that_the_server_has_not_sent(gateway: Gateway, serve: Serve) -> None:
    serve(HEAD + b"Content-Length: 2\r\n\r\nok")
    names = {line.partition(b":")[0] for line in head_of(send(gateway)).split(b"\r\n")[1:]}
    assert names == {b"Content-Length", b"Connection"}


def test_server_that_speaks_no_http_is_explained(gateway: Gateway, serve: Serve) -> None:
    serve(b"SSH-2.0-OpenSSH_9.6\r\n")
    reply = send(gateway)
    assert reply.status == 502
    assert b"no HTTP response: 'SSH-2.0" in reply.body


# --- ends -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "received"),
    [
        (HEAD + b"Content-Length: 10\r\n\r\n12345", b"12345"),
        (CHUNKED_HEAD + b"5\r\n12345\r\n", b"5\r\n12345\r\n"),
        (CHUNKED_HEAD + b"9\r\n12345", b"5\r\n12345\r\n"),
        (CHUNKED_HEAD + b"5\r\n12345\r\nnonsense\r\n", b"5\r\n12345\r\n"),
    ],
    ids=["length", "between chunks", "in a chunk", "bad size"],
)
@pytest.mark.parametrize("end", ["close", "reset"])
def test_broken_end_stays_broken(
    gateway: Gateway, serve: Serve, sent: bytes, received: bytes, end: str
) -> None:
    serve(sent, end=end)
    reply = send(gateway)
    assert (reply.status, reply.body) == (200, received)
    if b"nonsense" not in sent:
        assert reply.reset == (end == "reset")
    exchange = gateway.journal.exchanges[0]
    assert (exchange.response_body, exchange.upstream_response_body) == (b"12345", b"12345")


def test_body_without_a_length_ends_with_the_connection(gateway: Gateway, serve: Serve) -> None:
    serve(HEAD + b"\r\n", b"12345")
    reply = send(gateway)
    assert (reply.body, reply.header("Content-Length")) == (b"12345", [])


# --- pieces ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["text/event-stream", "application/x-ndjson", "text/plain"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_piece_comes_when_the_server_sends_it(
    gateway: Gateway, serve: Serve, sharedworker_loop: LoopThread, kind: str, method: str
) -> None:
    head = HEAD + f"Content-Type: {kind}\r\n\r\n".encode()
    server = serve(head, b"one;", b"two;", is_stepwise=True)
    with Client(gateway, f"{method} / HTTP/1.1") as client:
        for end in (b"\r\n\r\n", b"one;", b"two;"):
            sharedworker_loop.run(server.release())
            assert read_until(client, end).endswith(end)
        assert client.read().raw == b""
    [exchange] = gateway.journal.wait_for()
    assert exchange.response_body == exchange.upstream_response_body == b"one;two;"


def test_journal_shows_an_endless_body_so_far(gateway: Gateway, serve: Serve) -> None:
    serve(CHUNKED_HEAD, b"4\r\none;\r\n", end="never")
    with Client(gateway) as client:
        read_until(client, b"one;\r\n")
        [exchange] = gateway.journal.select("/")
        assert (exchange.ended, exchange.response_body) == (False, b"one;")
    assert gateway.journal.wait_for_end(exchange)


@pytest.mark.parametrize("toxic", [Latency(latency=1), Bandwidth(rate=1_000)])
def test_toxic_leaves_a_body_in_pieces(gateway: Gateway, serve: Serve, toxic: Latency | Bandwidth) -> None:
    serve(HEAD + b"\r\n", b"one;", end="never")
    gateway.add_toxic(toxic)
    with Client(gateway) as client:
        assert read_until(client, b"one;").endswith(b"one;")


@pytest.mark.parametrize("toxic", [LimitData(bytes=2), DropResponse()])
def test_toxic_that_needs_the_whole_meets_an_endless_body(
    gateway: Gateway, serve: Serve, toxic: LimitData | DropResponse
) -> None:
    serve(HEAD + b"\r\n", b"one;", end="never")
    gateway.add_toxic(toxic)
    reply = send(gateway)
    assert (reply.reset, reply.body) == (True, b"on" if isinstance(toxic, LimitData) else b"")


def test_route_that_sends_the_request_on_leaves_the_body_in_pieces(gateway: Gateway, serve: Serve) -> None:
    serve(HEAD + b"\r\n", b"one;", end="never")

    async def send_on(route: AsyncRoute) -> None:
        route.continue_()

    gateway.route("**", send_on)
    with Client(gateway) as client:
        read_until(client, b"one;")


def test_route_fetches_the_whole_body(gateway: Gateway, serve: Serve) -> None:
    serve(b"HTTP/1.1 200 Fine\r\nContent-Length: 8\r\n\r\none;", b"two;")

    def fulfill(route: Route) -> None:
        response = route.fetch()
        assert (response.text(), response.status_text) == ("one;two;", "Fine")
        route.fulfill(response=response, body="three")

    gateway.route("**", fulfill)
    reply = send(gateway)
    assert (reply.body, reply.header("Content-Length")) == (b"three", ["5"])
    assert re.match(rb"HTTP/1.1 200 Fine\r\n", reply.raw)


def test_response_that_comes_after_the_end_of_the_test_is_closed(
    gateway: Gateway, serve: Serve, sharedworker_loop: LoopThread
) -> None:
    server = serve(CHUNKED_HEAD, end="never", is_stepwise=True)

    async def end_test_before_the_response() -> None:
        await server.wait_for_request()
        await gateway._upstream.close()
        await server.release()
        await asyncio.wait_for(server.wait_until_disconnected(), timeout=10)

    with Client(gateway):
        sharedworker_loop.run(end_test_before_the_response())


@pytest.mark.parametrize("is_continued", [False, True], ids=["plain", "by a route"])
def test_server_learns_that_the_client_has_gone_before_the_response(
    gateway: Gateway, serve: Serve, sharedworker_loop: LoopThread, is_continued: bool
) -> None:
    server = serve(end="never")
    if is_continued:
        gateway.route("**", Route.continue_)
    with Client(gateway):
        sharedworker_loop.run(server.wait_for_request())
    sharedworker_loop.run(asyncio.wait_for(server.wait_until_disconnected(), timeout=10))
