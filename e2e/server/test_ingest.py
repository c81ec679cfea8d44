"""What becomes of batches that a worker may send: stored as they are, all of them, once, in order.

A batch that holds a bad record stands in `test_server_ingest_bad.py`, a body that is no batch in
`test_server_errors.py`.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from e2e.conformance.accounting import Fate
from e2e.conformance.case import FindingError, Level, case
from e2e.server.driver.assertions import expect_each, expect_stored_as_sent, expect_success, is_client_error
from e2e.server.driver.system import Record, Server, encode_batch

BATCH_SIZE = 500
WORKERS_AT_ONCE = 8
BATCHES_A_WORKER = 5

NAMES: dict[str, str] = {
    "a NUL": "a\0b",
    "controls": "\x01\x1f\x7f\x85\u2028",
    "quotes": "\"'`\\",
    "markup": "<script>alert(1)</script>&amp;",
    "SQL": "'); DROP TABLE records; --",
    "emoji": "👩‍👩‍👧 \U0010ffff",
    "direction": "\u202eabc\u2066",
    "not normalized": "e\u0301 \u00e9",
    "prototype": "__proto__",
    "constructor": "constructor",
    "spaces": "  a  ",
    "nothing": "",
    "long": "x" * 100_000,
}


@case(
    "server/ingest/1/1",
    Level.MUST,
    "A batch is answered with success, and stored.",
    expected='200 {"status": "success"}; every record stored once',
    source="wire protocol, answer",
)
def test_a_batch_is_answered_with_success_and_stored(server: Server) -> None:
    expect_success(server.post(server.new_record()), "one record")
    expect_success(server.post(*server.new_records(3)), "three records")
    server.account()


@case(
    "server/ingest/1/2",
    Level.MUST,
    "The records of a full batch are stored as they were sent, and in that order.",
    expected=f"{BATCH_SIZE} records with every field unchanged, in the order of the batch",
    source="wire protocol, record; upstream batches: 500 records",
)
def test_a_full_batch_is_stored_as_it_was_sent(server: Server) -> None:
    server.require_store()
    sent = [
        server.new_record(installation_id=f"installation-{n % 7}", session_id=f"session-{n % 3}")
        for n in range(BATCH_SIZE)
    ]
    expect_success(server.post(*sent), f"{BATCH_SIZE} records")
    expect_stored_as_sent(server, sent)
    server.account()


@case(
    "server/ingest/1/3",
    Level.MUST,
    "Text of any kind in a record is stored letter by letter.",
    expected="controls, NUL, quotes, markup, emoji, 100,000 letters: unchanged",
    source="wire protocol, record",
)
def test_text_of_any_kind_is_stored_letter_by_letter(server: Server) -> None:
    server.require_store()
    sent: list[Record] = []
    for ascii_only in (True, False):
        batch = [
            server.new_record(
                installation_id=text,
                event_name=text,
                session_id=text,
                params={"componentId": text, text: [text, {text: None}]},
            )
            for text in NAMES.values()
        ]
        body = json.dumps({"records": batch}, ensure_ascii=ascii_only).encode()
        expect_success(server.post_body(body), "text of any kind")
        sent += batch
    expect_stored_as_sent(server, sent)
    server.account()


@case(
    "server/ingest/1/4",
    Level.MUST,
    "Params that hold any JSON are stored unchanged.",
    expected="nested values, numbers to their last digit",
    source="wire protocol, record: params",
)
def test_params_of_any_json_are_stored_unchanged(server: Server) -> None:
    server.require_store()
    values: list[object] = [
        0,
        -1,
        2**53 + 1,
        0.1,
        1e-300,
        1.7976931348623157e308,
        True,
        None,
        [],
        {},
        [[1], {"a": {}}],
    ]
    sent = [server.new_record(params={"value": value}) for value in values]
    expect_success(server.post(*sent), "any JSON in params")
    expect_stored_as_sent(server, sent)
    server.account()


@case(
    "server/ingest/1/5",
    Level.MUST,
    "Fields that the server does not know cost nothing: a newer worker may send more.",
    expected="success; the record stored",
    source="wire protocol, record; the server reads five fields and ignores others",
)
def test_unknown_fields_cost_nothing(server: Server) -> None:
    record = server.new_record(event_id="an-id", schema=2, extra={"deep": [1]})
    body = json.dumps({"version": 3, "records": [record], "sent_at": 1}).encode()
    expect_success(server.post_body(body), "unknown fields in the record and beside the list")
    server.account()


@case(
    "server/ingest/1/6",
    Level.MUST,
    "Batches that arrive at the same time are all stored, each record once.",
    expected=f"{WORKERS_AT_ONCE * BATCHES_A_WORKER} batches, {WORKERS_AT_ONCE} at once: 0 lost, 0 duplicated",
    source="wire protocol, answer: success",
)
def test_batches_at_the_same_time_are_all_stored(server: Server) -> None:
    batches = [server.new_records(20) for _ in range(WORKERS_AT_ONCE * BATCHES_A_WORKER)]
    with ThreadPoolExecutor(WORKERS_AT_ONCE) as workers:
        responses = list(workers.map(lambda batch: server.post(*batch), batches))
    expect_each(
        '200 {"status": "success"}',
        {f"batch {n}": response for n, response in enumerate(responses)},
        lambda response: response.is_success,
    )
    server.account()


@case(
    "server/ingest/1/7",
    Level.MAY,
    "An empty batch is a batch.",
    expected='200 {"status": "success"}, nothing stored',
    source="convenience: no worker has to send it",
)
def test_an_empty_batch_is_a_batch(server: Server) -> None:
    expect_success(server.post(), "an empty list")
    server.account()


@case(
    "server/ingest/3/1",
    Level.SHOULD,
    "A body that is packed is unpacked, or refused: it is never taken for success and lost.",
    expected="gzip and deflate: stored once, or an error",
    source="RFC 9110 §8.4, §15.5.16; data safety",
)
def test_a_packed_body_is_unpacked_or_refused(server: Server) -> None:
    record = server.new_record(Fate.OPTIONAL)
    response = server.post_body(gzip.compress(encode_batch(record)), {"Content-Encoding": "gzip"})
    if response.status >= 500:
        raise FindingError("taken or refused", str(response))
    server.set_fate([record], Fate.STORED if response.is_success else Fate.DROPPED)
    unknown = server.new_record(Fate.DROPPED)
    response = server.post_body(encode_batch(unknown)[:-1], {"Content-Encoding": "unheard-of"})
    if response.is_success or response.status >= 500:
        raise FindingError("an unknown coding of an unreadable body refused", str(response))
    server.account()


@case(
    "server/ingest/3/2",
    Level.SHOULD,
    "A body without an announced length is taken: in chunks, of any size.",
    expected='200 {"status": "success"}; stored once',
    source="RFC 9112 §7.1: a recipient must be able to parse chunked",
)
def test_a_body_in_chunks_is_taken(server: Server) -> None:
    for size in (1, 7, 1_000):
        body = encode_batch(server.new_record())
        head = server.client.build_head(
            body=body, headers={"Content-Length": None, "Transfer-Encoding": "chunked"}
        )
        pieces = [body[at : at + size] for at in range(0, len(body), size)]
        chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in [*pieces, b""])
        expect_success(server.client.send(head, chunks), f"chunks of {size} bytes")
    server.account()


@case(
    "server/ingest/3/3",
    Level.SHOULD,
    "JSON by its other spellings is taken: with a charset, in capitals, with spaces.",
    expected='200 {"status": "success"}; stored once',
    source="RFC 9110 §8.3.1: a media type's name has no case and may have parameters",
)
def test_json_by_its_other_spellings_is_taken(server: Server) -> None:
    spellings = (
        "application/json; charset=utf-8",
        "application/json;charset=UTF-8",
        'application/json; charset="utf-8"',
        "Application/JSON",
        "application/json ; a=b",
    )
    responses = {each: server.post(server.new_record(), headers={"Content-Type": each}) for each in spellings}
    expect_each('200 {"status": "success"}', responses, lambda response: response.is_success)
    server.account()


@case(
    "server/ingest/3/4",
    Level.SHOULD,
    "What GET says that bodies may be packed with is unpacked.",
    expected='accept_encodings ["gzip"]: a packed batch stored once; unimplemented where GET says nothing',
    source="wire additions, GET: accept_encodings",
)
def test_bodies_may_be_packed_as_announced(server: Server) -> None:
    announced = server.get_config().get_member("accept_encodings")
    if announced is None:
        server.account()
        pytest.skip("it does not say that bodies may be packed")
    if announced != ["gzip"]:
        raise FindingError('"accept_encodings": ["gzip"]', str(announced))
    for count in (1, BATCH_SIZE):
        body = gzip.compress(encode_batch(*server.new_records(count)))
        expect_success(server.post_body(body, {"Content-Encoding": "gzip"}), f"{count} packed records")
    server.account()


@case(
    "server/ingest/3/5",
    Level.SHOULD,
    "A packed body that is not whole is refused: what was cut off is sent again.",
    expected="cut off, damaged, or with more behind it: a status from 400 to 499, 0 stored",
    source="RFC 1952; data safety: success lets the worker forget",
)
def test_a_packed_body_that_is_not_whole_is_refused(server: Server) -> None:
    damages: dict[str, Callable[[bytes], bytes]] = {
        "not packed": gzip.decompress,
        "nothing": lambda packed: b"",
        "a head alone": lambda packed: packed[:10],
        "without its end": lambda packed: packed[:-1],
        "without its check": lambda packed: packed[:-8],
        "with a wrong check": lambda packed: packed[:-8] + bytes(4) + packed[-4:],
        "with more behind it": lambda packed: packed + b"more",
    }
    responses = {
        name: server.post_body(
            damage(gzip.compress(encode_batch(server.new_record(Fate.DROPPED)))), {"Content-Encoding": "gzip"}
        )
        for name, damage in damages.items()
    }
    expect_each("a status from 400 to 499", responses, is_client_error)
    server.account()
