"""Read a TOML file into a typed structure; an error names file, key, what is expected and what was found."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from e2e.conformance.case import is_case_id

Shape = TypeVar("Shape")

_FIELD_ERROR = re.compile(r"Object (?P<problem>missing required|contains unknown) field `(?P<field>.*)`")
# msgspec names types as JSON and Python do.
_TOML_TYPES = {"`object`": "a table", "`array`": "a list", "`str`": "a text", "`int`": "a whole number"}


class ImplementationError(Exception):
    """An implementation that cannot be used; the message names the file, the key and what is expected."""


class Table(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A TOML table: every key is a field; a text may be blank only where that is its default.

    A subclass that checks more does so in `__post_init__` and raises ValueError("<key>: expected …").
    """

    def __post_init__(self) -> None:
        for field in msgspec.structs.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, str) and not value.strip() and value != field.default:
                raise ValueError(f"{field.encode_name}: expected a text that is not empty, not {value!r}")


def load_toml(path: Path, shape: type[Shape]) -> Shape:
    """Return the file's contents as `shape`, a Table or another type that msgspec converts to.

    Raise ImplementationError for a file that cannot be read or does not have this shape.
    """
    try:
        values = msgspec.toml.decode(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ImplementationError(f"{path}: no such file; expected an implementation's TOML") from None
    except (OSError, ValueError) as error:
        raise ImplementationError(f"{path}: cannot be read as TOML: {error}") from None
    try:
        return msgspec.convert(values, shape)
    except msgspec.ValidationError as error:
        raise ImplementationError(f"{path}: {_explain(error, values, shape)}") from None


def load_reasons(path: Path) -> dict[str, str]:
    """Return the contents of a TOML file of the shape: case id = a reason. Raise ImplementationError."""
    reasons = load_toml(path, dict[str, object])
    try:
        check_reasons(reasons)
    except ValueError as error:
        raise ImplementationError(f"{path}: {error}") from None
    return {case_id: str(reason) for case_id, reason in reasons.items()}


def check_reasons(reasons: Mapping[str, object], prefix: str = "") -> None:
    """Raise ValueError unless every key is a case id and every value a text.

    `prefix` is what the message puts before the key.
    """
    for case_id, reason in reasons.items():
        if not is_case_id(case_id):
            raise ValueError(f"{prefix}{case_id}: expected a case id, like flush/2/1")
        if not isinstance(reason, str) or not reason.strip():
            raise ValueError(f"{prefix}{case_id}: expected a text that is not empty, not {reason!r}")


def check_case_ids(key: str, case_ids: Sequence[str]) -> None:
    """Raise ValueError unless every element of the list under `key` is a case id."""
    if not all(map(is_case_id, case_ids)):
        raise ValueError(f"{key}: expected a list of case ids like flush/2/1, not {case_ids!r}")


def _explain(error: msgspec.ValidationError, values: Mapping[str, Any], shape: Any) -> str:
    """Return msgspec's message with the key first, and with what it leaves out: known keys and the value."""
    message, _, place = str(error).partition(" - at `$")
    keys = re.findall(r"\.(\w+)|\[(\d+)\]", place)
    path = [name or int(index) for name, index in keys]
    table = "".join(f"{key}." for key in path)
    if error.__cause__ is not None:  # raised by a Table, with the key inside the table
        return f"{table}{error.__cause__}"
    if found := _FIELD_ERROR.fullmatch(message):
        if found["problem"] == "missing required":
            return f"{table}{found['field']}: is missing"
        known = sorted(field.encode_name for field in msgspec.structs.fields(_get_table(shape, path)))
        return f"{table}{found['field']}: is not known; expected one of {', '.join(known)}"
    value: Any = values
    for key in path:
        value = value[key]
    expected = re.sub(r", got `\w+`$", "", message.replace("Expected", "expected", 1))
    for name, word in _TOML_TYPES.items():
        expected = expected.replace(name, word)
    return f"{table.rstrip('.')}: {expected}, not {value!r}"


def _get_table(shape: Any, path: Sequence[str | int]) -> Any:
    """Return the type of the table at a path of keys."""
    for key in path:
        shape = next(field.type for field in msgspec.structs.fields(shape) if field.encode_name == key)
    return shape
