"""Numbered conformance cases: id, level, requirement, and the finding of a case that does not hold.

A case is a test function (or one parameter of it) with the decorator `case`. The decorator has everything
that a reader of the report needs; the test's body checks the requirement.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

import pytest

MARKER_NAME = "case"
MARKER_HELP = (
    "case(case): a numbered conformance case; use the decorator e2e.conformance.case.case(id, level, ...)"
)

_ID_SHAPE = re.compile(r"[a-z][a-z0-9-]*(?:/[a-z][a-z0-9-]*)*/[1-9][0-9]*/[1-9][0-9]*")


RETIRED: Mapping[str, str] = MappingProxyType(
    {
        "identity/4/4": "identity/4/6",  # A server may refuse an event for its size.
        "load/3/2": "load/3/3",
    }
)
"""Ids whose requirement was withdrawn, each with the id that replaces it."""


class Level(Enum):
    """How binding a requirement is: required by the protocol, safe, or convenient."""

    MUST = "MUST"
    SHOULD = "SHOULD"
    MAY = "MAY"


class Verdict(Enum):
    """The verdict of a run on a case, in order from best to worst."""

    OK = "ok"
    UNIMPLEMENTED = "unimplemented"
    NON_STRICT = "non-strict"
    INCONCLUSIVE = "inconclusive"
    FAILED = "failed"

    @property
    def severity(self) -> int:
        """0 for the best verdict; higher for worse verdicts."""
        return list(Verdict).index(self)


class FindingError(AssertionError):
    """A requirement does not hold; the report shows `expected` and `actual`.

    Raise it instead of an `assert` whose message would not say what was seen.
    """

    def __init__(self, expected: str, actual: str) -> None:
        super().__init__(f"expected: {expected}\nactual:   {actual}")
        self.expected = expected
        self.actual = actual


class InconclusiveError(Exception):
    """The case did not exercise its subject; the message says why.

    No AssertionError: an inconclusive case is no known deviation, and kills no mutant.
    """


@dataclass(frozen=True)
class Case:
    """One requirement. `id` is family/group/number, like `flush/2/1`, and is never reused.

    `expected` says what a conforming implementation does, `source` where the requirement comes from.
    Raise ValueError for an id of another shape, a retired id, or an empty text.
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
            raise ValueError(f"case id {self.id}: is retired, see {RETIRED[self.id]}; use a new id")
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
    """Return the family of a case id: everything before its two numbers."""
    return case_id.rsplit("/", 2)[0]


def sort_key(case_id: str) -> tuple[str, int, int]:
    """Return a key that sorts case ids by family, then numerically: flush/2/1 comes before flush/10/1."""
    family, group, number = case_id.rsplit("/", 2)
    return family, int(group), int(number)


def case(id: str, level: Level, requirement: str, *, expected: str, source: str) -> pytest.MarkDecorator:
    """Return the decorator of a case, for a test function or as `marks=` of a `pytest.param`.

    Raise ValueError as `Case` does.
    """
    described = Case(id, level, requirement, expected, source)
    return pytest.mark.case(described)


def get_case(item: pytest.Item) -> Case | None:
    """Return the case of a test, or None for an ordinary test.

    Raise pytest.UsageError for several cases, or the marker without a case.
    """
    marks = list(item.iter_markers(MARKER_NAME))
    if not marks:
        return None
    cases = [argument for mark in marks for argument in mark.args if isinstance(argument, Case)]
    if len(marks) > 1:
        raise pytest.UsageError(
            f"{item.nodeid} has several cases ({', '.join(found.id for found in cases)}): "
            "a test can have one; mark each parameter with pytest.param(..., marks=case(...))"
        )
    if len(cases) != 1:
        raise pytest.UsageError(
            f"{item.nodeid}: use the decorator case() of e2e.conformance.case, not the bare marker"
        )
    return cases[0]
