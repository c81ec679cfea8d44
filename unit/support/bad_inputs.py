"""Bad requests: batches generated from the OpenAPI schema, then corrupted as JSON, as bytes or as HTTP.

hypothesis generates a document and a seed for the `random.Random` that corrupts it, so that one number
reproduces everything (`pytest --hypothesis-seed`).
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
"""Placeholders in a document → text that `json.dumps` does not write."""

VALUES: list[Json] = [
    *[text.strip('"') for text in LITERALS],
    *(None, True, False, 0, -1, 1.5, -0.0, 1e308, float("nan"), 2**53, 2**63 - 1, 2**63, -(2**63), 10**400),
    *("", "\0", "\u2028", "\U0001f600", "x" * 10_000, "'; DROP TABLE records; --", "__proto__"),
    *([], {}, [[]], {"": None}, {"componentId": ["a"]}, [{}] * 100),
]

COMPRESSED: dict[str, Callable[[bytes], bytes]] = {
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
    """The bytes of a request. `is_complete`: its head is valid, so that the server responds to it."""

    data: bytes
    is_complete: bool


def build_strategy(schema: Mapping[str, Any], document: Mapping[str, Any]) -> st.SearchStrategy[Json]:
    """Return a strategy for JSON that matches a schema; references are resolved in `document`.

    Raises KeyError for a type that it does not support.
    """
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return build_strategy(document["components"]["schemas"][name], document)
    if "anyOf" in schema:
        return build_strategy(schema["anyOf"][0], document)
    if "type" not in schema:
        return st.none() | st.booleans() | st.integers(0, 1_000) | st.text(max_size=8)
    kind = schema["type"]
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        fields = {
            name: build_strategy(inner, document) for name, inner in schema.get("properties", {}).items()
        }
        required = {name: fields.pop(name) for name in schema.get("required", ())}
        return st.fixed_dictionaries(required, optional=fields)
    simple: dict[str, Callable[[], st.SearchStrategy[Json]]] = {
        "array": lambda: st.lists(build_strategy(schema["items"], document), min_size=1, max_size=3),
        "string": lambda: st.text(min_size=schema.get("minLength", 0), max_size=8),
        "integer": lambda: st.integers(schema["minimum"], schema.get("maximum")),
    }
    return simple[kind]()


def generate_bad_requests(batch: Json, seed: int, count: int) -> list[BadRequest]:
    """Return requests that carry a batch, each corrupted in its own way."""
    rng = Random(seed)
    corruptions = (_corrupt_json, _corrupt_json, _corrupt_bytes, _corrupt_head, _corrupt_http)
    return [rng.choice(corruptions)(rng, batch) for _ in range(count)]


def _corrupt_json(rng: Random, batch: Json) -> BadRequest:
    corrupted = copy.deepcopy(batch)
    for _ in range(rng.randint(1, 3)):
        corrupted = _corrupt_value(rng, corrupted)
    return _build_post(_encode_json(corrupted))


def _corrupt_bytes(rng: Random, batch: Json) -> BadRequest:
    encoding = rng.choice(list(COMPRESSED))
    body = bytearray(COMPRESSED[encoding](_encode_json(batch)))
    for _ in range(rng.randint(0, 4)):
        at = rng.randrange(len(body) + 1)
        body[at : at + rng.randint(0, 3)] = rng.randbytes(rng.randint(0, 3))
    return _build_post(bytes(body), ("Content-Encoding", encoding))


def _corrupt_head(rng: Random, batch: Json) -> BadRequest:
    body = _encode_json(batch)
    method, path = (rng.choice(each) for each in (METHODS, PATHS))
    if rng.random() < 0.5:
        method, path = "POST", f"/{ENDPOINT}"
    headers = [(rng.choice(HEADER_NAMES), rng.choice(HEADER_VALUES)) for _ in range(rng.randint(0, 4))]
    return BadRequest(_build_head(method, path, body, *headers) + body, is_complete=False)


def _corrupt_http(rng: Random, batch: Json) -> BadRequest:
    data = bytearray(_build_post(_encode_json(batch)).data)
    for _ in range(rng.randint(1, 6)):
        length = rng.randint(1, 8)  # keep the length: otherwise the server would wait for the rest
        at = rng.randrange(len(data) - length)
        data[at : at + length] = rng.randbytes(length)
    return BadRequest(bytes(data), is_complete=False)


def _corrupt_value(rng: Random, value: Json) -> Json:
    """Change one value anywhere inside: replace it, remove its name, or copy it to another name."""
    if isinstance(value, dict) and value and rng.random() < 0.8:
        name = rng.choice(list(value))
        action = rng.random()
        if action < 0.15:
            del value[name]
        elif action < 0.25:
            value[rng.choice(("", "\0", "tab_id", "seq", "records", "params"))] = value[name]
        else:
            value[name] = _corrupt_value(rng, value[name])
        return value
    if isinstance(value, list) and value and rng.random() < 0.9:
        at = rng.randrange(len(value))
        value[at] = _corrupt_value(rng, value[at])
        return value
    return copy.deepcopy(rng.choice(VALUES))


def _encode_json(value: Json) -> bytes:
    text = json.dumps(value)
    for placeholder, literal in LITERALS.items():
        text = text.replace(placeholder, literal)
    return text.encode()


def _build_post(body: bytes, *headers: tuple[str, str]) -> BadRequest:
    head = _build_head("POST", f"/{ENDPOINT}", body, ("Content-Type", "application/json"), *headers)
    return BadRequest(head + body, is_complete=True)


def _build_head(method: str, path: str, body: bytes, *headers: tuple[str, str]) -> bytes:
    defaults = [("Host", "127.0.0.1"), ("Content-Length", str(len(body)))]
    replaced = {name for name, _ in headers}
    lines = [f"{name}: {value}" for name, value in defaults if name not in replaced]
    lines += [f"{name}: {value}" for name, value in headers]
    text = "".join(f"{line}\r\n" for line in [f"{method} {path} HTTP/1.1", *lines, ""])
    return text.encode("latin-1")
