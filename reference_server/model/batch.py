"""The body of a POST: its records, accepted and rejected, and the report of its session.

A bad record does not affect the others: the list is split first, then its members are decoded. Many are
decoded at once; where one of them is bad, each by itself.
"""

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Generic, TypeVar

import msgspec

from reference_server.errors import WireError
from reference_server.model.nesting import find_deep_members
from reference_server.model.record import (
    MAX_ID_CHARACTERS,
    Record,
    Rejected,
    are_valid,
    decode_record,
    decode_valid_records,
    split_by_size,
)

MAX_RECORDS = 20_000
"""How many records a body may have. Bad ones are decoded one by one, and 8 KB of gzip could hold 4 million.
The reference worker sends at most 500."""

MAX_REJECTED_LISTED = 1000
"""How many rejected records a response lists: it must not be larger than the request."""

CONFLICT = "Another record is stored with this tab_id and seq"

MAX_DEEP_BYTES = 1024 * 1024
"""The largest body whose records are separated although one is nested too deeply: the scan takes 0.2 s. The
reference worker sends at most 512 KiB."""

MAX_COUNT = 2**63 - 1
"""The largest number of events that a session can report: what the store's column holds."""


@dataclass(frozen=True)
class SessionReport:
    """How many events a worker's session did not send. The counts are cumulative, not differences.

    dropped: lost to limits or refusals. filtered: left out because of `disable_ui_events`.
    """

    session_id: str
    dropped: int = 0
    filtered: int = 0


@dataclass
class Batch:
    """A decoded body. `rejected` holds the first MAX_REJECTED_LISTED, `rejected_count` counts all.

    `rejected_contents` are the members that `rejected` describes.
    """

    accepted: list[Record] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    rejected_contents: list[msgspec.Raw] = field(default_factory=list)
    rejected_count: int = 0
    report: SessionReport | None = None
    indexes: list[int] = field(default_factory=list)
    """The index of each accepted record in the request."""

    def reject(self, rejected: Rejected, content: msgspec.Raw) -> None:
        """Add a rejected record."""
        self.rejected_count += 1
        if len(self.rejected) < MAX_REJECTED_LISTED:
            self.rejected.append(rejected)
            self.rejected_contents.append(content)

    def reject_conflicts(self, positions: Sequence[int]) -> None:
        """Move the accepted records at these positions to the rejected ones."""
        for position in positions:
            content = msgspec.Raw(msgspec.json.encode(self.accepted[position]))
            self.reject(Rejected(self.indexes[position], "seq", CONFLICT), content)
        for position in reversed(positions):
            del self.accepted[position], self.indexes[position]
        self.rejected, self.rejected_contents = _sort_together(self.rejected, self.rejected_contents)


def _sort_together(
    rejected: list[Rejected], contents: list[msgspec.Raw]
) -> tuple[list[Rejected], list[msgspec.Raw]]:
    """Sort both lists by the index of the record in the request."""
    pairs = sorted(zip(rejected, contents, strict=True), key=lambda pair: pair[0].index)
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


Member = TypeVar("Member")


class _Body(msgspec.Struct, Generic[Member]):
    records: list[Member]
    session_id: msgspec.Raw = msgspec.Raw(b"null")
    dropped: msgspec.Raw = msgspec.Raw(b"null")
    filtered: msgspec.Raw = msgspec.Raw(b"null")


_BODY = msgspec.json.Decoder(_Body[msgspec.Raw])
_VALID_BODY = msgspec.json.Decoder(_Body[Record])

_TOO_LONG = "array` of at most length"
"""A part of msgspec's message for a list that is longer than its struct."""


def decode_batch(body: bytes) -> Batch:
    """Decode the body of a request; both lists are in order of arrival.

    An empty object is a batch without records, as for MLflow's server. An object that holds something else is
    not: its sender would delete what the server did not find.

    Raise WireError 400 `body_not_json`; 422 `records_missing` if the JSON holds no list of records; 413
    `too_many_records` or `body_too_large` for a body that has to be sent in parts.
    """
    _require_utf8(body)
    parts = _split(body)
    batch = Batch(report=_decode_report(parts))
    for members in split_by_size(parts.records):
        _add_members(batch, members)
    return batch


def decode_valid_batch(body: bytes) -> Batch | None:
    """Decode a small body at once, if all its records are valid: that takes a third less time.

    Return None for a body that `decode_batch` has to look at. Raise WireError 400 if it is not UTF-8.
    """
    _require_utf8(body)
    try:
        parts = _VALID_BODY.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return None
    if not are_valid(parts.records):
        return None
    indexes = list(range(len(parts.records)))
    return Batch(accepted=parts.records, report=_decode_report(parts), indexes=indexes)


def _add_members(batch: Batch, members: Sequence[msgspec.Raw]) -> None:
    """Decode the next members of the list."""
    first = len(batch.accepted) + batch.rejected_count
    records = decode_valid_records(members)
    if records is not None:
        batch.accepted += records
        batch.indexes += range(first, first + len(records))
        return
    for index, raw in enumerate(members, first):
        record = decode_record(index, raw)
        if isinstance(record, Record):
            batch.accepted.append(record)
            batch.indexes.append(index)
        else:
            batch.reject(record, raw)


