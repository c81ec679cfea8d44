"""Reading TOML into a structure: each error names the file, the key, what is expected and what was found."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from e2e.conformance.targets.toml_file import ImplementationError, Table, load_reasons, load_toml


class Inner(Table, frozen=True):
    number: int = 1


class Outer(Table, frozen=True, kw_only=True):
    title: str
    note: str = ""
    numbers: list[int] = msgspec.field(default_factory=list)
    inner: Inner = msgspec.field(default_factory=Inner)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "some.toml"


def test_defaults_fill_what_is_left_out(path: Path) -> None:
    path.write_text('title = "a"\n')
    assert load_toml(path, Outer) == Outer(title="a")


def test_text_may_be_blank_where_that_is_the_default(path: Path) -> None:
    path.write_text('title = "a"\nnote = ""\n')
    assert load_toml(path, Outer).note == ""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "title: is missing"),
        ('title = " "', "title: expected a text that is not empty, not ' '"),
        ('title = "a"\nnote = " "', "note: expected a text that is not empty, not ' '"),
        ('title = "a"\nnumbers = 1', "numbers: expected a list, not 1"),
        ('title = "a"\nnumbers = [1, "2"]', "numbers.1: expected a whole number, not '2'"),
        ('title = "a"\ninner = "b"', "inner: expected a table, not 'b'"),
        ('title = "a"\n[inner]\nnumber = "1"', "inner.number: expected a whole number, not '1'"),
        ('title = "a"\n[inner]\nother = 1', "inner.other: is not known; expected one of number"),
        ("title", "cannot be read as TOML: "),
    ],
)
def test_error_names_file_key_expectation_and_value(path: Path, text: str, message: str) -> None:
    path.write_text(text)
    with pytest.raises(ImplementationError) as caught:
        load_toml(path, Outer)
    assert str(caught.value).startswith(f"{path}: {message}")


def test_missing_file_is_named(path: Path) -> None:
    with pytest.raises(ImplementationError, match=r"some\.toml: no such file"):
        load_toml(path, Outer)


def test_reasons_are_texts_by_case_id(path: Path) -> None:
    path.write_text('"flush/1/1" = "why"\n')
    assert load_reasons(path) == {"flush/1/1": "why"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('flush = "why"', "flush: expected a case id"),
        ('"flush/1/1" = 1', "flush/1/1: expected a text that is not empty, not 1"),
    ],
)
def test_other_reasons_are_refused(path: Path, text: str, message: str) -> None:
    path.write_text(text)
    with pytest.raises(ImplementationError, match=message):
        load_reasons(path)
