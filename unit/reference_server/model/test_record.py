"""Decoding the records of a body: accepted records, rejected records with reasons, refused bodies."""

from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reference_server.errors import WireError
from reference_server.model.batch import decode_batch
from reference_server.model.record import (
    MAX_ID_CHARACTERS,
    MAX_PARAMS_BYTES,
    MAX_SEQ,
    MAX_TIMESTAMP_NS,
    Record,
    Rejected,
)
from unit.support.samples import encode_body, make_record

FIELDS = ["installation_id", "event_name", "timestamp_ns", "session_id", "params"]
IDENTITY = ["tab_id", "seq"]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
malformed_records = st.fixed_dictionaries({}, optional={field: json_values for field in FIELDS + IDENTITY})


def decode(body: bytes) -> tuple[list[Record], list[Rejected]]:
    """Return the accepted records and the listed rejected records."""
    batch = decode_batch(body)
    return batch.accepted, batch.rejected


def decode_rejected(member: object) -> Rejected:
    """Return the rejection of a member between two valid records, which must be accepted."""
    accepted, rejected = decode(encode_body(make_record(1), member, make_record(2)))
    assert [record.as_dict() for record in accepted] == [make_record(1), make_record(2)]
    assert len(rejected) == 1
    assert rejected[0].index == 1
    return rejected[0]


def test_valid_records_are_accepted_in_order() -> None:
    members = [make_record(number) for number in range(5)]
    accepted, rejected = decode(encode_body(*members))
    assert [record.as_dict() for record in accepted] == members
    assert rejected == []


@pytest.mark.parametrize("field", FIELDS[:-1])
def test_record_without_required_field_is_rejected(field: str) -> None:
    assert decode_rejected(make_record(**{field: None})) == Rejected(
        1, field, f"Object missing required field `{field}`"
    )


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("installation_id", 5, "Expected `str`, got `int`"),
        ("event_name", ["x"], "Expected `str`, got `array`"),
        ("session_id", False, "Expected `str`, got `bool`"),
        ("timestamp_ns", "1", "Expected `int`, got `str`"),
        ("timestamp_ns", 1.5, "Expected `int`, got `float`"),
        ("timestamp_ns", True, "Expected `int`, got `bool`"),
        ("timestamp_ns", -1, "Expected `int` >= 0"),
        ("timestamp_ns", MAX_TIMESTAMP_NS + 1, f"Expected `int` <= {MAX_TIMESTAMP_NS}"),
        ("timestamp_ns", 10**100, f"Expected `int` <= {MAX_TIMESTAMP_NS}"),
        ("tab_id", 5, "Expected `str | null`, got `int`"),
        ("tab_id", "", "Expected `str` of length >= 1"),
        ("tab_id", "x" * 65, "Expected `str` of length <= 64"),
        ("installation_id", "x" * (MAX_ID_CHARACTERS + 1), "Expected `str` of length <= 1024"),
        ("event_name", "x" * (MAX_ID_CHARACTERS + 1), "Expected `str` of length <= 1024"),
        ("session_id", "x" * 7_000_000, "Expected `str` of length <= 1024"),
        ("params", {"a": "x" * MAX_PARAMS_BYTES}, f"Expected at most {MAX_PARAMS_BYTES} bytes"),
        ("seq", "0", "Expected `int | null`, got `str`"),
        ("seq", True, "Expected `int | null`, got `bool`"),
        ("seq", -1, "Expected `int` >= 0"),
        ("seq", MAX_SEQ + 1, f"Expected `int` <= {MAX_SEQ}"),
        ("params", "text", "Expected `object | null`, got `str`"),
        ("params", [1], "Expected `object | null`, got `array`"),
    ],
)
def test_field_of_wrong_type_is_rejected(field: str, value: object, reason: str) -> None:
    member = make_record(**{"tab_id": "a-tab", "seq": 0, field: value})
    assert decode_rejected(member) == Rejected(1, field, reason)


@pytest.mark.parametrize(("present", "value", "missing"), [("tab_id", "a-tab", "seq"), ("seq", 0, "tab_id")])
def test_half_an_identity_is_rejected(present: str, value: object, missing: str) -> None:
    reason = f"Missing beside `{present}`: an identity is both or neither"
    assert decode_rejected(make_record(**{present: value})) == Rejected(1, missing, reason)
    assert decode_rejected({**make_record(), present: value, missing: None}).field == missing


