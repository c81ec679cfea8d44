"""What a numbered conformance case is: its identity, its level, and how it says what it saw.

A case is a test function (or one parameter of it) under the decorator `case`. Everything a reader of
the report needs stands in that decorator; the test's body only finds out whether it holds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

import pytest

MARKER_NAME = "case"
MARKER_HELP = "case(case): a numbered conformance case; written as e2e.conformance.case.case(id, level, ...)"

_ID_SHAPE = re.compile(r"[a-z][a-z0-9-]*(?:/[a-z][a-z0-9-]*)*/[1-9][0-9]*/[1-9][0-9]*")


RETIRED: Mapping[str, str] = MappingProxyType(
    {
        "identity/4/4": "identity/4/6",  # An event may be refused for its size.
        "load/3/2": "load/3/3",
    }
)
"""Ids whose requirement no longer stands, each with the one that stands in its place."""


class Level(Enum):
    """How binding a requirement is: what the protocol demands, what is safe, what is convenient."""

    MUST = "MUST"
    SHOULD = "SHOULD"
    MAY = "MAY"


class Verdict(Enum):
    """What a run says about a case; the order is from best to worst."""

    OK = "ok"
    UNIMPLEMENTED = "unimplemented"
    NON_STRICT = "non-strict"
    FAILED = "failed"

    @property
    def badness(self) -> int:
        """0 for the best verdict; grows with how bad it is."""
        return list(Verdict).index(self)


class FindingError(AssertionError):
    """A requirement that does not hold, in the two halves that the report shows.

    Raise it where the sentence of an `assert` would not tell a reader what was seen.
    """

    def __init__(self, expected: str, actual: str) -> None:
        super().__init__(f"expected: {expected}\nactual:   {actual}")
        self.expected = expected
        self.actual = actual


@dataclass(frozen=True)
class Case:
    """One requirement. `id` is family/group/number, like `flush/2/1`, and is never used again.

    `expected` says what a conforming implementation does, `source` where the requirement comes from.
    Raises ValueError for an id of another shape, one that is retired, or an empty text.
    """

    id: str
    level: Level
    requirement: str
    expected: str
    source: str

    def __post_init__(self) -> None:
        if not is_case_id(self.id):
            raise ValueError(f"case id {self.id!r}: expected family/group/number, like flush/2/1")
        if self.id in RETIRED:
            raise ValueError(f"case id {self.id}: is retired, see {RETIRED[self.id]}; take a new one")
        for field in ("requirement", "expected", "source"):
            if not getattr(self, field).strip():
                raise ValueError(f"case {self.id}: {field} is empty")

    @property
    def family(self) -> str:
        """The id without its two numbers: `flush`, or `server/ingest`."""
        return get_family(self.id)


def is_case_id(text: str) -> bool:
    """Whether the text has the shape family/group/number."""
    return _ID_SHAPE.fullmatch(text) is not None


def get_family(case_id: str) -> str:
    """The family of a case id: everything before its two numbers."""
    return case_id.rsplit("/", 2)[0]


def sort_key(case_id: str) -> tuple[str, int, int]:
    """Orders case ids by family, then by number as numbers: flush/2/1 comes before flush/10/1."""
    family, group, number = case_id.rsplit("/", 2)
    return family, int(group), int(number)


def case(id: str, level: Level, requirement: str, *, expected: str, source: str) -> pytest.MarkDecorator:
    """Decorate a test function, or give `marks=` of a `pytest.param`, with its case.

    Raises ValueError as `Case` does.
    """
    described = Case(id, level, requirement, expected, source)
    return pytest.mark.case(described)


def get_case(item: pytest.Item) -> Case | None:
    """The case that an item carries, or None for an ordinary test.

    Raises pytest.UsageError where there is more than one, or the marker was used by itself.
    """
    marks = list(item.iter_markers(MARKER_NAME))
    if not marks:
        return None
    cases = [argument for mark in marks for argument in mark.args if isinstance(argument, Case)]
    if len(marks) > 1:
        raise pytest.UsageError(
            f"{item.nodeid} carries several cases ({', '.join(found.id for found in cases)}): "
            "a test has one; give each parameter its own with pytest.param(..., marks=case(...))"
        )
    if len(cases) != 1:
        raise pytest.UsageError(
            f"{item.nodeid}: use the decorator case() of e2e.conformance.case, not the bare marker"
        )
    return cases[0]
