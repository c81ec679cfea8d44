"""Limits of requests: the server rejects what is too large, in time, and serves the other requests.

Not covered: more batches at a time than the server can store (`test_overload.py`).
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
HUGE_CONTENT_LENGTH = 10**15
ENDLESS_BYTES = 64 * MIB
"""A server that reads this much of one endless body has no limit."""
CHUNK_BYTES = 256 * 1024
DECOMPRESSED_BYTES = 64 * MIB
BOMB_BYTES = 256 * MIB
DEEP_LEVELS = 100_000
MANY_INVALID_RECORDS = 100_000, 20_000
"""The second number for servers that bound the number of records of a batch."""
LONG_FIELD_LETTERS = 7_000_000
STALLED_CONNECTIONS = 100


def is_cut_off(response: Response) -> bool:
    """Return whether the server ended the request: with a 4xx status, or by closing the connection."""
    return response.status == CLOSED or is_client_error(response)


@case(
    "server/limits/1/1",
    Level.SHOULD,
    "The server accepts a batch of 1 MiB, because batches grow while a server is down.",
    expected='200 {"status": "success"}; every record stored once',
    source="data safety: a batch that is too large is rejected forever",
)
def test_batch_of_1_mib_is_accepted(server: Server) -> None:
    record_bytes = len(json.dumps(server.new_record(Fate.FORBIDDEN)))
    many = server.new_records(LARGE_BATCH_BYTES // record_bytes)
    one = server.new_record(params={"value": "x" * LARGE_BATCH_BYTES})
    responses = {"many records": server.post(*many), "one record": server.post(one)}
    expect_each('200 {"status": "success"}', responses, lambda response: response.is_success)
    server.account()


@case(
    "server/limits/1/2",
    Level.SHOULD,
    "The server rejects a huge Content-Length before it receives the body.",
    expected="413 (or another status from 400 to 499, or the connection closed) at once",
    source="RFC 9110 §15.5.14",
)
def test_huge_content_length_is_rejected_early(server: Server) -> None:
    head = server.client.build_head(
        headers={"Content-Type": JSON_TYPE, "Content-Length": str(HUGE_CONTENT_LENGTH), "Connection": None}
    )
    response = server.client.send(head, encode_batch(server.new_record(Fate.FORBIDDEN)))
    if not is_cut_off(response):
        raise FindingError("413", str(response))
    expect_accepts_record(server)
    server.account()


@case(
    "server/limits/1/3",
    Level.SHOULD,
    "The server ends a request whose chunked body never ends.",
    expected=f"413, or the connection closed, before {ENDLESS_BYTES // MIB} MiB",
    source="RFC 9110 §15.5.14",
)
def test_endless_body_is_cut_off(server: Server) -> None:
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
        raise FindingError(
            f"413 before {ENDLESS_BYTES // MIB} MiB", f"{response} after {ENDLESS_BYTES // MIB} MiB"
        )
    if not is_cut_off(response):
        raise FindingError("413", str(response))
    expect_accepts_record(server)
    server.account()


@case(
    "server/limits/1/4",
    Level.SHOULD,
    "The server rejects a small body that decompresses to a huge one.",
    expected="a status from 400 to 499, nothing stored",
    source="RFC 9110 §15.5.14, §15.5.16; a client must not exhaust the server's memory",
)
def test_decompression_bomb_is_rejected(server: Server) -> None:
    body = gzip.compress(encode_batch(server.new_record(Fate.FORBIDDEN)).ljust(DECOMPRESSED_BYTES))
    response = server.post_body(body, {"Content-Encoding": "gzip"})
    if not is_cut_off(response):
        raise FindingError("413", str(response))
    expect_accepts_record(server)
    server.account()


@case(
    "server/limits/1/5",
    Level.MAY,
    "The server responds to a body that is too large with a JSON error that states the limit.",
    expected='413 {"error": code, "message": text}',
    source="convenience: a worker can send smaller batches",
)
def test_too_large_body_gets_json_error(server: Server) -> None:
    head = server.client.build_head(
        headers={"Content-Type": JSON_TYPE, "Content-Length": str(HUGE_CONTENT_LENGTH), "Connection": None}
    )
    response = server.client.send(head)
    if response.status != 413 or not response.get_member("error") or not response.get_member("message"):
        raise FindingError('413 {"error": …, "message": …}', str(response))
    server.account()


@case(
    "server/limits/1/6",
    Level.SHOULD,
    "The server does not allocate the full size of a small body that decompresses to a huge one.",
    expected=f"{BOMB_BYTES // MIB} MiB in a body of less than 1 MiB: peak memory grows by less than "
    f"{BOMB_BYTES // 2 // MIB} MiB",
    source="a client must not exhaust the server's memory",
)
def test_decompression_bomb_takes_little_memory(start_server: StartServer) -> None:
    server = start_server()
    before = server.process.read_peak_memory_bytes()
    if before is None:
        pytest.skip("this system does not report the peak memory of a process")
    body = gzip.compress(bytes(BOMB_BYTES))
    response = server.post_body(body, {"Content-Encoding": "gzip"})
    grown = (server.process.read_peak_memory_bytes() or 0) - before
    if not is_cut_off(response) or grown >= BOMB_BYTES // 2:
        raise FindingError("413 in little memory", f"{response}; {grown // MIB} MiB")
    expect_accepts_record(server)
    server.account()


@case(
    "server/limits/1/7",
    Level.SHOULD,
    "The server bounds each field of a record, and rejects only the record whose field is too long.",
    expected="success; ids and names of 7,000,000 letters are not stored, the records beside them are",
    source="a stranger must not fill the disk with one field",
)
def test_too_long_field_rejects_only_its_record(server: Server) -> None:
    responses = {
        name: server.post(
            server.new_record(),
            server.new_record(Fate.FORBIDDEN, **{name: "x" * LONG_FIELD_LETTERS}),
            server.new_record(),
        )
        for name in ("installation_id", "event_name", "session_id")
    }
    long_session = {"records": [server.new_record()], "session_id": "x" * LONG_FIELD_LETTERS, "dropped": 1}
    responses["the session of a report"] = server.post_body(json.dumps(long_session).encode())
    expect_each('200 {"status": "success"}', responses, lambda response: response.is_success)
    server.account()


@case(
    "server/limits/1/8",
    Level.SHOULD,
    "The server rejects a sequence number that no page reaches.",
    expected="success; 2^53 - 1 and 10^12 are not stored, the record beside them is",
    source="wire additions, identity: a gap in seq counts as losses; one stranger's record must not spoil it",
)
def test_implausible_sequence_number_is_rejected(server: Server) -> None:
    server.require_store()
    responses = {
        str(seq): server.post(
            server.new_record(), server.new_record(Fate.FORBIDDEN, tab_id="tab-implausible", seq=seq)
        )
        for seq in (2**53 - 1, 2**53, 10**12)
    }
    expect_each('200 {"status": "success"}', responses, lambda response: response.is_success)
    server.account()


@case(
    "server/limits/2/1",
    Level.SHOULD,
    "The server survives JSON of any depth and numbers of any length.",
    expected=f"{DEEP_LEVELS} levels, 100,000 digits: accepted or rejected, no 5xx; the next request succeeds",
    source="RFC 8259 §9: a parser may set limits",
)
def test_deep_json_and_long_numbers_cause_no_failure(server: Server) -> None:
    def body(value: str) -> bytes:
        return encode_batch(server.new_record(Fate.OPTIONAL, params={"value": "%"})).replace(
            b'"%"', value.encode()
        )

    bodies = {
        "lists": body("[" * DEEP_LEVELS + "]" * DEEP_LEVELS),
        "objects": body('{"a":' * DEEP_LEVELS + "0" + "}" * DEEP_LEVELS),
        "unclosed lists": b'{"records":' + b"[" * DEEP_LEVELS,
        "a list of lists": b'{"records":' + b"[" * DEEP_LEVELS + b"]" * DEEP_LEVELS + b"}",
        "digits": body("1" * DEEP_LEVELS),
        "digits after the point": body("0." + "1" * DEEP_LEVELS),
        "an exponent": body("1e" + "9" * 100),
        "a negative exponent": body("1e-" + "9" * 100),
    }
    responses = {name: server.post_body(text) for name, text in bodies.items()}
    expect_each(
        "accepted or rejected",
        responses,
        lambda response: response.status == 200 or is_client_error(response),
    )
    expect_accepts_record(server)
    server.account()


@case(
    "server/limits/2/2",
    Level.SHOULD,
    "The response to a batch with many invalid records stays small.",
    expected="100,000 and 20,000 invalid records: a response of less than 1 MiB",
    source="a server must not send more than it receives",
)
def test_response_to_many_invalid_records_is_small(server: Server) -> None:
    for count in MANY_INVALID_RECORDS:
        response = server.post(*[0] * count)
        if len(response.body) > MIB or response.status >= 500:
            raise FindingError("less than 1 MiB", f"{len(response.body)} bytes, {response}")
    server.account()


@case(
    "server/limits/2/3",
    Level.SHOULD,
    "The server rejects a request head that is too large, and serves the requests that follow.",
    expected="a status from 400 to 499, or the connection closed, or the request is served",
    source="RFC 9110 §5.4, §15.5.15; RFC 6585 §5",
)
def test_large_request_head_causes_no_failure(server: Server) -> None:
    responses = {
        "a long header": server.client.request("GET", headers={"X-Long": "x" * MIB}),
        "a long name": server.client.request("GET", headers={"X" * MIB: "x"}),
        "many headers": server.client.request("GET", headers={"X-Many": ["x"] * 100_000}),
        "a long path": server.client.request("GET", f"{server.client.base_path}{'x' * MIB}"),
        "a long query": server.client.request("GET", f"{server.client.endpoint_path}?{'x' * MIB}"),
    }
    expect_each(
        "served or rejected",
        responses,
        lambda response: is_cut_off(response) or response.status == 200,
    )
    expect_accepts_record(server)
    server.account()


@case(
    "server/limits/3/1",
    Level.SHOULD,
    "The server serves other clients while many connections stall inside a request.",
    expected=f"{STALLED_CONNECTIONS} connections stalled in their head or body; the next batch is accepted",
    source="data safety: one slow network must not block the others",
)
def test_stalled_connections_do_not_block_others(server: Server) -> None:
    body = encode_batch(server.new_record(Fate.FORBIDDEN))
    request = server.client.build_head(body=body) + body
    with ExitStack() as connections:
        for number in range(STALLED_CONNECTIONS):
            connection = connections.enter_context(server.client.connect())
            connection.sendall(request[: -len(body) // 2 if number % 2 else len(request) // 3])
        expect_accepts_record(server)
        if server.get_config().status != 200:
            raise FindingError("200 for the next GET", str(server.get_config()))
    server.account()
