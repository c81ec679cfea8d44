"""Batches that hold a bad record: it costs no other one, is not stored itself, and the answer names it.

A body that is no batch at all stands in `test_server_errors.py`.
"""

from __future__ import annotations

from e2e.conformance.accounting import Fate
from e2e.conformance.case import FindingError, Level, case
from e2e.server.driver.assertions import expect_each, expect_stored_as_sent, expect_success
from e2e.server.driver.malformed_bodies import BAD_FIELDS, NOT_RECORDS
from e2e.server.driver.system import Server, encode_batch

LARGEST_TIMESTAMP_NS = 2**63 - 1


@case(
    "server/ingest/2/1",
    Level.SHOULD,
    "One bad record never costs the good ones beside it.",
    expected="200 success, the records before and after it stored, for every kind of bad record",
    source="data safety: a worker sends a batch that is refused for ever, or drops it",
)
def test_one_bad_record_never_costs_the_others(server: Server) -> None:
    responses = {}
    for name, changes in BAD_FIELDS.items():
        bad = server.new_record(Fate.OPTIONAL, **changes)
        if not isinstance(bad.get("params"), dict):
            continue  # Without its name in params it could not be found in the books; tried below.
        responses[name] = server.post(server.new_record(), bad, server.new_record())
    for name, member in NOT_RECORDS.items():
        responses[f"{name} for a record"] = server.post(server.new_record(), member, server.new_record())
    expect_each('200 {"status": "success"}', responses, lambda response: response.is_success)
    server.account()


@case(
    "server/ingest/2/2",
    Level.SHOULD,
    "A record of a wrong shape is not stored, and does not cost those beside it.",
    expected="only the good records stored, for every field missing or of a wrong type",
    source="wire protocol, record; data safety: what reads the store relies on it",
)
def test_a_record_of_a_wrong_shape_is_not_stored(server: Server) -> None:
    server.require_store()
    for changes in BAD_FIELDS.values():
        server.post(server.new_record(), server.new_record(Fate.DROPPED, **changes))
    for member in NOT_RECORDS.values():
        server.post(member, server.new_record())
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
        bad = server.new_record(Fate.DROPPED, **changes)
        response = server.post(server.new_record(), bad, server.new_record())
        field = name.split()[0]
        rejected = response.get_member("rejected")
        one = rejected[0] if isinstance(rejected, list) and len(rejected) == 1 else {}
        named = (one.get("index"), one.get("field"), bool(one.get("reason")))
        if response.get_member("accepted") != 2 or named != (1, field, True):
            raise FindingError(f'"accepted": 2 and record 1 rejected for {field} ({name})', str(response))
    server.account()


@case(
    "server/ingest/2/4",
    Level.SHOULD,
    "A timestamp is stored to its last digit, or not at all.",
    expected="0 and 2^63-1 exact; what is negative, a fraction or out of range exact or not stored",
    source="wire protocol, tab → worker: timestamp_ns; data safety",
)
def test_a_timestamp_is_stored_to_its_last_digit_or_not_at_all(server: Server) -> None:
    server.require_store()
    sure = [server.new_record(timestamp_ns=value) for value in (0, 1, 2**53 + 1, LARGEST_TIMESTAMP_NS)]
    expect_success(server.post(*sure), "timestamps from 0 to 2^63-1")
    expect_stored_as_sent(server, sure)
    for text in ("-1", "9223372036854775808", "1" + "0" * 30, "1" * 5_000, "1.5", "-0.0", "1e3", "1e400"):
        record = server.new_record(Fate.OPTIONAL)
        stamp = str(record["timestamp_ns"])
        response = server.post_body(encode_batch(record).replace(stamp.encode(), text.encode()))
        after = [each for each in server.get_stored_records() if each["params"] == record["params"]]
        if after and after[0]["timestamp_ns"] != float(text):
            raise FindingError(f"{text[:40]}, or nothing, stored", str(after[0]["timestamp_ns"]))
        if response.status >= 500:
            raise FindingError(f"no failure of the server for the timestamp {text[:40]}", str(response))
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
        body = encode_batch(
            server.new_record(), server.new_record(Fate.OPTIONAL, event_name="%"), server.new_record()
        )
        expect_success(server.post_body(body.replace(b'"%"', f'"{half}"'.encode())), half)
    server.account()
