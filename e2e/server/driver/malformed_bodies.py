"""Tables of malformed request bodies. Each body carries a record that must not be stored.

The names appear in the report.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable

from e2e.server.driver.system import Record, encode_batch

_BUILD_NOT_JSON: dict[str, Callable[[bytes, bytes], bytes]] = {
    "empty": lambda body, record: b"",
    "white space": lambda body, record: b" \n",
    "plain text": lambda body, record: b"not JSON " + body,
    "cut off at its end": lambda body, record: body[:-1],
    "cut off inside the record": lambda body, record: body[: len(body) // 2],
    "text after its end": lambda body, record: body + b" x",
    "two bodies": lambda body, record: body + body,
    "a NUL after its end": lambda body, record: body + b"\0",
    "single quotes": lambda body, record: body.replace(b'"', b"'"),
    "a trailing comma": lambda body, record: body[:-2] + b",]}",
    "a comment": lambda body, record: b"/* */" + body,
    "names without quotes": lambda body, record: body.replace(b'"records"', b"records"),
    "NaN": lambda body, record: body.replace(b"onClick", b'", "x": NaN, "y": "'),
    "Infinity": lambda body, record: body.replace(b"onClick", b'", "x": Infinity, "y": "'),
    "-Infinity": lambda body, record: body.replace(b"onClick", b'", "x": -Infinity, "y": "'),
    "a hexadecimal number": lambda body, record: body.replace(b"onClick", b'", "x": 0x1, "y": "'),
    "a raw line feed in a string": lambda body, record: body.replace(b"onClick", b"on\nClick"),
    "a raw NUL in a string": lambda body, record: body.replace(b"onClick", b"on\0Click"),
    "a byte that is not UTF-8": lambda body, record: body.replace(b"onClick", b"on\xffClick"),
    "an encoded half of a surrogate pair": lambda body, record: body.replace(b"onClick", b"\xed\xa0\xbd"),
    "an overlong encoding": lambda body, record: body.replace(b"onClick", b"\xc0\xaf"),
    "UTF-16": lambda body, record: body.decode().encode("utf-16"),
    "a form": lambda body, record: b"records=" + record,
    "multipart": lambda body, record: b"--boundary\r\n\r\n" + body + b"\r\n--boundary--\r\n",
    "gzip without Content-Encoding": lambda body, record: gzip.compress(body),
}

_BUILD_WITHOUT_RECORDS: dict[str, Callable[[object], object]] = {
    "null": lambda record: None,
    "a boolean": lambda record: True,
    "a number": lambda record: 5,
    "a string": lambda record: json.dumps({"records": [record]}),
    "a list": lambda record: [record],
    "an empty list": lambda record: [],
    "only a session": lambda record: {"session_id": "a-session"},
    "a record without a list": lambda record: record,
    "records missing": lambda record: {"events": [record]},
    "records in another case": lambda record: {"Records": [record]},
    "records nested": lambda record: {"data": {"records": [record]}},
    "records null": lambda record: {"records": None},
    "records a boolean": lambda record: {"records": False},
    "records a number": lambda record: {"records": 1},
    "records a string": lambda record: {"records": json.dumps([record])},
    "records an object": lambda record: {"records": {"0": record}},
}

INVALID_FIELDS: dict[str, dict[str, object]] = {
    "installation_id missing": {"installation_id": ...},
    "installation_id null": {"installation_id": None},
    "installation_id a number": {"installation_id": 5},
    "installation_id a list": {"installation_id": ["an-installation"]},
    "event_name missing": {"event_name": ...},
    "event_name null": {"event_name": None},
    "event_name a boolean": {"event_name": True},
    "event_name an object": {"event_name": {}},
    "timestamp_ns missing": {"timestamp_ns": ...},
    "timestamp_ns null": {"timestamp_ns": None},
    "timestamp_ns a string": {"timestamp_ns": "1700000000000000000"},
    "timestamp_ns a boolean": {"timestamp_ns": True},
    "timestamp_ns a fraction": {"timestamp_ns": 1.5},
    "timestamp_ns a list": {"timestamp_ns": [1]},
    "session_id missing": {"session_id": ...},
    "session_id null": {"session_id": None},
    "session_id a number": {"session_id": 0},
    "session_id an object": {"session_id": {"id": "a-session"}},
    "params a string": {"params": "componentId"},
    "params a number": {"params": 1},
    "params a list": {"params": [{"componentId": "a.button"}]},
    "params a boolean": {"params": False},
}
"""The error in a record → the fields that cause it; `...` omits a field."""

NOT_RECORDS: dict[str, object] = {
    "null": None,
    "a number": 7,
    "a string": "record",
    "a boolean": True,
    "a list": [],
    "an empty object": {},
}
"""Members of `records` that are not records."""


def build_bodies_not_json(new_record: Callable[[], Record]) -> dict[str, bytes]:
    """Return bodies that are not JSON (RFC 8259), each with a new record."""
    bodies = {}
    for name, build in _BUILD_NOT_JSON.items():
        record = new_record()
        bodies[name] = build(encode_batch(record), json.dumps(record).encode())
    return bodies


def build_bodies_without_records(new_record: Callable[[], Record]) -> dict[str, bytes]:
    """Return bodies that are JSON without a list of records, each with a new record where it has room."""
    return {name: json.dumps(build(new_record())).encode() for name, build in _BUILD_WITHOUT_RECORDS.items()}
