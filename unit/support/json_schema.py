"""As much of JSON Schema as the OpenAPI document needs; a keyword that is not known here is an error."""

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
_SILENT = {"description"}


def complaints(schema: Schema, value: object, document: Schema) -> list[str]:
    """What is wrong with a value, each with the path to it; empty for one that fits.

    References lead into `document`.
    """
    return list(_check(schema, value, document, "$"))


def _check(schema: Schema, value: Any, document: Schema, at: str) -> Iterator[str]:
    if "type" in schema and not _is_of_type(value, schema["type"]):
        yield f"{at}: {value!r} is no {schema['type']}"
        return
    for keyword, expected in schema.items():
        if keyword in _FITS:
            if not _FITS[keyword](value, expected):
                yield f"{at}: {value!r} does not fit {keyword} {expected!r}"
        elif keyword == "$ref":
            yield from _check(_resolve(expected, document), value, document, at)
        elif keyword == "oneOf":
            if sum(not complaints(each, value, document) for each in expected) != 1:
                yield f"{at}: {value!r} is not one of {expected}"
        elif keyword == "properties":
            for name, inner in expected.items():
                if isinstance(value, dict) and name in value:
                    yield from _check(inner, value[name], document, f"{at}.{name}")
        elif keyword == "items":
            for number, item in enumerate(value if isinstance(value, list) else []):
                yield from _check(expected, item, document, f"{at}[{number}]")
        elif keyword not in _SILENT | {"type"}:
            raise NotImplementedError(f"keyword {keyword} of JSON Schema")


def _is_of_type(value: object, wanted: str | list[str]) -> bool:
    names = [wanted] if isinstance(wanted, str) else wanted
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


# A keyword holds for values of one type, and says nothing of others.
_FITS: dict[str, Callable[[Any, Any], bool]] = {
    "const": lambda value, expected: type(value) is type(expected) and value == expected,
    "enum": lambda value, expected: value in expected,
    "required": lambda value, names: not isinstance(value, dict) or all(name in value for name in names),
    "minimum": lambda value, least: not _is_number(value) or value >= least,
    "maximum": lambda value, most: not _is_number(value) or value <= most,
    "minLength": lambda value, least: not isinstance(value, str) or len(value) >= least,
    "maxLength": lambda value, most: not isinstance(value, str) or len(value) <= most,
}
