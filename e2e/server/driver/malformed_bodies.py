"""Tables of what a request's body may be wrong in. Each body carries a record that has to be dropped with it.

Names are what a report shows.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable

from e2e.server.driver.system import Record, body_of

_NOT_JSON: dict[str, Callable[[bytes, bytes], bytes]] = {
    "empty": lambda good, record: b"",
    "white space": lambda good, record: b" \n",
    "plain text": lambda good, record: b"not JSON " + good,
    "cut off at its end": lambda good, record: good[:-1],
    "cut off inside the record": lambda good, record: good[: len(good) // 2],
    "text after its end": lambda good, record: good + b" x",
    "two bodies": lambda good, record: good + good,
    "a NUL after its end": lambda good, record: good + b"\0",
    "single quotes": lambda good, record: good.replace(b'"', b"'"),
    "a trailing comma": lambda good, record: good[:-2] + b",]}",
    "a comment": lambda good, record: b"/* */" + good,
    "names without quotes": lambda good, record: good.replace(b'"records"', b"records"),
    "NaN": lambda good, record: good.replace(b"onClick", b'", "x": NaN, "y": "'),
    "Infinity": lambda good, record: good.replace(b"onClick", b'", "x": Infinity, "y": "'),
    "-Infinity": lambda good, record: good.replace(b"onClick", b'", "x": -Infinity, "y": "'),
    "a hexadecimal number": lambda good, record: good.replace(b"onClick", b'", "x": 0x1, "y": "'),
    "a raw line feed in a string": lambda good, record: good.replace(b"onClick", b"on\nClick"),
    "a raw NUL in a string": lambda good, record: good.replace(b"onClick", b"on\0Click"),
    "a byte that is not UTF-8": lambda good, record: good.replace(b"onClick", b"on\xffClick"),
    "an encoded half of a surrogate pair": lambda good, record: good.replace(b"onClick", b"\xed\xa0\xbd"),
    "an overlong encoding": lambda good, record: good.replace(b"onClick", b"\xc0\xaf"),
    "UTF-16": lambda good, record: good.decode().encode("utf-16"),
    "a form": lambda good, record: b"records=" + record,
    "multipart": lambda good, record: b"--boundary\r\n\r\n" + good + b"\r\n--boundary--\r\n",
    "gzip that nobody announced": lambda good, record: gzip.compress(good),
}

_NO_LIST: dict[str, Callable[[object], object]] = {
    "null": lambda record: None,
    "a boolean": lambda record: True,
    "a number": lambda record: 5,
    "a string": lambda record: json.dumps({"records": [record]}),
    "a list": lambda record: [record],
    "an empty list": lambda record: [],
    "an empty object": lambda record: {},
    "a record without its list": lambda record: record,
    "records missing": lambda record: {"events": [record]},
    "records in another case": lambda record: {"Records": [record]},
    "records deeper": lambda record: {"data": {"records": [record]}},
    "records null": lambda record: {"records": None},
    "records a boolean": lambda record: {"records": False},
    "records a number": lambda record: {"records": 1},
    "records a string": lambda record: {"records": json.dumps([record])},
    "records an object": lambda record: {"records": {"0": record}},
}

BAD_FIELDS: dict[str, dict[str, object]] = {
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
"""What is wrong with a record → the fields that make it so; `...` leaves one out."""

NO_RECORDS: dict[str, object] = {
    "null": None,
    "a number": 7,
    "a string": "record",
    "a boolean": True,
    "a list": [],
    "an empty object": {},
}
"""Members of the list of records that are no record at all."""


def not_json(record: Callable[[], Record]) -> dict[str, bytes]:
    """Bodies that are not JSON (RFC 8259), each with a record of its own."""
    bodies = {}
    for name, build in _NOT_JSON.items():
        made = record()
        bodies[name] = build(body_of(made), json.dumps(made).encode())
    return bodies


def without_list(record: Callable[[], Record]) -> dict[str, bytes]:
    """Bodies that are JSON and hold no list of records, each with a record of its own where there is room."""
    return {name: json.dumps(build(record())).encode() for name, build in _NO_LIST.items()}
