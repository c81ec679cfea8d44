"""The session report of a body, which never causes an error, and the count of rejected records."""

import json

import pytest

from reference_server.model.batch import MAX_COUNT, MAX_REJECTED_LISTED, SessionReport, decode_batch
from reference_server.model.record import MAX_ID_CHARACTERS
from unit.support.samples import encode_body, make_record


def decode_report(**values: object) -> SessionReport | None:
    return decode_batch(json.dumps({"records": [], **values}).encode()).report


def test_report_has_session_and_two_counts() -> None:
    assert decode_report(session_id="s", dropped=3, filtered=4) == SessionReport("s", 3, 4)
    assert decode_report(session_id="s", dropped=MAX_COUNT) == SessionReport("s", MAX_COUNT, 0)
    assert decode_report(session_id="s", filtered=1) == SessionReport("s", 0, 1)


def test_report_without_counts_is_none() -> None:
    assert decode_report() is None
    assert decode_report(session_id="s") is None
    assert decode_report(session_id="s", dropped=0, filtered=0) is None


@pytest.mark.parametrize("value", [None, "3", 1.5, True, [3], {"a": 3}, -1, MAX_COUNT + 1, 10**100, "\ud83d"])
def test_report_count_of_wrong_type_is_zero(value: object) -> None:
    assert decode_report(session_id="s", dropped=value, filtered=2) == SessionReport("s", 0, 2)


@pytest.mark.parametrize("value", [None, 5, True, ["s"], "\ud83d", "s" * (MAX_ID_CHARACTERS + 1)])
def test_report_without_session_id_is_none(value: object) -> None:
    assert decode_report(session_id=value, dropped=2) is None


def test_report_is_read_beside_a_lone_surrogate() -> None:
    body = json.dumps(
        {"records": [make_record(event_name="\ud83d")], "session_id": "s", "dropped": 2}
    ).encode()
    batch = decode_batch(body)
    assert (len(batch.rejected), batch.report) == (1, SessionReport("s", 2, 0))


def test_rejected_count_includes_unlisted_records() -> None:
    batch = decode_batch(encode_body(*[0] * (MAX_REJECTED_LISTED + 5), make_record()))
    assert (len(batch.accepted), len(batch.rejected)) == (1, MAX_REJECTED_LISTED)
    assert batch.rejected_count == MAX_REJECTED_LISTED + 5


def test_conflicts_are_rejected_in_the_order_of_the_request() -> None:
    batch = decode_batch(encode_body(make_record(0), 5, make_record(2), 7, make_record(4)))
    batch.reject_conflicts((0, 1))
    assert [record.timestamp_ns % 10 for record in batch.accepted] == [4]
    assert [(each.index, each.field) for each in batch.rejected] == [
        (0, "seq"),
        (1, None),
        (2, "seq"),
        (3, None),
    ]
    assert batch.rejected_count == 4
    assert json.loads(bytes(batch.rejected_contents[2]))["timestamp_ns"] == make_record(2)["timestamp_ns"]
