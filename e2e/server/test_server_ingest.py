"""What becomes of batches that a worker may send: stored as they are, all of them, once, in order.

A batch that holds a bad record belongs here too; a body that is no batch stands in `test_server_errors.py`.
"""

from __future__ import annotations

import gzip
import json
from concurrent.futures import ThreadPoolExecutor

from e2e.accounting import Fate
from e2e.case import Finding, Level, case
from e2e.server.bodies import BAD_FIELDS, NO_RECORDS
from e2e.server.client import Answer
from e2e.server.system import Record, Server, body_of, expect_all

BATCH_SIZE = 500
WORKERS_AT_ONCE = 8
BATCHES_A_WORKER = 5
LARGEST_TIMESTAMP_NS = 2**63 - 1

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


def expect_success(answer: Answer, what: str) -> None:
    """Raise a Finding where a batch was not taken."""
    if not answer.succeeded:
        raise Finding(f'200 {{"status": "success"}} for {what}', str(answer))


def expect_stored_as_sent(server: Server, sent: list[Record]) -> None:
    """Raise a Finding that shows the first stored record that differs from what was sent."""
    stored = server.stored()
    for before, after in zip(sent, stored, strict=False):
        if before != after:
            raise Finding(json.dumps(before)[:1_000], json.dumps(after)[:1_000])
    if len(stored) != len(sent):
        raise Finding(f"{len(sent)} records stored", f"{len(stored)}")


@case(
    "server/ingest/1/1",
    Level.MUST,
    "A batch is answered with success, and stored.",
    expected='200 {"status": "success"}; every record stored once',
    source="wire protocol, answer",
)
def test_a_batch_is_answered_with_success_and_stored(server: Server) -> None:
    expect_success(server.post(server.record()), "one record")
    expect_success(server.post(*server.records(3)), "three records")
    server.account()