def test_identity_is_kept() -> None:
    members = [make_record(1, tab_id="a" * 64, seq=0), make_record(2, tab_id="\U0001f600" * 64, seq=MAX_SEQ)]
    accepted, _ = decode(encode_body(*members))
    assert [record.as_dict() for record in accepted] == members


def test_texts_up_to_the_limits_are_kept() -> None:
    text = "\U0001f600" * MAX_ID_CHARACTERS
    member = make_record(installation_id=text, event_name=text, session_id=text)
    empty = len(encode_body(make_record(params={"a": ""}))) - len(encode_body(make_record(params={})))
    large = make_record(params={"a": "x" * (MAX_PARAMS_BYTES - len("{}") - empty)})
    accepted, _ = decode(encode_body(member, large))
    assert [record.as_dict() for record in accepted] == [member, large]


@pytest.mark.parametrize("member", [None, 5, "text", [], True])
def test_member_that_is_not_an_object_is_rejected(member: object) -> None:
    assert decode_rejected(member).field is None
    assert decode_rejected(member).reason.startswith("Expected `object`")


def test_lone_surrogate_rejects_only_its_record() -> None:
    # JSON.stringify writes this for a string that was cut inside an emoji.
    assert "surrogate" in decode_rejected(make_record(params={"componentId": "\ud83d"})).reason
    assert "surrogate" in decode_rejected(make_record(event_name="\ud83d")).reason


def test_number_out_of_range_rejects_only_its_record() -> None:
    body = encode_body(make_record(1), make_record(2, params={"n": 12345})).replace(b"12345}", b"1e400}")
    accepted, rejected = decode(body)
    assert [record.as_dict() for record in accepted] == [make_record(1)]
    assert rejected == [Rejected(1, "params", "Number out of range")]


@pytest.mark.parametrize(
    "text", ["", "a\0b", "\U0001f600", "__proto__", "'; DROP TABLE records; --", "\u2028"]
)
def test_any_text_is_accepted(text: str) -> None:
    member = make_record(event_name=text, params={text: text})
    accepted, _ = decode(encode_body(member))
    assert [record.as_dict() for record in accepted] == [member]


def test_params_are_optional_and_unknown_fields_ignored() -> None:
    accepted, rejected = decode(
        encode_body(make_record(params=None), {**make_record(), "params": None, "more": 1})
    )
    assert [record.as_dict()["params"] for record in accepted] == [None, None]
    assert rejected == []


def test_params_text_is_kept_unchanged() -> None:
    text = b'{"n": 1.10, "big": 123456789012345678901234567890, "k": 1, "k": 2}'
    body = encode_body(make_record(params={"here": 0})).replace(b'{"here": 0}', text)
    [record], _ = decode(body)
    assert bytes(record.params) == text


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"records":[',
        b'{"records":[]} more',
        b'{"records":5',
        b"\xef\xbb\xbf" + encode_body(),
        b'{"records":["\xff"]}',
        encode_body(make_record()).decode().encode("utf-16"),
        b'{"records":[NaN]}',
        b'{"records":[NaN, "\\ud83d"]}',
        b"records=1",
        b'{"records":[' + b"[" * 100_000,
    ],
)
def test_body_that_is_not_json_is_refused(body: bytes) -> None:
    with pytest.raises(WireError) as refused:
        decode(body)
    assert (refused.value.status, refused.value.code) == (400, "body_not_json")


@pytest.mark.parametrize("body", [b"{}", b" { } "])
def test_empty_object_is_a_batch_without_records(body: bytes) -> None:
    assert decode(body) == ([], [])


@pytest.mark.parametrize(
    "body",
    [b"[]", b"null", b"5", b'{"records":null}', b'{"records":{"0":1}}', b'{"Records":[]}', b'{"dropped":1}'],
)
def test_json_without_records_list_is_refused(body: bytes) -> None:
    with pytest.raises(WireError) as refused:
        decode(body)
    assert (refused.value.status, refused.value.code, refused.value.field) == (
        422,
        "records_missing",
        "records",
    )


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(malformed_records | json_values, max_size=4))
def test_every_member_is_either_accepted_or_rejected(members: list[object]) -> None:
    accepted, rejected = decode(encode_body(*members))
    assert len(accepted) + len(rejected) == len(members)
    assert all(isinstance(record, Record) and record.as_dict() for record in accepted)
    assert [refused.index for refused in rejected] == sorted({refused.index for refused in rejected})


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=40) | st.binary(max_size=20).map(lambda inner: b'{"records":[' + inner + b"]}"))
def test_any_bytes_are_decoded_or_raise_wire_error(body: bytes) -> None:
    with suppress(WireError):
        decode(body)
