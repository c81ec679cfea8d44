"""The package's face: every public name, imported lazily and typed statically."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
import typing
from collections.abc import Iterator
from pathlib import Path

import pytest

import pytest_sharedworker

KNOWN_PACKAGES = {
    "builtins", "collections", "contextlib", "datetime", "multidict", "pathlib", "playwright", "random", "re",
    "types", "typing",
}  # fmt: skip
"""What a user can import by itself; multidict has the type of an exchange's headers."""

SOURCE = Path(pytest_sharedworker.__file__).read_text(encoding="utf-8")


def test_every_public_name_can_be_imported() -> None:
    for name in pytest_sharedworker.__all__:
        assert getattr(pytest_sharedworker, name) is not None


def test_public_names_are_sorted_and_typed() -> None:
    """Type checkers read the imports under TYPE_CHECKING; they have to name what `__all__` names."""
    imported = {
        alias.asname or alias.name: (node.module or "").removeprefix("pytest_sharedworker.")
        for node in ast.walk(ast.parse(SOURCE))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    typed = {name for name, module in imported.items() if module not in ("__future__", "importlib", "typing")}
    assert typed == set(pytest_sharedworker.__all__)
    assert list(pytest_sharedworker.__all__) == sorted(pytest_sharedworker.__all__)


def test_import_of_the_package_loads_no_dependency() -> None:
    code = (
        "import sys, pytest_sharedworker; print([m for m in ('playwright', 'aiohttp') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def list_public_functions(value: object) -> Iterator[object]:
    """Yield the public functions and properties of a class or of an alias of it, or a function itself."""
    kind = typing.get_origin(value) or value
    if inspect.isfunction(kind):
        yield kind
    for base in inspect.getmro(kind) if isinstance(kind, type) else ():
        for name, member in vars(base).items():
            if base.__module__.startswith("pytest_sharedworker") and not name.startswith("_"):
                function = (
                    member.fget if isinstance(member, property) else getattr(member, "__func__", member)
                )
                if inspect.isfunction(function):
                    yield inspect.unwrap(function)


def list_foreign_types(annotation: object) -> Iterator[object]:
    """Yield the parts of an annotation that are neither exported nor of a known package."""
    public = [getattr(pytest_sharedworker, name) for name in pytest_sharedworker.__all__]
    origin = typing.get_origin(annotation)
    if any(annotation is each for each in public) or origin is typing.Literal:
        return
    if origin is not None:
        for part in (origin, *typing.get_args(annotation)):
            for each in part if isinstance(part, list) else [part]:
                yield from list_foreign_types(each)
    elif isinstance(annotation, type) and annotation.__module__.split(".")[0] not in KNOWN_PACKAGES:
        yield annotation


@pytest.mark.parametrize("name", pytest_sharedworker.__all__)
def test_public_signatures_name_public_types(name: str) -> None:
    value = getattr(pytest_sharedworker, name)
    annotated = [*list_public_functions(value), *([value] if isinstance(value, type) else [])]
    foreign = {
        f"{name}, {getattr(each, '__qualname__', each)}, {argument}: {kind}"
        for each in annotated
        for argument, annotation in typing.get_type_hints(each).items()
        if not argument.startswith("_")
        for kind in list_foreign_types(annotation)
    }
    assert foreign == set()
