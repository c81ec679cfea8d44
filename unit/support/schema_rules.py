"""The keywords of JSON Schema that docs/results.schema.json uses; any other keyword raises an error."""

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
_IGNORED = {"$schema", "$defs", "title", "description"}
_SUPPORTED = _IGNORED | {
    "$ref", "type", "const", "enum", "properties", "required", "additionalProperties", "propertyNames",
    "items", "minItems", "minLength", "minimum", "pattern",
}  # fmt: skip


def list_errors(schema: Mapping[str, Any], value: object) -> list[str]:
    """Return a message with a path for each error of a value; none for a valid value."""
    return list(_check(schema, schema, value, "$"))


def _check(root: Mapping[str, Any], schema: Mapping[str, Any], value: object, path: str) -> Iterator[str]:
    unknown = schema.keys() - _SUPPORTED
    if unknown:
        raise NotImplementedError(f"keywords {sorted(unknown)} of JSON Schema")
    if "$ref" in schema:
        yield from _check(root, root["$defs"][schema["$ref"].removeprefix("#/$defs/")], value, path)
    if "type" in schema and (not isinstance(value, _TYPES[schema["type"]]) or isinstance(value, bool)):
        yield f"{path}: {value!r} is not of type {schema['type']}"
        return
    if "const" in schema and (type(value), value) != (type(schema["const"]), schema["const"]):
        yield f"{path}: {value!r} is not {schema['const']!r}"
    if "enum" in schema and value not in schema["enum"]:
        yield f"{path}: {value!r} is not one of {schema['enum']}"
    if isinstance(value, dict):
        yield from _check_object(root, schema, value, path)
    elif isinstance(value, list):
        if len(value) < schema.get("minItems", 0):
            yield f"{path}: too few items"
        for number, item in enumerate(value):
            yield from _check(root, schema.get("items", {}), item, f"{path}[{number}]")
    elif isinstance(value, str):
        if len(value) < schema.get("minLength", 0):
            yield f"{path}: too short"
        if "pattern" in schema and not re.search(schema["pattern"], value):
            yield f"{path}: {value!r} does not match {schema['pattern']}"
    elif isinstance(value, (int, float)) and value < schema.get("minimum", value):
        yield f"{path}: {value} is too small"


def _check_object(
    root: Mapping[str, Any], schema: Mapping[str, Any], value: dict[str, object], path: str
) -> Iterator[str]:
    for name in schema.get("required", []):
        if name not in value:
            yield f"{path}: {name} is missing"
    properties = schema.get("properties", {})
    others = schema.get("additionalProperties", {})
    for name, item in value.items():
        yield from _check(root, schema.get("propertyNames", {}), name, f"{path} key")
        if name in properties:
            yield from _check(root, properties[name], item, f"{path}.{name}")
        elif others is False:
            yield f"{path}: {name} is not known"
        else:
            yield from _check(root, others, item, f"{path}.{name}")