@case(
    "server/ingest/1/2",
    Level.MUST,
    "The records of a full batch are stored as they were sent, and in that order.",
    expected=f"{BATCH_SIZE} records with every field unchanged, in the order of the batch",
    source="wire protocol, record; upstream batches: 500 records",
)
def test_a_full_batch_is_stored_as_it_was_sent(server: Server) -> None:
    server.needs_store()
    sent = [
        server.record(installation_id=f"installation-{n % 7}", session_id=f"session-{n % 3}")
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
    server.needs_store()
    sent: list[Record] = []
    for ascii_only in (True, False):
        batch = [
            server.record(
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
    server.needs_store()
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
    sent = [server.record(params={"value": value}) for value in values]
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
    record = server.record(event_id="an-id", schema=2, extra={"deep": [1]})
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
    batches = [server.records(20) for _ in range(WORKERS_AT_ONCE * BATCHES_A_WORKER)]
    with ThreadPoolExecutor(WORKERS_AT_ONCE) as workers:
        answers = list(workers.map(lambda batch: server.post(*batch), batches))
    expect_all(
        '200 {"status": "success"}',
        {f"batch {n}": answer for n, answer in enumerate(answers)},
        lambda answer: answer.succeeded,
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
    "server/ingest/2/1",
    Level.SHOULD,
    "One bad record never costs the good ones beside it.",
    expected="200 success, the records before and after it stored, for every kind of bad record",
    source="data safety: a worker sends a batch that is refused for ever, or drops it",
)
def test_one_bad_record_never_costs_the_others(server: Server) -> None:
    answers = {}
    for name, changes in BAD_FIELDS.items():
        bad = server.record(Fate.EITHER, **changes)
        if not isinstance(bad.get("params"), dict):
            continue  # Without its name in params it could not be found in the books; tried below.
        answers[name] = server.post(server.record(), bad, server.record())
    for name, member in NO_RECORDS.items():
        answers[f"{name} for a record"] = server.post(server.record(), member, server.record())
    expect_all('200 {"status": "success"}', answers, lambda answer: answer.succeeded)
    server.account()


@case(
    "server/ingest/2/2",
    Level.SHOULD,
    "A record of a wrong shape is not stored, and does not cost those beside it.",
    expected="only the good records stored, for every field missing or of a wrong type",
    source="wire protocol, record; data safety: what reads the store relies on it",
)
def test_a_record_of_a_wrong_shape_is_not_stored(server: Server) -> None:
    server.needs_store()
    for changes in BAD_FIELDS.values():
        server.post(server.record(), server.record(Fate.DROPPED, **changes))
    for member in NO_RECORDS.values():
        server.post(member, server.record())
    server.account()


@case(
    "server/ingest/2/3",
    Level.MAY,
    "The answer says how many records were accepted, and of each other one which, and why.",
    expected='"accepted": 2, "rejected": [{"index": 1, "field": …, "reason": …}]',
    source="convenience: a person who writes a worker sees what is wrong",
)
def test_the_answer_names_each_record_that_was_not_taken(server: Server) -> None:
    for name, changes in BAD_FIELDS.items():
        bad = server.record(Fate.DROPPED, **changes)
        answer = server.post(server.record(), bad, server.record())
        field = name.split()[0]
        rejected = answer.word("rejected")
        one = rejected[0] if isinstance(rejected, list) and len(rejected) == 1 else {}
        named = (one.get("index"), one.get("field"), bool(one.get("reason")))
        if answer.word("accepted") != 2 or named != (1, field, True):
            raise Finding(f'"accepted": 2 and record 1 rejected for {field} ({name})', str(answer))
    server.account()


@case(
    "server/ingest/2/4",
    Level.SHOULD,
    "A timestamp is stored to its last digit, or not at all.",
    expected="0 and 2^63-1 exact; what is negative, a fraction or out of range exact or not stored",
    source="wire protocol, tab → worker: timestamp_ns; data safety",
)
def test_a_timestamp_is_stored_to_its_last_digit_or_not_at_all(server: Server) -> None:
    server.needs_store()
    sure = [server.record(timestamp_ns=value) for value in (0, 1, 2**53 + 1, LARGEST_TIMESTAMP_NS)]
    expect_success(server.post(*sure), "timestamps from 0 to 2^63-1")
    expect_stored_as_sent(server, sure)
    for text in ("-1", "9223372036854775808", "1" + "0" * 30, "1" * 5_000, "1.5", "-0.0", "1e3", "1e400"):
        record = server.record(Fate.EITHER)
        stamp = str(record["timestamp_ns"])
        answer = server.post_body(body_of(record).replace(stamp.encode(), text.encode()))
        after = [each for each in server.stored() if each["params"] == record["params"]]
        if after and after[0]["timestamp_ns"] != float(text):
            raise Finding(f"{text[:40]}, or nothing, stored", str(after[0]["timestamp_ns"]))
        if answer.status >= 500:
            raise Finding(f"no failure of the server for the timestamp {text[:40]}", str(answer))
    server.account()


@case(
    "server/ingest/2/5",
    Level.SHOULD,
    "A string that was cut inside an emoji costs at most the record that it stands in.",
    expected="200 success, the records before and after it stored",
    source="RFC 8259 §8.2; JSON.stringify of half a surrogate pair; data safety",
)
def test_half_an_emoji_costs_at_most_its_own_record(server: Server) -> None:
    for half in ("\\ud83d", "\\ude00", "\\ud83d\\ud83d"):
        body = body_of(server.record(), server.record(Fate.EITHER, event_name="%"), server.record())
        expect_success(server.post_body(body.replace(b'"%"', f'"{half}"'.encode())), half)
    server.account()


@case(
    "server/ingest/3/1",
    Level.SHOULD,
    "A body that is packed is unpacked, or refused: it is never taken for success and lost.",
    expected="gzip and deflate: stored once, or an error",
    source="RFC 9110 §8.4, §15.5.16; data safety",
)
def test_a_packed_body_is_unpacked_or_refused(server: Server) -> None:
    record = server.record(Fate.EITHER)
    answer = server.post_body(gzip.compress(body_of(record)), {"Content-Encoding": "gzip"})
    if answer.status >= 500:
        raise Finding("taken or refused", str(answer))
    server.decide([record], Fate.STORED if answer.succeeded else Fate.DROPPED)
    unknown = server.record(Fate.DROPPED)
    answer = server.post_body(body_of(unknown)[:-1], {"Content-Encoding": "unheard-of"})
    if answer.succeeded or answer.status >= 500:
        raise Finding("an unknown coding of an unreadable body refused", str(answer))
    server.account()


@case(
    "server/ingest/3/2",
    Level.MUST,
    "A body without an announced length is taken: in chunks, of any size.",
    expected='200 {"status": "success"}; stored once',
    source="RFC 9112 §7.1: a recipient must be able to parse chunked",
)
def test_a_body_in_chunks_is_taken(server: Server) -> None:
    for size in (1, 7, 1_000):
        body = body_of(server.record())
        head = server.client.head(body=body, headers={"Content-Length": None, "Transfer-Encoding": "chunked"})
        pieces = [body[at : at + size] for at in range(0, len(body), size)]
        chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in [*pieces, b""])
        expect_success(server.client.send(head, chunks), f"chunks of {size} bytes")
    server.account()


@case(
    "server/ingest/3/3",
    Level.MUST,
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
    answers = {each: server.post(server.record(), headers={"Content-Type": each}) for each in spellings}
    expect_all('200 {"status": "success"}', answers, lambda answer: answer.succeeded)
    server.account()
