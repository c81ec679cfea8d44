"""Values between Python and JavaScript, as JSON: the other end of `injected/values.js`.

| JavaScript | Python |
|---|---|
| null, undefined, a function, a symbol | None |
| boolean, string | bool, str |
| number, also NaN, Infinity, -0 | int or float |
| BigInt | int |
| Date | datetime (aware, UTC); None for an invalid date |
| Array, Set, typed array | list |
| ArrayBuffer | bytes |
| Map | dict; a list of pairs where a key is not hashable in Python |
| Error, DOMException | EvaluationError |
| URL | urllib.parse.ParseResult |
| RegExp | str, as `/source/flags` |
| another object | dict of its own enumerable properties, or what its toJSON returns |

JSON's own values stand for themselves. Everything else is an object with a `type`. Arrays, maps and objects
have an `id`, by which a `reference` names them: cycles and identity are kept both ways.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import ParseResult, urlparse

from pytest_sharedworker.errors import EvaluationError

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)

MAX_SAFE_INTEGER = 2**53 - 1
"""Greater integers become BigInt, for JavaScript's numbers cannot hold all of them."""


def parse_value(wire: Any) -> Any:
    """Return the Python value of what `injected/values.js` sent."""
    return _parse(wire, {})


def serialize_argument(value: object) -> object:
    """Return `value` as JSON for `injected/values.js`.

    Takes None, bool, int, float, str, datetime (a naive one is local time), ParseResult, exceptions,
    sequences (bytes too) and mappings with string keys. Raises TypeError for anything else.
    """
    return _serialize(value, {})


def _parse(wire: Any, seen: dict[int, Any]) -> Any:
    if not isinstance(wire, dict):
        return wire
    return _PARSERS[wire["type"]](wire, seen)


def _parse_array(wire: dict[str, Any], seen: dict[int, Any]) -> list[Any]:
    items: list[Any] = []
    seen[wire["id"]] = items
    items.extend(_parse(item, seen) for item in wire["items"])
    return items


def _parse_object(wire: dict[str, Any], seen: dict[int, Any]) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    seen[wire["id"]] = properties
    for key, value in wire["entries"]:
        properties[key] = _parse(value, seen)
    return properties


def _parse_map(wire: dict[str, Any], seen: dict[int, Any]) -> Any:
    if any(isinstance(key, dict) and key["type"] in _UNHASHABLE for key, _ in wire["entries"]):
        pairs: list[Any] = []
        seen[wire["id"]] = pairs
        pairs.extend([_parse(key, seen), _parse(value, seen)] for key, value in wire["entries"])
        return pairs
    entries: dict[Any, Any] = {}
    seen[wire["id"]] = entries
    for key, value in wire["entries"]:
        entries[_parse(key, seen)] = _parse(value, seen)
    return entries


def _parse_date(wire: dict[str, Any], _: dict[int, Any]) -> datetime | None:
    return None if wire["ms"] is None else _EPOCH + timedelta(milliseconds=wire["ms"])


_UNHASHABLE = {"array", "object", "map", "reference"}
_PARSERS: dict[str, Callable[[dict[str, Any], dict[int, Any]], Any]] = {
    "array": _parse_array,
    "bigint": lambda wire, _: int(wire["value"]),
    "bytes": lambda wire, _: bytes(wire["items"]),
    "date": _parse_date,
    "error": lambda wire, _: EvaluationError(wire["message"], wire["stack"]),
    "map": _parse_map,
    "number": lambda wire, _: float(wire["value"]),
    "object": _parse_object,
    "reference": lambda wire, seen: seen[wire["id"]],
    "undefined": lambda *_: None,
    "url": lambda wire, _: urlparse(wire["value"]),
}


def _serialize(value: object, seen: dict[int, tuple[int, object]]) -> object:
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return value if abs(value) <= MAX_SAFE_INTEGER else {"type": "bigint", "value": str(value)}
    if isinstance(value, float):
        return _serialize_float(value)
    if isinstance(value, datetime):
        return {"type": "date", "ms": round(value.timestamp() * 1000)}
    if isinstance(value, ParseResult):
        return {"type": "url", "value": value.geturl()}
    if isinstance(value, BaseException):
        return {"type": "error", "name": type(value).__name__, "message": str(value)}
    if id(value) in seen:
        return {"type": "reference", "id": seen[id(value)][0]}
    if isinstance(value, Mapping):
        return _serialize_mapping(value, seen)
    if isinstance(value, Sequence):
        number = _enter(value, seen)
        return {"type": "array", "id": number, "items": [_serialize(item, seen) for item in value]}
    raise TypeError(f"cannot pass {type(value).__name__} to JavaScript: {value!r}")


def _enter(value: object, seen: dict[int, tuple[int, object]]) -> int:
    number = len(seen) + 1
    seen[id(value)] = number, value  # Kept: the address of an object that is gone may be another's.
    return number


def _serialize_float(value: float) -> object:
    if math.isnan(value):
        return {"type": "number", "value": "NaN"}
    if math.isinf(value):
        return {"type": "number", "value": "Infinity" if value > 0 else "-Infinity"}
    if value == 0 and math.copysign(1, value) < 0:
        return {"type": "number", "value": "-0"}
    return value


def _serialize_mapping(value: Mapping[Any, object], seen: dict[int, tuple[int, object]]) -> object:
    number = _enter(value, seen)
    entries = []
    for key, item in value.items():
        if not isinstance(key, str):
            raise TypeError(f"cannot pass a mapping with the key {key!r} to JavaScript: keys must be strings")
        entries.append([key, _serialize(item, seen)])
    return {"type": "object", "id": number, "entries": entries}
