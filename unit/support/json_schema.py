"""A validator for the JSON Schema keywords of the OpenAPI document; an unknown keyword is an error."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}
_ANNOTATIONS = {"title", "description", "default"}


def find_violations(schema: Schema, value: object, document: Schema) -> list[str]:
    """Return a sentence with a path for each violation of the schema; none for a valid value.

    References are resolved in `document`.
    """
    return list(_check(schema, value, document, "$"))


def _check(schema: Schema, value: Any, document: Schema, at: str) -> Iterator[str]:
    if "type" in schema and not _has_type(value, schema["type"]):
        yield f"{at}: {value!r} is not of type {schema['type']}"
        return
    for keyword, expected in schema.items():
        if keyword in _CHECKS:
            if not _CHECKS[keyword](value, expected):
                yield f"{at}: {value!r} violates {keyword} {expected!r}"
        elif keyword == "$ref":
            yield from _check(_resolve(expected, document), value, document, at)
        elif keyword in ("oneOf", "anyOf"):
            matches = sum(not find_violations(each, value, document) for each in expected)
            if matches == 0 or (keyword == "oneOf" and matches > 1):
                yield f"{at}: {value!r} matches {matches} schemas of {keyword} {expected}"
        elif keyword == "properties":
            for name, inner in expected.items():
                if isinstance(value, dict) and name in value:
                    yield from _check(inner, value[name], document, f"{at}.{name}")
        elif keyword == "additionalProperties" and expected is False:
            more = set(value if isinstance(value, dict) else ()) - set(schema.get("properties", ()))
            if more:
                yield f"{at}: has {', '.join(sorted(more))}, which the schema does not"
        elif keyword == "items":
            for number, item in enumerate(value if isinstance(value, list) else []):
                yield from _check(expected, item, document, f"{at}[{number}]")
        elif keyword not in _ANNOTATIONS | {"type"}:
            raise NotImplementedError(f"keyword {keyword} of JSON Schema")


def _has_type(value: object, expected: str | list[str]) -> bool:
    names = [expected] if isinstance(expected, str) else expected
    if isinstance(value, bool):
        return "boolean" in names
    return any(isinstance(value, _TYPES[name]) for name in names)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _resolve(reference: str, document: Schema) -> Schema:
    found: Any = document
    for name in reference.removeprefix("#/").split("/"):
        found = found[name]
    resolved: Schema = found
    return resolved


# A keyword applies to values of one type; values of other types are valid.
_CHECKS: dict[str, Callable[[Any, Any], bool]] = {
    "const": lambda value, expected: type(value) is type(expected) and value == expected,
    "enum": lambda value, expected: value in expected,
    "required": lambda value, names: not isinstance(value, dict) or all(name in value for name in names),
    "minimum": lambda value, minimum: not _is_number(value) or value >= minimum,
    "maximum": lambda value, maximum: not _is_number(value) or value <= maximum,
    "minLength": lambda value, minimum: not isinstance(value, str) or len(value) >= minimum,
    "maxLength": lambda value, maximum: not isinstance(value, str) or len(value) <= maximum,
}
