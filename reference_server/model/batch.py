"""What one request carries: its records, good and bad ones apart, and what its session reports.

One bad record never costs the others: the list is taken apart first, and each member judged alone.
"""

import json
from dataclasses import dataclass, field

import msgspec

from reference_server.errors import WireError
from reference_server.model.record import Record, Rejected, decode_record

MAX_REJECTED_LISTED = 1000
"""How many rejected records an answer lists. A body of 8 MiB could hold millions, each with its reason."""

MAX_COUNT = 2**63 - 1
"""The largest number of events that a session can report: what the store's column holds."""


@dataclass(frozen=True)
class SessionReport:
    """How many events of a worker's session never come, so far and in all: cumulative, not a difference.

    dropped: lost to bounds or refusals. filtered: left out by `disable_ui_events`.
    """

    session_id: str
    dropped: int = 0
    filtered: int = 0


@dataclass
class Batch:
    """A body taken apart. `rejected` holds the first MAX_REJECTED_LISTED, `rejected_count` counts all."""

    accepted: list[Record] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    rejected_count: int = 0
    report: SessionReport | None = None


class _Body(msgspec.Struct):
    records: list[msgspec.Raw]
    session_id: msgspec.Raw = msgspec.Raw(b"null")
    dropped: msgspec.Raw = msgspec.Raw(b"null")
    filtered: msgspec.Raw = msgspec.Raw(b"null")


_BODY = msgspec.json.Decoder(_Body)


def decode_batch(body: bytes) -> Batch:
    """Take a request's body apart, each list in order of arrival.

    Raises WireError 400 `body_not_json`, or 422 `records_missing` where the JSON holds no list of records.
    """
    parts = _split(body)
    batch = Batch(report=_report(parts))
    for index, raw in enumerate(parts.records):
        record = decode_record(index, raw)
        if isinstance(record, Record):
            batch.accepted.append(record)
            continue
        batch.rejected_count += 1
        if len(batch.rejected) < MAX_REJECTED_LISTED:
            batch.rejected.append(record)
    return batch


def _report(parts: _Body) -> SessionReport | None:
    """Give what the session reports; a value of a wrong type is as good as none, and never an error."""
    session_id = _value(parts.session_id)
    if not isinstance(session_id, str):
        return None
    dropped, filtered = _count(parts.dropped), _count(parts.filtered)
    return SessionReport(session_id, dropped, filtered) if dropped or filtered else None


def _count(raw: msgspec.Raw) -> int:
    value = _value(raw)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_COUNT:
        return 0
    return value


def _value(raw: msgspec.Raw) -> object:
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return None


def _split(body: bytes) -> _Body:
    try:
        body.decode("utf-8")  # msgspec skips over raw members without a look at their encoding
        return _BODY.decode(body)
    except UnicodeDecodeError as error:
        raise _not_json(f"not UTF-8 at byte {error.start}") from error
    except RecursionError as error:
        raise _not_json("nested too deeply") from error
    except msgspec.DecodeError:
        return _split_leniently(body)


def _split_leniently(body: bytes) -> _Body:
    r"""Take apart what msgspec refuses as a whole.

    It refuses a body for one escaped half of a surrogate pair (`"\ud83d"`), which browsers write for a string
    that was cut inside an emoji, and which is JSON. Here that costs only the record it stands in. The same
    pass tells a body that is not JSON from one that is, and lacks the list.
    """
    try:
        value = json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
        if isinstance(value, dict) and isinstance(value.get("records"), list):
            others = {name: _raw(value.get(name)) for name in ("session_id", "dropped", "filtered")}
            return _Body([_raw(member) for member in value["records"]], **others)
    except (ValueError, RecursionError) as error:
        raise _not_json(str(error)) from error
    message = 'The body has to be an object with a list of records: {"records": [...]}.'
    raise WireError(422, "records_missing", message, field="records")


def _raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(json.dumps(value).encode())


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _not_json(reason: str) -> WireError:
    return WireError(400, "body_not_json", f"The body is not JSON: {reason}.")