def _require_utf8(body: bytes) -> None:
    try:
        if not body.isascii():
            body.decode("utf-8")  # msgspec does not check the encoding of raw members
    except UnicodeDecodeError as error:
        raise _not_json_error(f"not UTF-8 at byte {error.start}") from error


def _decode_report(parts: "_Body[Member]") -> SessionReport | None:
    """Return the session's report. A value of a wrong type counts as missing and is never an error."""
    session_id = _decode_value(parts.session_id)
    if not isinstance(session_id, str) or len(session_id) > MAX_ID_CHARACTERS:
        return None
    dropped, filtered = _decode_count(parts.dropped), _decode_count(parts.filtered)
    return SessionReport(session_id, dropped, filtered) if dropped or filtered else None


def _decode_count(raw: msgspec.Raw) -> int:
    value = _decode_value(raw)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_COUNT:
        return 0
    return value


def _decode_value(raw: msgspec.Raw) -> object:
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return None


def _split(body: bytes) -> _Body[msgspec.Raw]:
    try:
        return _split_shallow(body)
    except RecursionError:
        return _split_deep(body)


def _split_shallow(body: bytes) -> _Body[msgspec.Raw]:
    """Split a body with decoders that recurse. Raise RecursionError for a body that is nested too deeply."""
    try:
        _require_few_records(body)
        return _BODY.decode(body)
    except msgspec.DecodeError:
        return _split_leniently(body)


def _require_few_records(body: bytes) -> None:
    """Raise WireError 413 for more than MAX_RECORDS, msgspec.DecodeError or RecursionError as a decoder does.

    To make a list of all records first would take memory for each of them.
    """
    if body.count(b",") < MAX_RECORDS:
        return
    try:
        _get_counting_decoder().decode(body)
    except msgspec.ValidationError as error:
        if _TOO_LONG in str(error):
            raise _too_many_error() from error
        raise


@cache
def _get_counting_decoder() -> msgspec.json.Decoder[object]:
    """Return a decoder that stops at the first record beyond MAX_RECORDS.

    It stops early for a struct that is written as a list, but not for a list with a maximum length.
    """
    fields = [(f"member_{number}", msgspec.Raw, msgspec.Raw()) for number in range(MAX_RECORDS)]
    members = msgspec.defstruct("Members", fields, array_like=True, forbid_unknown_fields=True)
    return msgspec.json.Decoder(msgspec.defstruct("CountedBody", [("records", members)]))


def _split_deep(body: bytes) -> _Body[msgspec.Raw]:
    """Split a body with records that are nested too deeply: they must not cost the records beside them.

    A short text takes the place of each such record until the body is split.
    """
    if len(body) > MAX_DEEP_BYTES:
        message = (
            f"The limit of a body that is nested too deeply is {MAX_DEEP_BYTES} bytes; "
            "send fewer records at a time."
        )
        raise WireError(413, "body_too_large", message)
    placeholder = b'"%s"' % secrets.token_hex(16).encode()  # No body can contain it.
    texts, members, position = [], [], 0
    for start, end in find_deep_members(body):
        texts.append(body[position:start])
        members.append(msgspec.Raw(body[start:end]))
        position = end
    texts.append(body[position:])
    try:
        parts = _split_shallow(placeholder.join(texts))
    except RecursionError as error:
        raise _not_json_error("nested too deeply") from error
    indexes = [index for index, raw in enumerate(parts.records) if bytes(raw) == placeholder]
    if len(indexes) < len(members):
        raise _not_json_error("nested too deeply outside of its records")
    for index, member in zip(indexes, members, strict=True):
        parts.records[index] = member
    return parts


def _split_leniently(body: bytes) -> _Body[msgspec.Raw]:
    r"""Split a body that msgspec refuses.

    msgspec refuses a whole body for one escaped half of a surrogate pair (`"\ud83d"`). It is valid JSON, and
    browsers write it for a string that was cut inside an emoji. Here only its record is rejected.
    This pass also distinguishes a body that is not JSON from JSON without a list of records.
    """
    try:
        value = json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
        if value == {}:
            return _Body([])
        if isinstance(value, dict) and isinstance(value.get("records"), list):
            if len(value["records"]) > MAX_RECORDS:
                raise _too_many_error()
            others = {name: _encode_raw(value.get(name)) for name in ("session_id", "dropped", "filtered")}
            return _Body([_encode_raw(member) for member in value["records"]], **others)
    except ValueError as error:
        raise _not_json_error(str(error)) from error
    message = 'Expected an object with a list of records: {"records": [...]}.'
    raise WireError(422, "records_missing", message, field="records")


def _encode_raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(json.dumps(value).encode())


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _too_many_error() -> WireError:
    message = f"The limit of a body is {MAX_RECORDS} records; send fewer records at a time."
    return WireError(413, "too_many_records", message)


def _not_json_error(reason: str) -> WireError:
    return WireError(400, "body_not_json", f"The body is not JSON: {reason}.")
