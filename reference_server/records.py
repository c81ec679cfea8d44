"""A record, and how records are read out of the body of a request.

One bad record never costs the others: the list is taken apart first, and each member judged alone.
"""

import json
import re
from typing import Annotated, Any

import msgspec

from reference_server.errors import WireError

MAX_TIMESTAMP_NS = 2**63 - 1
"""The largest integer that the store's column holds: in nanoseconds since 1970, the year 2262."""

MAX_REJECTED_LISTED = 1000
"""How many rejected records an answer lists. A body of 8 MiB could hold millions, each with its reason."""

UNREADABLE = "Holds half of a surrogate pair, or a number that is out of range"
"""All that a record can still be refused for as JSON, once the body around it has been read as JSON."""

TimestampNs = Annotated[int, msgspec.Meta(ge=0, le=MAX_TIMESTAMP_NS)]


class Record(msgspec.Struct, frozen=True):
    """One event as a worker posts it; fields beyond these are ignored.

    `params`, a JSON object or null, is kept as the text that came.
    """

    installation_id: str
    event_name: str
    timestamp_ns: TimestampNs
    session_id: str
    params: msgspec.Raw = msgspec.Raw(b"null")

    def as_dict(self) -> dict[str, object]:
        """Give the record in the shape of the wire, `params` decoded: a dict or None."""
        return {
            "installation_id": self.installation_id,
            "event_name": self.event_name,
            "timestamp_ns": self.timestamp_ns,
            "params": msgspec.json.decode(self.params),
            "session_id": self.session_id,
        }


class Rejected(msgspec.Struct, frozen=True):
    """Why the record at `index` of the request was not taken; `field` is None where no field is at fault."""

    index: int
    field: str | None
    reason: str


class _Body(msgspec.Struct):
    records: list[msgspec.Raw]


_BODY = msgspec.json.Decoder(_Body)
_RECORD = msgspec.json.Decoder(Record)
_PARAMS = msgspec.json.Decoder(dict[str, Any] | None)

# What msgspec says of a wrong type, "… - at `$.event_name`", and of an absence, "… field `event_name`".
_FIELD = re.compile(r"(?: - at `\$\.|missing required field `)(\w+)")
_PLACE = re.compile(r" - at `.*`$")


def decode_records(body: bytes) -> tuple[list[Record], list[Rejected]]:
    """Read the records out of a request's body, good ones and bad ones apart, each in order of arrival.

    Raises WireError 400 `body_not_json`, or 422 `records_missing` where the JSON holds no list of records.
    """
    accepted: list[Record] = []
    rejected: list[Rejected] = []
    for index, raw in enumerate(_split(body)):
        record = _decode_record(index, raw)
        if isinstance(record, Record):
            accepted.append(record)
        else:
            rejected.append(record)
    return accepted, rejected


def _split(body: bytes) -> list[msgspec.Raw]:
    try:
        body.decode("utf-8")  # msgspec skips over raw members without a look at their encoding
        return _BODY.decode(body).records
    except UnicodeDecodeError as error:
        raise _not_json(f"not UTF-8 at byte {error.start}") from error
    except RecursionError as error:
        raise _not_json("nested too deeply") from error
    except msgspec.DecodeError:
        return _split_leniently(body)


def _split_leniently(body: bytes) -> list[msgspec.Raw]:
    r"""Take apart what msgspec refuses as a whole.

    It refuses a body for one escaped half of a surrogate pair (`"\ud83d"`), which browsers write for a string
    that was cut inside an emoji, and which is JSON. Here that costs only the record it stands in. The same
    pass tells a body that is not JSON from one that is, and lacks the list.
    """
    try:
        value = json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
        if isinstance(value, dict) and isinstance(value.get("records"), list):
            return [msgspec.Raw(json.dumps(member).encode()) for member in value["records"]]
    except (ValueError, RecursionError) as error:
        raise _not_json(str(error)) from error
    message = 'The body has to be an object with a list of records: {"records": [...]}.'
    raise WireError(422, "records_missing", message, field="records")


def _decode_record(index: int, raw: msgspec.Raw) -> Record | Rejected:
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
    return record


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _not_json(reason: str) -> WireError:
    return WireError(400, "body_not_json", f"The body is not JSON: {reason}.")
