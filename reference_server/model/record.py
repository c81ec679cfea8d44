"""A record, and how one is read out of its JSON.

A body with many of them is taken apart in `batch.py`.
"""

import re
from typing import Annotated, Any

import msgspec

MAX_TIMESTAMP_NS = 2**63 - 1
"""The largest integer that the store's column holds: in nanoseconds since 1970, the year 2262."""

MAX_TAB_ID_CHARACTERS = 64
MAX_SEQ = 2**53 - 1
"""The largest integer that a browser counts to exactly."""

UNREADABLE = "Holds half of a surrogate pair, or a number that is out of range"
"""All that a record can still be refused for as JSON, once the body around it has been read as JSON."""

TimestampNs = Annotated[int, msgspec.Meta(ge=0, le=MAX_TIMESTAMP_NS)]
TabId = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_TAB_ID_CHARACTERS)]
Seq = Annotated[int, msgspec.Meta(ge=0, le=MAX_SEQ)]


class Record(msgspec.Struct, frozen=True):
    """One event as a worker posts it; fields beyond these are ignored.

    `params`, a JSON object or null, is kept as the text that came. `tab_id` and `seq`, counted from 0 in the
    tab, are its identity, by which it is stored once however often it comes. Both are there or neither:
    MLflow's own worker sends none.
    """

    installation_id: str
    event_name: str
    timestamp_ns: TimestampNs
    session_id: str
    params: msgspec.Raw = msgspec.Raw(b"null")
    tab_id: TabId | None = None
    seq: Seq | None = None

    def as_dict(self) -> dict[str, object]:
        """Give the record in the shape of the wire: `params` decoded, identity only where it has one."""
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
    """Why the record at `index` of the request was not taken; `field` is None where no field is at fault."""

    index: int
    field: str | None
    reason: str


_RECORD = msgspec.json.Decoder(Record)
_PARAMS = msgspec.json.Decoder(dict[str, Any] | None)

# What msgspec says of a wrong type, "… - at `$.event_name`", and of an absence, "… field `event_name`".
_FIELD = re.compile(r"(?: - at `\$\.|missing required field `)(\w+)")
_PLACE = re.compile(r" - at `.*`$")


def decode_record(index: int, raw: msgspec.Raw) -> Record | Rejected:
    """Read the member at `index` of a request's list: a record, or why it is none."""
    field = None
    try:
        record = _RECORD.decode(raw)
        field = "params"
        _PARAMS.decode(record.params)
    except msgspec.ValidationError as error:
        found = _FIELD.search(str(error))
        return Rejected(index, field or (found and found[1]), _PLACE.sub("", str(error)))
    except msgspec.DecodeError:
        return Rejected(index, field, UNREADABLE)
    except RecursionError:
        return Rejected(index, field, "Nested too deeply")
    if (record.tab_id is None) != (record.seq is None):
        missing, there = ("tab_id", "seq") if record.tab_id is None else ("seq", "tab_id")
        return Rejected(index, missing, f"Missing beside `{there}`: an identity is both or neither")
    return record
