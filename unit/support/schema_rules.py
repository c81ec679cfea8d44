"""As much of JSON Schema as docs/results.schema.json needs; a keyword that is not known here is an error."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

_TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "number": (int, float),
}
_SILENT = {"$schema", "$defs", "title", "description"}
_KNOWN = _SILENT | {
    "$ref", "type", "const", "enum", "properties", "required", "additionalProperties", "propertyNames",
    "items", "minItems", "minLength", "minimum", "pattern",
}  # fmt: skip


def complaints(schema: Mapping[str, Any], value: object) -> list[str]:
    """What is wrong with a value, each with the path to it; empty for one that fits."""
    return list(_check(schema, schema, value, "$"))


def _check(root: Mapping[str, Any], schema: Mapping[str, Any], value: object, at: str) -> Iterator[str]:
    unknown = schema.keys() - _KNOWN
    if unknown:
        raise NotImplementedError(f"keywords {sorted(unknown)} of JSON Schema")
    if "$ref" in schema:
        yield from _check(root, root["$defs"][schema["$ref"].removeprefix("#/$defs/")], value, at)
    if "type" in schema and (not isinstance(value, _TYPES[schema["type"]]) or isinstance(value, bool)):
        yield f"{at}: {value!r} is no {schema['type']}"
        return
    if "const" in schema and (type(value), value) != (type(schema["const"]), schema["const"]):
        yield f"{at}: {value!r} is not {schema['const']!r}"
    if "enum" in schema and value not in schema["enum"]:
        yield f"{at}: {value!r} is none of {schema['enum']}"
    if isinstance(value, dict):
        yield from _check_object(root, schema, value, at)
    elif isinstance(value, list):
        if len(value) < schema.get("minItems", 0):
            yield f"{at}: too few items"
        for number, item in enumerate(value):
            yield from _check(root, schema.get("items", {}), item, f"{at}[{number}]")
    elif isinstance(value, str):
        if len(value) < schema.get("minLength", 0):
            yield f"{at}: too short"
        if "pattern" in schema and not re.search(schema["pattern"], value):
            yield f"{at}: {value!r} does not match {schema['pattern']}"
    elif isinstance(value, (int, float)) and value < schema.get("minimum", value):
        yield f"{at}: {value} is too small"


def _check_object(
    root: Mapping[str, Any], schema: Mapping[str, Any], value: dict[str, object], at: str
) -> Iterator[str]:
    for name in schema.get("required", []):
        if name not in value:
            yield f"{at}: {name} is missing"
    properties = schema.get("properties", {})
    others = schema.get("additionalProperties", {})
    for name, item in value.items():
        yield from _check(root, schema.get("propertyNames", {}), name, f"{at} key")
        if name in properties:
            yield from _check(root, properties[name], item, f"{at}.{name}")
        elif others is False:
            yield f"{at}: {name} is not known"
        else:
            yield from _check(root, others, item, f"{at}.{name}")
