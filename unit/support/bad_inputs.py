"""Bad requests in any number: batches made after the OpenAPI schema, then spoiled as JSON, as bytes, as HTTP.

A document comes from hypothesis, what is done to it from a `random.Random` whose seed does too: so one number
gives all of it again (`pytest --hypothesis-seed`).
"""

from __future__ import annotations

import copy
import gzip
import json
import random
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from unit.support.samples import ENDPOINT

Json = Any
Random = random.Random

DEEP_LEVELS = 20_000
LITERALS = {
    '"@deep"': "[" * DEEP_LEVELS + "]" * DEEP_LEVELS,
    '"@deep-open"': '{"a":' * DEEP_LEVELS,
    '"@huge"': "1e400",
    '"@long"': "9" * 5_000,
    '"@half"': '"\\ud83d"',
    '"@constant"': "-Infinity",
}
"""Placeholders in a document → text that `json.dumps` would not write."""

VALUES: list[Json] = [
    *[text.strip('"') for text in LITERALS],
    *(None, True, False, 0, -1, 1.5, -0.0, 1e308, float("nan"), 2**53, 2**63 - 1, 2**63, -(2**63), 10**400),
    *("", "\0", "\u2028", "\U0001f600", "x" * 10_000, "'; DROP TABLE records; --", "__proto__"),
    *([], {}, [[]], {"": None}, {"componentId": ["a"]}, [{}] * 100),
]

PACKED: dict[str, Callable[[bytes], bytes]] = {
    "identity": bytes,
    "gzip": gzip.compress,
    "deflate": zlib.compress,
}
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "get", "", "P T"]
HEADER_NAMES = [
    *("Content-Type", "Content-Encoding", "Content-Length", "Transfer-Encoding", "Host", "Origin", "Expect"),
    *("Connection", "Cookie", "Accept-Encoding", "Range", "If-None-Match", "Upgrade", "X"),
]
HEADER_VALUES = [
    *("", " ", "gzip", "deflate", "br", "identity", "chunked", "gzip, chunked", "0", "-1", "1e3", "9" * 30),
    *("application/json", "application/json; charset=none", "text/html;;=", "null", "100-continue", "close"),
    *("websocket", "\xff\xfe", "\x01", "\t", "a b", "[::1", "a:99999", "*"),
]
PATHS = [
    *("/", "/health", "/metrics", "/openapi.json", "/static-files/x.js", "/static-files/", "/%00", "/%zz"),
    *("/../..", "//", "/?%ff=%00", "*", "http://evil.test/", "/\xff", f"/{ENDPOINT}?a=b#c", f"/{ENDPOINT}/"),
]


@dataclass(frozen=True)
class BadRequest:
    """What goes over the wire. `is_whole`: its head is right, so that the server answers when it is there."""

    data: bytes
    is_whole: bool


def documents(schema: Mapping[str, Any], whole: Mapping[str, Any]) -> st.SearchStrategy[Json]:
    """Give JSON that fits a schema, whose references lead into `whole`. Raises KeyError for other types."""
    if "$ref" in schema:
        return documents(whole["components"]["schemas"][schema["$ref"].rpartition("/")[2]], whole)
    kind = schema["type"]
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        fields = {name: documents(inner, whole) for name, inner in schema.get("properties", {}).items()}
        required = {name: fields.pop(name) for name in schema.get("required", ())}
        return st.fixed_dictionaries(required, optional=fields)
    simple: dict[str, Callable[[], st.SearchStrategy[Json]]] = {
        "array": lambda: st.lists(documents(schema["items"], whole), min_size=1, max_size=3),
        "string": lambda: st.text(min_size=schema.get("minLength", 0), max_size=8),
        "integer": lambda: st.integers(schema["minimum"], schema.get("maximum")),
    }
    return simple[kind]()


def bad_requests(batch: Json, seed: int, count: int) -> list[BadRequest]:
    """Give requests that carry a batch, each spoiled in a way of its own."""
    chance = Random(seed)
    ways = (_with_spoiled_json, _with_spoiled_json, _with_spoiled_bytes, _with_spoiled_head, _no_http)
    return [chance.choice(ways)(chance, batch) for _ in range(count)]


def _with_spoiled_json(chance: Random, batch: Json) -> BadRequest:
    spoiled = copy.deepcopy(batch)
    for _ in range(chance.randint(1, 3)):
        spoiled = _spoil(chance, spoiled)
    return _post(_text_of(spoiled))


def _with_spoiled_bytes(chance: Random, batch: Json) -> BadRequest:
    encoding = chance.choice(list(PACKED))
    body = bytearray(PACKED[encoding](_text_of(batch)))
    for _ in range(chance.randint(0, 4)):
        at = chance.randrange(len(body) + 1)
        body[at : at + chance.randint(0, 3)] = chance.randbytes(chance.randint(0, 3))
    return _post(bytes(body), ("Content-Encoding", encoding))


def _with_spoiled_head(chance: Random, batch: Json) -> BadRequest:
    body = _text_of(batch)
    method, path = (chance.choice(each) for each in (METHODS, PATHS))
    if chance.random() < 0.5:
        method, path = "POST", f"/{ENDPOINT}"
    headers = [
        (chance.choice(HEADER_NAMES), chance.choice(HEADER_VALUES)) for _ in range(chance.randint(0, 4))
    ]
    return BadRequest(_head(method, path, body, *headers) + body, is_whole=False)


def _no_http(chance: Random, batch: Json) -> BadRequest:
    data = bytearray(_post(_text_of(batch)).data)
    for _ in range(chance.randint(1, 6)):
        length = chance.randint(1, 8)  # as many in as out: else the server would wait for the rest
        at = chance.randrange(len(data) - length)
        data[at : at + length] = chance.randbytes(length)
    return BadRequest(bytes(data), is_whole=False)


def _spoil(chance: Random, value: Json) -> Json:
    """Change one place, anywhere inside: another value, one name less, one more, twice the same."""
    if isinstance(value, dict) and value and chance.random() < 0.8:
        name = chance.choice(list(value))
        action = chance.random()
        if action < 0.15:
            del value[name]
        elif action < 0.25:
            value[chance.choice(("", "\0", "tab_id", "seq", "records", "params"))] = value[name]
        else:
            value[name] = _spoil(chance, value[name])
        return value
    if isinstance(value, list) and value and chance.random() < 0.9:
        at = chance.randrange(len(value))
        value[at] = _spoil(chance, value[at])
        return value
    return copy.deepcopy(chance.choice(VALUES))


def _text_of(value: Json) -> bytes:
    text = json.dumps(value)
    for placeholder, literal in LITERALS.items():
        text = text.replace(placeholder, literal)
    return text.encode()


def _post(body: bytes, *headers: tuple[str, str]) -> BadRequest:
    head = _head("POST", f"/{ENDPOINT}", body, ("Content-Type", "application/json"), *headers)
    return BadRequest(head + body, is_whole=True)


def _head(method: str, path: str, body: bytes, *headers: tuple[str, str]) -> bytes:
    proper = [("Host", "127.0.0.1"), ("Content-Length", str(len(body)))]
    given = {name for name, _ in headers}
    lines = [f"{name}: {value}" for name, value in proper if name not in given]
    lines += [f"{name}: {value}" for name, value in headers]
    text = "".join(f"{line}\r\n" for line in [f"{method} {path} HTTP/1.1", *lines, ""])
    return text.encode("latin-1")
