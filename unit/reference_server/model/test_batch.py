"""Decoding a batch at once and record by record, the report of its session, the count of rejected records."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reference_server.errors import WireError
from reference_server.model import batch as batch_module
from reference_server.model.batch import (
    MAX_COUNT,
    MAX_DEEP_BYTES,
    MAX_RECORDS,
    MAX_REJECTED_LISTED,
    SessionReport,
    decode_batch,
    decode_valid_batch,
)
from reference_server.model.record import (
    MAX_ID_CHARACTERS,
    MAX_PARAMS_BYTES,
    TOGETHER_BYTES,
    Record,
    decode_record,
)
from unit.support.samples import encode_body, make_record

DEEP = b'{"a":' * 2_000 + b"1" + b"}" * 2_000
BAD_VALUES = (
    b"1e999",
    b'"\\ud83d"',
    b"NaN",
    b"1.5",
    b"-1",
    b"true",
    b"[]",
    b"[{}]",
    b'"text"',
    b"",
    b"{} {}",
    DEEP,
)
VALUES = st.sampled_from(
    [*BAD_VALUES, b"null", b"{}", b'{"a":[1,{"b":"\xc3\xa9"}]}', b'{"a":1,"a":2}', b"7", b'"t"']
)


@st.composite
def encoded_members(draw: st.DrawFn) -> bytes:
    """Return a record as JSON: a valid one, often with one field changed, left out or there twice."""
    fields = {name: json.dumps(value).encode() for name, value in make_record(3, tab_id="t", seq=1).items()}
    changed = draw(st.dictionaries(st.sampled_from([*fields, "other"]), st.none() | VALUES, max_size=1))
    pairs = [(name, value) for name, value in {**fields, **changed}.items() if value is not None]
    pairs += draw(st.lists(st.tuples(st.sampled_from(["params", "seq"]), VALUES), max_size=1))
    return b"{" + b",".join(b'"%s":%s' % (name.encode(), value) for name, value in pairs) + b"}"


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(encoded_members(), max_size=4),
    st.dictionaries(st.sampled_from(["session_id", "dropped", "records"]), VALUES, max_size=1),
)
def test_records_decoded_at_once_are_those_decoded_one_by_one(
    members: list[bytes], others: dict[str, bytes]
) -> None:
    body = b'{"records":[' + b",".join(members) + b"]"
    body += b"".join(b',"%s":%s' % (name.encode(), value) for name, value in others.items()) + b"}"
    try:
        parts = batch_module._split(body)
    except WireError:
        assert decode_valid_batch(body) is None
        return
    decoded = [decode_record(index, raw) for index, raw in enumerate(parts.records)]
    accepted = [record for record in decoded if isinstance(record, Record)]
    batch = decode_batch(body)
    assert batch.accepted == accepted
    assert batch.indexes == [index for index, record in enumerate(decoded) if isinstance(record, Record)]
    assert batch.rejected == [record for record in decoded if not isinstance(record, Record)]
    assert decode_valid_batch(body) in (batch, None)


def test_bad_records_are_rejected_in_every_part_of_a_large_body() -> None:
    members: list[object] = [make_record(number, tab_id="a-tab", seq=number) for number in range(2_000)]
    bad = [0, 7, 1_000, 1_999]
    for index in bad:
        members[index] = index
    batch = decode_batch(encode_body(*members))
    assert len(encode_body(*members)) > 3 * TOGETHER_BYTES
    assert [rejected.index for rejected in batch.rejected] == bad
    assert batch.indexes == [index for index in range(2_000) if index not in bad]
    assert [record.seq for record in batch.accepted] == batch.indexes


def test_valid_records_are_decoded_at_once() -> None:
    """Also where `params` need several passes."""
    large = {"text": "\xe9" * 100_000}
    members = [make_record(n, params=large, tab_id="a-tab", seq=n) for n in range(3)]
    batch = decode_valid_batch(encode_body(*members, make_record(params=None)))
    assert batch is not None
    assert [record.as_dict() for record in batch.accepted] == [*members, {**make_record(), "params": None}]
    assert batch.indexes == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "changes",
    [
        {"params": {"text": "x" * MAX_PARAMS_BYTES}},
        {"params": []},
        {"params": {"text": "\ud83d"}},
        {"tab_id": "a-tab"},
        {"seq": 0},
        {"event_name": "x" * (MAX_ID_CHARACTERS + 1)},
    ],
    ids=["params too large", "params no object", "half a pair", "no seq", "no tab_id", "name too long"],
)
def test_one_bad_record_has_the_records_decoded_one_by_one(changes: dict[str, object]) -> None:
    body = encode_body(make_record(0), make_record(1, **changes), make_record(2))
    assert decode_valid_batch(body) is None
    batch = decode_batch(body)
    assert (batch.indexes, [rejected.index for rejected in batch.rejected]) == ([0, 2], [1])


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


def nest(levels: int, shape: str = "objects") -> bytes:
    opening, closing = {"objects": (b'{"a":', b"}"), "lists": (b"[", b"]")}[shape]
    return opening * levels + b"1" + closing * levels


@pytest.mark.parametrize("shape", ["objects", "lists"])
@pytest.mark.parametrize("levels", [990, 2_000, 50_000])
@pytest.mark.parametrize("field", ["params", "unknown"])
def test_record_nested_too_deeply_is_rejected_alone(field: str, levels: int, shape: str) -> None:
    """However many levels a decoder has left: it is called from a stack of unknown depth."""
    text = '"quotation \\" \\\\", ]}[{'
    members = [make_record(number, event_name=text) for number in range(4)]
    members[1][field] = {"deep": "%"}
    members[3][field] = "%"
    body = json.dumps({"records": members, "session_id": "s", "dropped": 2}).encode()
    batch = decode_batch(body.replace(b'"%"', nest(levels, shape)))
    assert batch.indexes == [0, 2]
    assert [record.as_dict() for record in batch.accepted] == [members[0], members[2]]
    assert [(each.index, each.reason) for each in batch.rejected] == [
        (1, "Nested too deeply"),
        (3, "Nested too deeply"),
    ]
    deep = json.dumps(members[1]).encode().replace(b'"%"', nest(levels, shape))
    assert bytes(batch.rejected_contents[0]) == deep
    assert batch.report == SessionReport("s", 2, 0)


def test_record_nested_too_deeply_beside_half_a_pair_is_rejected_alone() -> None:
    body = encode_body(make_record(params={"deep": "%"}), make_record(event_name="\ud83d"), make_record(2))
    batch = decode_batch(body.replace(b'"%"', DEEP))
    assert (batch.indexes, [each.index for each in batch.rejected]) == ([2], [0, 1])


def test_records_less_deep_than_the_decoder_can_read_are_accepted() -> None:
    """Also beside a record that is nested too deeply."""
    body = encode_body(make_record(params={"deep": "%"}), make_record(params={"less": "%%"}))
    batch = decode_batch(body.replace(b'"%"', DEEP).replace(b'"%%"', nest(500)))
    assert (batch.indexes, [each.index for each in batch.rejected]) == ([1], [0])


@pytest.mark.parametrize(
    "body",
    [
        b'{"other":[%s],"records":[]}',
        b'{"other":%s,"records":[1]}',
        b'{"records":[%s',
        b'{"records":[%s]]}',
        b'{"records":[1],"session_id":%s}',
        b'{"records":[%s],"records":[]}',
    ],
)
def test_nesting_outside_of_records_refuses_the_body(body: bytes) -> None:
    with pytest.raises(WireError) as caught:
        decode_batch(body % DEEP)
    assert (caught.value.status, caught.value.code) == (400, "body_not_json")


def test_large_body_with_a_deep_record_is_to_be_split() -> None:
    body = encode_body(make_record(params={"deep": "%"}), make_record(params={"text": "x" * MAX_DEEP_BYTES}))
    with pytest.raises(WireError) as caught:
        decode_batch(body.replace(b'"%"', DEEP))
    assert caught.value.status == 413
    assert str(MAX_DEEP_BYTES) in caught.value.message


@pytest.mark.parametrize(
    ("member", "first"),
    [("1", "1"), ("{}", "{}"), ('{"a":[1,2]}', "{}"), ("1", '"\\ud83d"'), ("1", DEEP.decode())],
    ids=["numbers", "objects", "lists in objects", "half a pair", "a deep one"],
)
def test_number_of_records_is_bounded(member: str, first: str) -> None:
    for count in (MAX_RECORDS - 1, MAX_RECORDS):
        body = f'{{"records":[{",".join([first, *[member] * (count - 1)])}]}}'
        assert decode_batch(body.encode()).rejected_count == count
    with pytest.raises(WireError) as caught:
        decode_batch(body.replace("[", f"[{member},", 1).encode())
    assert (caught.value.status, caught.value.code) == (413, "too_many_records")
    assert str(MAX_RECORDS) in caught.value.message


def test_no_record_beyond_the_bound_is_decoded() -> None:
    """What follows is not even looked at: it is no JSON."""
    with pytest.raises(WireError) as caught:
        decode_batch(b'{"records":[%s no JSON' % (b"1," * MAX_RECORDS + b"1,"))
    assert caught.value.status == 413


def test_commas_are_not_records() -> None:
    params = {"numbers": list(range(3 * MAX_RECORDS))}
    batch = decode_batch(encode_body(make_record(params=params), 5))
    assert (batch.indexes, batch.rejected_count) == ([0], 1)
    with pytest.raises(WireError) as caught:
        decode_batch(json.dumps({"records": {}, "other": [0] * (2 * MAX_RECORDS)}).encode())
    assert caught.value.code == "records_missing"


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
