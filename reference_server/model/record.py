"""A record, and how its JSON is decoded.

`batch.py` decodes a body of many records.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import msgspec

MAX_TIMESTAMP_NS = 2**63 - 1
"""The largest integer that the store's column holds: in nanoseconds since 1970, the year 2262."""

MAX_ID_CHARACTERS = 1_024
"""The limit of `installation_id`, `session_id` and `event_name`, which are UUIDs and names."""

MAX_TAB_ID_CHARACTERS = 64
MAX_SEQ = 2**31 - 1
"""The limit of `seq`: a page that logs 100 events a second reaches it after 8 months without a reload."""

MAX_PARAMS_BYTES = 2 * 1024 * 1024
"""The limit of `params`, as JSON in UTF-8. The reference worker sends at most 64 KiB."""

TOGETHER_BYTES = 64 * 1024
"""About how many bytes are decoded at once: no other thread runs meanwhile, and it takes memory."""

UNREADABLE = "Holds half of a surrogate pair, or a number that is out of range"
"""The only reasons left to refuse a record as JSON, once the body around it has been read as JSON."""

Id = Annotated[str, msgspec.Meta(max_length=MAX_ID_CHARACTERS)]
TimestampNs = Annotated[int, msgspec.Meta(ge=0, le=MAX_TIMESTAMP_NS)]
Params = Annotated[msgspec.Raw, msgspec.Meta(extra_json_schema={"type": ["object", "null"]})]
TabId = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_TAB_ID_CHARACTERS)]
Seq = Annotated[int, msgspec.Meta(ge=0, le=MAX_SEQ)]


class Record(msgspec.Struct, frozen=True, gc=False):
    """One event. `tab_id` and `seq`, both or neither, are its identity: a record with one is stored once.

    `seq` counts from 0 in each tab. `params` has a limit of 2 MiB. Other fields are ignored.
    """

    installation_id: Id
    event_name: Id
    timestamp_ns: TimestampNs
    session_id: Id
    # Kept as the text that arrived. A factory, because msgspec cannot write a Raw default into a schema.
    params: Params = msgspec.field(default_factory=lambda: msgspec.Raw(b"null"))
    # Optional, because MLflow's own worker sends no identity.
    tab_id: TabId | None = None
    seq: Seq | None = None

    def as_dict(self) -> dict[str, object]:
        """Return the record as on the wire: `params` decoded, the identity only if it has one."""
        identity = {} if self.tab_id is None else {"tab_id": self.tab_id, "seq": self.seq}
        return {
            "installation_id": self.installation_id,
            "event_name": self.event_name,
            "timestamp_ns": self.timestamp_ns,
            "params": msgspec.json.decode(self.params),
            "session_id": self.session_id,
            **identity,
        }


class Rejected(msgspec.Struct, frozen=True):
    """A record that was rejected: its index in the request, the field at fault (null if none), the reason."""

    index: Annotated[int, msgspec.Meta(ge=0)]
    field: str | None
    reason: str


_RECORD = msgspec.json.Decoder(Record)
_PARAMS = msgspec.json.Decoder(dict[str, Any] | None)
_RECORDS = msgspec.json.Decoder(list[Record])
_MANY_PARAMS = msgspec.json.Decoder(list[dict[str, Any] | None])

# msgspec's messages: "… - at `$.event_name`" for a wrong type, "… field `event_name`" for a missing field.
_FIELD = re.compile(r"(?: - at `\$\.|missing required field `)(\w+)")
_PATH = re.compile(r" - at `.*`$")


def decode_record(index: int, raw: msgspec.Raw) -> Record | Rejected:
    """Decode the member at `index` of a request's list. Return the record, or why it is rejected."""
    field = None
    try:
        record = _RECORD.decode(raw)
        field = "params"
        if len(record.params) > MAX_PARAMS_BYTES:
            return Rejected(index, field, f"Expected at most {MAX_PARAMS_BYTES} bytes")
        _PARAMS.decode(record.params)
    except msgspec.ValidationError as error:
        found = _FIELD.search(str(error))
        return Rejected(index, field or (found and found[1]), _PATH.sub("", str(error)))
    except msgspec.DecodeError:
        return Rejected(index, field, UNREADABLE)
    except RecursionError:
        return Rejected(index, field, "Nested too deeply")
    if (record.tab_id is None) != (record.seq is None):
        missing, present = ("tab_id", "seq") if record.tab_id is None else ("seq", "tab_id")
        return Rejected(index, missing, f"Missing beside `{present}`: an identity is both or neither")
    return record


def decode_valid_records(members: Sequence[msgspec.Raw]) -> list[Record] | None:
    """Decode members of a request's list at once. Return None unless `decode_record` would accept each."""
    try:
        records = _RECORDS.decode(b"[" + b",".join(members) + b"]")
    except (msgspec.DecodeError, RecursionError):
        return None
    return records if are_valid(records) else None


def are_valid(records: Sequence[Record]) -> bool:
    """Return whether `decode_record` would accept records that were decoded as the members of a list.

    It costs a fraction of decoding each by itself. False may also mean that the answer is not known.
    """
    params = [record.params for record in records]
    has_no_tab_id = [record.tab_id is None for record in records]
    has_no_seq = [record.seq is None for record in records]
    if has_no_tab_id != has_no_seq or max(map(len, params), default=0) > MAX_PARAMS_BYTES:
        return False
    try:
        for part in split_by_size(params):
            _MANY_PARAMS.decode(b"[" + b",".join(part) + b"]")
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def split_by_size(texts: list[msgspec.Raw]) -> Iterator[list[msgspec.Raw]]:
    """Yield parts of about TOGETHER_BYTES each."""
    if sum(map(len, texts)) <= TOGETHER_BYTES:
        yield texts
        return
    part: list[msgspec.Raw] = []
    part_bytes = 0
    for text in texts:
        part.append(text)
        part_bytes += len(text)
        if part_bytes > TOGETHER_BYTES:
            yield part
            part, part_bytes = [], 0
    yield part
