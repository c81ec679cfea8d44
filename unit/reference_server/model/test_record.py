"""Reading records out of a body: what is taken, what is rejected and why, and what is refused as a whole."""

from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reference_server.errors import WireError
from reference_server.model.batch import decode_batch
from reference_server.model.record import MAX_SEQ, MAX_TIMESTAMP_NS, Record, Rejected
from unit.support.samples import body_of, record

FIELDS = ["installation_id", "event_name", "timestamp_ns", "session_id", "params"]
IDENTITY = ["tab_id", "seq"]

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
nearly_a_record = st.fixed_dictionaries({}, optional={field: anything for field in FIELDS + IDENTITY})


def decoded(body: bytes) -> tuple[list[Record], list[Rejected]]:
    """Give the records that are taken, and the first of the others."""
    batch = decode_batch(body)
    return batch.accepted, batch.rejected


def rejection(member: object) -> Rejected:
    """Give the rejection of a member that stands between two good records, which have to be taken."""
    accepted, rejected = decoded(body_of(record(1), member, record(2)))
    assert [taken.as_dict() for taken in accepted] == [record(1), record(2)]
    assert len(rejected) == 1
    assert rejected[0].index == 1
    return rejected[0]


def test_good_records_are_taken_in_order() -> None:
    members = [record(number) for number in range(5)]
    accepted, rejected = decoded(body_of(*members))
    assert [taken.as_dict() for taken in accepted] == members
    assert rejected == []


@pytest.mark.parametrize("field", FIELDS[:-1])
def test_a_record_without_a_required_field_is_rejected(field: str) -> None:
    assert rejection(record(**{field: None})) == Rejected(
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
        ("seq", "0", "Expected `int | null`, got `str`"),
        ("seq", True, "Expected `int | null`, got `bool`"),
        ("seq", -1, "Expected `int` >= 0"),
        ("seq", MAX_SEQ + 1, f"Expected `int` <= {MAX_SEQ}"),
        ("params", "text", "Expected `object | null`, got `str`"),
        ("params", [1], "Expected `object | null`, got `array`"),
    ],
)
def test_a_field_of_a_wrong_type_is_rejected(field: str, value: object, reason: str) -> None:
    member = record(**{"tab_id": "a-tab", "seq": 0, field: value})
    assert rejection(member) == Rejected(1, field, reason)


@pytest.mark.parametrize(("there", "value", "missing"), [("tab_id", "a-tab", "seq"), ("seq", 0, "tab_id")])
def test_half_an_identity_is_rejected(there: str, value: object, missing: str) -> None:
    reason = f"Missing beside `{there}`: an identity is both or neither"
    assert rejection(record(**{there: value})) == Rejected(1, missing, reason)
    assert rejection({**record(), there: value, missing: None}).field == missing


def test_an_identity_is_taken_with_its_record() -> None:
    members = [record(1, tab_id="a" * 64, seq=0), record(2, tab_id="\U0001f600" * 64, seq=MAX_SEQ)]
    accepted, _ = decoded(body_of(*members))
    assert [taken.as_dict() for taken in accepted] == members


@pytest.mark.parametrize("member", [None, 5, "text", [], True])
def test_a_member_that_is_no_object_is_rejected(member: object) -> None:
    assert rejection(member).field is None
    assert rejection(member).reason.startswith("Expected `object`")


def test_half_of_a_surrogate_pair_costs_only_its_record() -> None:
    # What JSON.stringify writes for a string that was cut inside an emoji.
    assert "surrogate" in rejection(record(params={"componentId": "\ud83d"})).reason
    assert "surrogate" in rejection(record(event_name="\ud83d")).reason


def test_a_number_out_of_range_costs_only_its_record() -> None:
    body = body_of(record(1), record(2, params={"n": 12345})).replace(b"12345}", b"1e400}")
    accepted, rejected = decoded(body)
    assert [taken.as_dict() for taken in accepted] == [record(1)]
    assert rejected == [Rejected(1, "params", "Number out of range")]


@pytest.mark.parametrize(
    "text", ["", "a\0b", "\U0001f600", "__proto__", "'; DROP TABLE records; --", "\u2028"]
)
def test_any_text_is_taken(text: str) -> None:
    member = record(event_name=text, params={text: text})
    accepted, _ = decoded(body_of(member))
    assert [taken.as_dict() for taken in accepted] == [member]


def test_params_may_be_missing_or_null_and_other_fields_are_ignored() -> None:
    accepted, rejected = decoded(body_of(record(params=None), {**record(), "params": None, "more": 1}))
    assert [taken.as_dict()["params"] for taken in accepted] == [None, None]
    assert rejected == []


def test_the_text_of_params_is_kept_as_it_came() -> None:
    text = b'{"n": 1.10, "big": 123456789012345678901234567890, "k": 1, "k": 2}'
    body = body_of(record(params={"here": 0})).replace(b'{"here": 0}', text)
    [taken], _ = decoded(body)
    assert bytes(taken.params) == text


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"records":[',
        b'{"records":[]} more',
        b'{"records":5',
        b"\xef\xbb\xbf" + body_of(),
        b'{"records":["\xff"]}',
        body_of(record()).decode().encode("utf-16"),
        b'{"records":[NaN]}',
        b'{"records":[NaN, "\\ud83d"]}',
        b"records=1",
        b'{"records":[' + b"[" * 100_000 + b"]" * 100_000 + b"]}",
    ],
)
def test_a_body_that_is_not_json_is_refused(body: bytes) -> None:
    with pytest.raises(WireError) as refused:
        decoded(body)
    assert (refused.value.status, refused.value.code) == (400, "body_not_json")


@pytest.mark.parametrize("body", [b"{}", b"[]", b"null", b"5", b'{"records":null}', b'{"records":{"0":1}}'])
def test_json_without_a_list_of_records_is_refused(body: bytes) -> None:
    with pytest.raises(WireError) as refused:
        decoded(body)
    assert (refused.value.status, refused.value.code, refused.value.field) == (
        422,
        "records_missing",
        "records",
    )


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(nearly_a_record | anything, max_size=4))
def test_every_member_is_either_taken_or_rejected(members: list[object]) -> None:
    accepted, rejected = decoded(body_of(*members))
    assert len(accepted) + len(rejected) == len(members)
    assert all(isinstance(taken, Record) and taken.as_dict() for taken in accepted)
    assert [refused.index for refused in rejected] == sorted({refused.index for refused in rejected})


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=40) | st.binary(max_size=20).map(lambda inner: b'{"records":[' + inner + b"]}"))
def test_any_bytes_are_read_or_refused_without_another_exception(body: bytes) -> None:
    with suppress(WireError):
        decoded(body)
