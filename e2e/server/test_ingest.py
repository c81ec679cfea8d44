"""Valid batches: the server stores each record once, unchanged and in order.

Not covered: batches with an invalid record (`test_ingest_bad.py`), and bodies that are not a batch
(`test_errors.py`).
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
ID_CHARACTERS = 128
"""Longer ids and names than any worker sends. A server may reject much longer ones."""

CONCURRENT_POSTERS = 8
BATCHES_EACH = 5

TEXTS: dict[str, str] = {
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
    "The server stores a batch and responds with success.",
    expected='200 {"status": "success"}; every record stored once',
    source="wire protocol, response",
)
def test_batch_is_stored_and_acknowledged(server: Server) -> None:
    expect_success(server.post(server.new_record()), "one record")
    expect_success(server.post(*server.new_records(3)), "three records")
    server.account()


@case(
    "server/ingest/1/2",
    Level.MUST,
    "The server stores the records of a full batch unchanged and in order.",
    expected=f"{BATCH_SIZE} records with every field unchanged, in the order of the batch",
    source="wire protocol, record; upstream batches: 500 records",
)
def test_full_batch_is_stored_as_sent(server: Server) -> None:
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
    "The server stores any text in a record unchanged.",
    expected=f"controls, NUL, quotes, markup, emoji, {ID_CHARACTERS} letters, 100,000 in params: unchanged",
    source="wire protocol, record",
)
def test_any_text_is_stored_unchanged(server: Server) -> None:
    server.require_store()
    sent: list[Record] = []
    for ascii_only in (True, False):
        batch = [
            server.new_record(
                installation_id=text[:ID_CHARACTERS],
                event_name=text[:ID_CHARACTERS],
                session_id=text[:ID_CHARACTERS],
                params={"componentId": text, text: [text, {text: None}]},
            )
            for text in TEXTS.values()
        ]
        body = json.dumps({"records": batch}, ensure_ascii=ascii_only).encode()
        expect_success(server.post_body(body), "any text")
        sent += batch
    expect_stored_as_sent(server, sent)
    server.account()


@case(
    "server/ingest/1/4",
    Level.MUST,
    "The server stores any JSON in params unchanged.",
    expected="nested values, numbers with all digits",
    source="wire protocol, record: params",
)
def test_any_json_in_params_is_stored_unchanged(server: Server) -> None:
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
    "The server ignores unknown fields, which a newer worker may send.",
    expected="success; the record is stored",
    source="wire protocol, record; the server reads five fields and ignores others",
)
def test_unknown_fields_are_ignored(server: Server) -> None:
    record = server.new_record(event_id="an-id", schema=2, extra={"deep": [1]})
    body = json.dumps({"version": 3, "records": [record], "sent_at": 1}).encode()
    expect_success(server.post_body(body), "unknown fields in the record and in the body")
    server.account()


@case(
    "server/ingest/1/6",
    Level.MUST,
    "The server stores each record of concurrent batches once.",
    expected=f"{CONCURRENT_POSTERS} x {BATCHES_EACH} concurrent batches: 0 lost, 0 duplicated",
    source="wire protocol, response: success",
)
def test_concurrent_batches_are_all_stored(server: Server) -> None:
    batches = [server.new_records(20) for _ in range(CONCURRENT_POSTERS * BATCHES_EACH)]
    with ThreadPoolExecutor(CONCURRENT_POSTERS) as workers:
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
    "The server accepts an empty batch.",
    expected='200 {"status": "success"}, nothing stored',
    source="convenience: workers are not required to send it",
)
def test_empty_batch_is_accepted(server: Server) -> None:
    expect_success(server.post(), "an empty list")
    server.account()


@case(
    "server/ingest/1/8",
    Level.MAY,
    "The server takes an empty object for a batch without records.",
    expected='200 {"status": "success"}, nothing stored',
    source="MLflow's server",
)
def test_empty_object_is_an_empty_batch(server: Server) -> None:
    expect_success(server.post_body(b"{}"), "an empty object")
    server.account()


@case(
    "server/ingest/3/1",
    Level.SHOULD,
    "The server decompresses or rejects a compressed body; it never acknowledges and loses it.",
    expected="gzip and deflate: stored once, or an error",
    source="RFC 9110 §8.4, §15.5.16; data safety",
)
def test_compressed_body_is_decoded_or_rejected(server: Server) -> None:
    record = server.new_record(Fate.OPTIONAL)
    response = server.post_body(gzip.compress(encode_batch(record)), {"Content-Encoding": "gzip"})
    if response.status >= 500:
        raise FindingError("accepted or rejected", str(response))
    server.set_fate([record], Fate.STORED if response.is_success else Fate.FORBIDDEN)
    unknown = server.new_record(Fate.FORBIDDEN)
    response = server.post_body(encode_batch(unknown)[:-1], {"Content-Encoding": "unheard-of"})
    if response.is_success or response.status >= 500:
        raise FindingError("an unreadable body with an unknown encoding is rejected", str(response))
    server.account()


@case(
    "server/ingest/3/2",
    Level.SHOULD,
    "The server accepts a chunked body, with chunks of any size.",
    expected='200 {"status": "success"}; stored once',
    source="RFC 9112 §7.1: a recipient must be able to parse chunked",
)
def test_chunked_body_is_accepted(server: Server) -> None:
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
    "The server accepts other spellings of the JSON media type: a charset, capitals, spaces.",
    expected='200 {"status": "success"}; stored once',
    source="RFC 9110 §8.3.1: media types are case-insensitive and may have parameters",
)
def test_other_spellings_of_json_type_are_accepted(server: Server) -> None:
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
    "The server decompresses bodies with the encodings that it lists in its GET response.",
    expected='accept_encodings ["gzip"]: a compressed batch is stored once; unimplemented if GET lists none',
    source="wire additions, GET: accept_encodings",
)
def test_listed_encoding_is_accepted(server: Server) -> None:
    encodings = server.get_config().get_member("accept_encodings")
    if encodings is None:
        server.account()
        pytest.skip("the server does not list encodings")
    if encodings != ["gzip"]:
        raise FindingError('"accept_encodings": ["gzip"]', str(encodings))
    for count in (1, BATCH_SIZE):
        body = gzip.compress(encode_batch(*server.new_records(count)))
        expect_success(server.post_body(body, {"Content-Encoding": "gzip"}), f"{count} compressed records")
    server.account()


@case(
    "server/ingest/3/5",
    Level.SHOULD,
    "The server rejects an incomplete or damaged compressed body, so that the worker keeps the batch.",
    expected="truncated, damaged, or with trailing bytes: a status from 400 to 499, 0 stored",
    source="RFC 1952; data safety: on success the worker deletes the batch",
)
def test_damaged_compressed_body_is_rejected(server: Server) -> None:
    damages: dict[str, Callable[[bytes], bytes]] = {
        "not compressed": gzip.decompress,
        "empty": lambda packed: b"",
        "only the header": lambda packed: packed[:10],
        "without the last byte": lambda packed: packed[:-1],
        "without the checksum": lambda packed: packed[:-8],
        "with a wrong checksum": lambda packed: packed[:-8] + bytes(4) + packed[-4:],
        "with trailing bytes": lambda packed: packed + b"more",
    }
    responses = {
        name: server.post_body(
            damage(gzip.compress(encode_batch(server.new_record(Fate.FORBIDDEN)))),
            {"Content-Encoding": "gzip"},
        )
        for name, damage in damages.items()
    }
    expect_each("a status from 400 to 499", responses, is_client_error)
    server.account()
