"""How much a server takes, and what it does with more: it refuses, in time, and serves the others.

More batches at a time than it can store stand in `test_server_overload.py`.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from e2e.conformance.accounting import Fate
from e2e.conformance.case import FindingError, Level, case
from e2e.server.driver.assertions import expect_accepts_record, expect_each, is_client_error
from e2e.server.driver.http_client import CLOSED, JSON_TYPE, Response
from e2e.server.driver.system import Server, StartServer, encode_batch

MIB = 1024 * 1024
LARGE_BATCH_BYTES = MIB
ANNOUNCED_BYTES = 10**15
ENDLESS_BYTES = 64 * MIB
"""A server that has read so much of one body, with no end in sight, has no limit."""
CHUNK_BYTES = 256 * 1024
UNPACKED_BYTES = 64 * MIB
BOMB_BYTES = 256 * MIB
DEEP_LEVELS = 100_000
MANY_BAD_RECORDS = 100_000
IDLE_CONNECTIONS = 100


def is_cut_off(response: Response) -> bool:
    """Whether the server put an end to it: by an error of the client's, or by closing the connection."""
    return response.status == CLOSED or is_client_error(response)


@case(
    "server/limits/1/1",
    Level.SHOULD,
    "A batch of 1 MiB is taken: what collects while a server is down has to come through.",
    expected='200 {"status": "success"}; every record stored once',
    source="data safety: a batch that is too large is refused for ever",
)
def test_a_batch_of_a_mebibyte_is_taken(server: Server) -> None:
    record_bytes = len(json.dumps(server.new_record(Fate.DROPPED)))
    many = server.new_records(LARGE_BATCH_BYTES // record_bytes)
    one = server.new_record(params={"value": "x" * LARGE_BATCH_BYTES})
    responses = {"many records": server.post(*many), "one record": server.post(one)}
    expect_each('200 {"status": "success"}', responses, lambda response: response.is_success)
    server.account()


@case(
    "server/limits/1/2",
    Level.SHOULD,
    "A body that announces more than any server can hold is refused before it comes.",
    expected="413 (or another status from 400 to 499, or the connection closed) at once",
    source="RFC 9110 §15.5.14",
)
def test_a_huge_body_is_refused_before_it_comes(server: Server) -> None:
    head = server.client.build_head(
        headers={"Content-Type": JSON_TYPE, "Content-Length": str(ANNOUNCED_BYTES), "Connection": None}
    )
    response = server.client.send(head, encode_batch(server.new_record(Fate.DROPPED)))
    if not is_cut_off(response):
        raise FindingError("413", str(response))
    expect_accepts_record(server)
    server.account()


@case(
    "server/limits/1/3",
    Level.SHOULD,
    "A body without an announced length or an end is cut off.",
    expected=f"413, or the connection closed, before {ENDLESS_BYTES // MIB} MiB",
    source="RFC 9110 §15.5.14",
)
def test_an_endless_body_is_cut_off(server: Server) -> None:
    head = server.client.build_head(
        headers={"Content-Type": JSON_TYPE, "Transfer-Encoding": "chunked", "Connection": None}
    )
    sent_bytes = 0

    def chunks() -> Iterator[bytes]:
        nonlocal sent_bytes
        while sent_bytes < ENDLESS_BYTES:
            yield b"%x\r\n%b\r\n" % (CHUNK_BYTES, b" " * CHUNK_BYTES)
            sent_bytes += CHUNK_BYTES
        yield b"0\r\n\r\n"

    response = server.client.send(head, stream=chunks())
    if sent_bytes >= ENDLESS_BYTES and response.status != 413:
        raise FindingError(f"413 before {ENDLESS_BYTES // MIB} MiB", f"{response} after all of it")
    if not is_cut_off(response):
        raise FindingError("413", str(response))
    expect_accepts_record(server)
    server.account()


@case(
    "server/limits/1/4",
    Level.SHOULD,
    "A small body that unpacks to a huge one is refused.",
    expected="a status from 400 to 499, nothing stored",
    source="RFC 9110 §15.5.14, §15.5.16; a server's memory is not the client's to fill",
)
def test_a_body_that_unpacks_to_a_huge_one_is_refused(server: Server) -> None:
    body = gzip.compress(encode_batch(server.new_record(Fate.DROPPED)).ljust(UNPACKED_BYTES))
    response = server.post_body(body, {"Content-Encoding": "gzip"})
    if not is_cut_off(response):
        raise FindingError("413", str(response))
    expect_accepts_record(server)
    server.account()


@case(
    "server/limits/1/5",
    Level.MAY,
    "Who sends too much is told so in JSON, and how much a body may have.",
    expected='413 {"error": code, "message": text}',
    source="convenience: a worker may send less at a time",
)
def test_who_sends_too_much_is_told(server: Server) -> None:
    head = server.client.build_head(
        headers={"Content-Type": JSON_TYPE, "Content-Length": str(ANNOUNCED_BYTES), "Connection": None}
    )
    response = server.client.send(head)
    if response.status != 413 or not response.get_member("error") or not response.get_member("message"):
        raise FindingError('413 {"error": …, "message": …}', str(response))
    server.account()


@case(
    "server/limits/1/6",
    Level.SHOULD,
    "A small body that unpacks to a huge one takes no memory to match.",
    expected=f"{BOMB_BYTES // MIB} MiB in a body of less than 1 MiB: peak memory grows by less than "
    f"{BOMB_BYTES // 2 // MIB} MiB",
    source="a server's memory is not the client's to fill",
)
def test_a_body_that_unpacks_to_a_huge_one_takes_no_memory(start_server: StartServer) -> None:
    server = start_server()
    before = server.process.read_peak_memory_bytes()
    if before is None:
        pytest.skip("this system does not tell how much memory a process takes")
    body = gzip.compress(bytes(BOMB_BYTES))
    response = server.post_body(body, {"Content-Encoding": "gzip"})
    grown = (server.process.read_peak_memory_bytes() or 0) - before
    if not is_cut_off(response) or grown >= BOMB_BYTES // 2:
        raise FindingError("413 in little memory", f"{response}; {grown // MIB} MiB")
    expect_accepts_record(server)
    server.account()


@case(
    "server/limits/2/1",
    Level.SHOULD,
    "JSON of any depth and numbers of any length do not make the server fail.",
    expected=f"{DEEP_LEVELS} levels, 100,000 digits: taken or refused, no 5xx; then it serves as before",
    source="RFC 8259 §9: a parser may set limits",
)
def test_deep_and_long_json_does_no_harm(server: Server) -> None:
    def body(value: str) -> bytes:
        return encode_batch(server.new_record(Fate.OPTIONAL, params={"value": "%"})).replace(
            b'"%"', value.encode()
        )

    bodies = {
        "lists": body("[" * DEEP_LEVELS + "]" * DEEP_LEVELS),
        "objects": body('{"a":' * DEEP_LEVELS + "0" + "}" * DEEP_LEVELS),
        "lists without an end": b'{"records":' + b"[" * DEEP_LEVELS,
        "a list of lists": b'{"records":' + b"[" * DEEP_LEVELS + b"]" * DEEP_LEVELS + b"}",
        "digits": body("1" * DEEP_LEVELS),
        "digits after the point": body("0." + "1" * DEEP_LEVELS),
        "an exponent": body("1e" + "9" * 100),
        "a negative exponent": body("1e-" + "9" * 100),
    }
    responses = {name: server.post_body(text) for name, text in bodies.items()}
    expect_each(
        "taken or refused", responses, lambda response: response.status == 200 or is_client_error(response)
    )
    expect_accepts_record(server)
    server.account()


@case(
    "server/limits/2/2",
    Level.SHOULD,
    "However much is wrong with a batch, the answer stays small.",
    expected=f"{MANY_BAD_RECORDS} bad records: less than 1 MiB in answer",
    source="a server must not send more than it is sent",
)
def test_the_answer_to_a_bad_batch_stays_small(server: Server) -> None:
    response = server.post(*[0] * MANY_BAD_RECORDS)
    if len(response.body) > MIB or response.status >= 500:
        raise FindingError("less than 1 MiB", f"{len(response.body)} bytes, {response}")
    server.account()


@case(
    "server/limits/2/3",
    Level.SHOULD,
    "A head of any size is refused, and no harm to the requests that follow.",
    expected="a status from 400 to 499, or the connection closed, or it is served",
    source="RFC 9110 §5.4, §15.5.15; RFC 6585 §5",
)
def test_a_head_of_any_size_does_no_harm(server: Server) -> None:
    responses = {
        "a long header": server.client.request("GET", headers={"X-Long": "x" * MIB}),
        "a long name": server.client.request("GET", headers={"X" * MIB: "x"}),
        "many headers": server.client.request("GET", headers={"X-Many": ["x"] * 100_000}),
        "a long path": server.client.request("GET", f"{server.client.base_path}{'x' * MIB}"),
        "a long query": server.client.request("GET", f"{server.client.endpoint_path}?{'x' * MIB}"),
    }
    expect_each(
        "served or refused",
        responses,
        lambda response: is_cut_off(response) or response.status == 200,
    )
    expect_accepts_record(server)
    server.account()


@case(
    "server/limits/3/1",
    Level.SHOULD,
    "Clients that begin a request and say no more do not keep the others from being served.",
    expected=f"{IDLE_CONNECTIONS} connections idle in their head or body; the next batch is taken",
    source="data safety: one slow network must not silence the others",
)
def test_idle_connections_do_not_hold_up_others(server: Server) -> None:
    body = encode_batch(server.new_record(Fate.DROPPED))
    whole = server.client.build_head(body=body) + body
    with ExitStack() as connections:
        for number in range(IDLE_CONNECTIONS):
            connection = connections.enter_context(server.client.connect())
            connection.sendall(whole[: -len(body) // 2 if number % 2 else len(whole) // 3])
        expect_accepts_record(server)
        if server.get_config().status != 200:
            raise FindingError("200 for the next GET", str(server.get_config()))
    server.account()
