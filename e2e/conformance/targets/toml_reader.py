"""Reading a TOML file strictly: every wrong, missing or unknown key is named, with what is expected."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

# The parser came into the standard library with Python 3.11.
_toml = import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")

Check = Callable[[str], "str | None"]
"""Gives None for a text that is right, else what is expected instead."""


class ImplementationError(Exception):
    """An implementation that cannot be used; the message names the file, the key and what is expected."""


def read_table(path: Path) -> Table:
    """The whole file as a table. Raises ImplementationError where it cannot be read."""
    try:
        return Table(path, _toml.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise ImplementationError(f"{path}: no such file; expected an implementation's TOML") from None
    except (OSError, ValueError) as error:
        raise ImplementationError(f"{path}: cannot be read as TOML: {error}") from None


class Table:
    """A TOML table whose keys are taken one by one; `finish` complains about what nobody took."""

    def __init__(self, path: Path, values: Mapping[str, Any], prefix: str = "") -> None:
        self.path = path
        self._values = values
        self._prefix = prefix
        self._known: list[str] = []

    @property
    def keys(self) -> list[str]:
        """The keys that the file has, taken or not."""
        return list(self._values)

    def error(self, key: str, message: str) -> ImplementationError:
        """An error about one key, for the caller to raise."""
        return ImplementationError(f"{self.path}: {self._prefix}{key}: {message}")

    def refuse(self, key: str, expected: str, value: object) -> NoReturn:
        """Raise the error of a key whose value is not what is expected."""
        raise self.error(key, f"expected {expected}, not {value!r}")

    def take(self, key: str, default: object = None) -> Any:
        """The value as TOML gave it, for the caller to check."""
        self._known.append(key)
        return self._values.get(key, default)

    def text(self, key: str, default: str | None = None, check: Check | None = None) -> str:
        """A non-empty string; without a default the key has to be there."""
        value = self.take(key, default)
        if value is None:
            raise self.error(key, "is missing; expected a text")
        if not isinstance(value, str) or (not value.strip() and value != default):
            self.refuse(key, "a text that is not empty", value)
        complaint = check(value) if check else None
        if complaint:
            self.refuse(key, complaint, value)
        return str(value)

    def optional_text(self, key: str) -> str | None:
        """A non-empty string, or None where the key is not there."""
        return self.text(key) if key in self._values else self.take(key)

    def table(self, key: str, *, required: bool = False) -> Table:
        """A table inside this one; one that is not there is empty, or an error where it is required."""
        value = self.take(key)
        if value is None and required:
            raise self.error(key, f"is missing; expected a table [{self._prefix}{key}]")
        if value is not None and not isinstance(value, dict):
            self.refuse(key, f"a table [{self._prefix}{key}]", value)
        return Table(self.path, value or {}, f"{self._prefix}{key}.")

    def finish(self) -> None:
        """Raise ImplementationError for the first key that nobody took."""
        for key in self._values:
            if key not in self._known:
                raise self.error(key, f"is not known; expected one of {', '.join(sorted(self._known))}")
