"""Batches with an invalid record: the server rejects that record alone, and the response names it.

Not covered: bodies that are not a batch (`test_errors.py`).
"""

from __future__ import annotations

from e2e.conformance.accounting import Fate
from e2e.conformance.case import FindingError, Level, case
from e2e.server.driver.assertions import expect_each, expect_stored_as_sent, expect_success
from e2e.server.driver.malformed_bodies import INVALID_FIELDS, NOT_RECORDS
from e2e.server.driver.system import Server, encode_batch

LARGEST_TIMESTAMP_NS = 2**63 - 1


@case(
    "server/ingest/2/1",
    Level.SHOULD,
    "The server stores the valid records of a batch that also contains an invalid one.",
    expected="200 success, the records before and after it are stored, for each kind of invalid record",
    source="data safety: a worker sends a rejected batch again forever, or drops it",
)
def test_invalid_record_does_not_reject_the_others(server: Server) -> None:
    responses = {}
    for name, changes in INVALID_FIELDS.items():
        bad = server.new_record(Fate.OPTIONAL, **changes)
        if not isinstance(bad.get("params"), dict):
            continue  # The accounting finds records by params; the next case covers these.
        responses[name] = server.post(server.new_record(), bad, server.new_record())
    for name, member in NOT_RECORDS.items():
        responses[f"{name} instead of a record"] = server.post(
            server.new_record(), member, server.new_record()
        )
    expect_each('200 {"status": "success"}', responses, lambda response: response.is_success)
    server.account()


@case(
    "server/ingest/2/2",
    Level.SHOULD,
    "The server does not store an invalid record, and stores the valid records of its batch.",
    expected="only the valid records are stored, for each field that is missing or of the wrong type",
    source="wire protocol, record; data safety: readers of the store rely on valid records",
)
def test_invalid_record_is_not_stored(server: Server) -> None:
    server.require_store()
    for changes in INVALID_FIELDS.values():
        server.post(server.new_record(), server.new_record(Fate.FORBIDDEN, **changes))
    for member in NOT_RECORDS.values():
        server.post(member, server.new_record())
    server.account()


@case(
    "server/ingest/2/3",
    Level.MAY,
    "The response counts the accepted records, and lists each rejected one with the reason.",
    expected='"accepted": 2, "rejected": [{"index": 1, "field": …, "reason": …}]',
    source="convenience: the author of a worker sees the error",
)
def test_response_lists_rejected_records(server: Server) -> None:
    for name, changes in INVALID_FIELDS.items():
        bad = server.new_record(Fate.FORBIDDEN, **changes)
        response = server.post(server.new_record(), bad, server.new_record())
        field = name.split()[0]
        rejected = response.get_member("rejected")
        entry = rejected[0] if isinstance(rejected, list) and len(rejected) == 1 else {}
        shown = (entry.get("index"), entry.get("field"), bool(entry.get("reason")))
        if response.get_member("accepted") != 2 or shown != (1, field, True):
            raise FindingError(f'"accepted": 2 and record 1 rejected for {field} ({name})', str(response))
    server.account()


@case(
    "server/ingest/2/4",
    Level.SHOULD,
    "The server stores a timestamp with all its digits, or rejects the record.",
    expected="0 and 2^63-1 exact; negative, fractional or out-of-range values exact or not stored",
    source="wire protocol, tab → worker: timestamp_ns; data safety",
)
def test_timestamp_is_stored_exactly_or_rejected(server: Server) -> None:
    server.require_store()
    valid = [server.new_record(timestamp_ns=value) for value in (0, 1, 2**53 + 1, LARGEST_TIMESTAMP_NS)]
    expect_success(server.post(*valid), "timestamps from 0 to 2^63-1")
    expect_stored_as_sent(server, valid)
    for text in ("-1", "9223372036854775808", "1" + "0" * 30, "1" * 5_000, "1.5", "-0.0", "1e3", "1e400"):
        record = server.new_record(Fate.OPTIONAL)
        stamp = str(record["timestamp_ns"])
        response = server.post_body(encode_batch(record).replace(stamp.encode(), text.encode()))
        after = [each for each in server.get_stored_records() if each["params"] == record["params"]]
        if after and after[0]["timestamp_ns"] != float(text):
            raise FindingError(f"{text[:40]}, or nothing, stored", str(after[0]["timestamp_ns"]))
        if response.status >= 500:
            raise FindingError(f"no 5xx for the timestamp {text[:40]}", str(response))
    server.account()


@case(
    "server/ingest/2/5",
    Level.SHOULD,
    "The server rejects at most the record itself if a string contains half a surrogate pair.",
    expected="200 success, the records before and after it are stored",
    source="RFC 8259 §8.2; JSON.stringify of a string cut inside an emoji; data safety",
)
def test_half_surrogate_pair_rejects_at_most_its_record(server: Server) -> None:
    for half in ("\\ud83d", "\\ude00", "\\ud83d\\ud83d"):
        body = encode_batch(
            server.new_record(), server.new_record(Fate.OPTIONAL, event_name="%"), server.new_record()
        )
        expect_success(server.post_body(body.replace(b'"%"', f'"{half}"'.encode())), half)
    server.account()
