"""results.json as a file: its name, the version of its form, and reading one of an earlier run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from e2e.conformance.case import Level, Verdict, is_case_id
from e2e.conformance.report.sanitize import clean

RESULTS_FILE = "results.json"
SCHEMA = 1
"""The version of the form that docs/results.schema.json describes."""


class ResultsFileError(Exception):
    """The file cannot be used; the message is for the user."""


@dataclass(frozen=True, order=True)
class Standing:
    """A verdict as it counts for a comparison; a stale known deviation makes it worse."""

    severity: int
    is_stale: bool

    def __str__(self) -> str:
        return list(Verdict)[self.severity].value + (", stale" if self.is_stale else "")


@dataclass(frozen=True)
class EarlierCase:
    """A case of the earlier run; the text is clean (see `sanitize`)."""

    standing: Standing
    level: Level
    requirement: str


@dataclass(frozen=True)
class EarlierResults:
    """An earlier results.json. `file` is how the command named it; the cases are by implementation and id."""

    file: str
    environment: Mapping[str, str]
    cases: Mapping[tuple[str, str], EarlierCase]


class _Case(msgspec.Struct):
    verdict: Verdict
    level: Level
    requirement: str
    stale_deviation: bool = False


class _Implementation(msgspec.Struct):
    cases: dict[str, _Case]


class _Version(msgspec.Struct):
    schema: int


class _File(msgspec.Struct):
    implementations: dict[str, _Implementation]
    environment: dict[str, str] = {}


def load_earlier_results(path: Path, name: str) -> EarlierResults:
    """Return the contents of a results.json, or of the one in a folder; messages call it `name`.

    Read it before the run, whose report may replace it. Raise ResultsFileError.
    """
    try:
        text = (path / RESULTS_FILE if path.is_dir() else path).read_bytes()
    except OSError as error:
        raise ResultsFileError(f"{name}: cannot be read: {error.strerror or error}") from None
    try:
        schema = msgspec.json.decode(text, type=_Version).schema
        if schema != SCHEMA:
            raise ResultsFileError(
                f"{name}: is of schema {schema}, and this version of the suite knows schema {SCHEMA} only"
            )
        file = msgspec.json.decode(text, type=_File)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ResultsFileError(f"{name}: is no {RESULTS_FILE} of this suite: {clean(str(error))}") from None
    unknown = [id for each in file.implementations.values() for id in each.cases if not is_case_id(id)]
    if unknown:
        raise ResultsFileError(
            f"{name}: is no {RESULTS_FILE} of this suite: {clean(unknown[0])!r} is no case"
        )
    cases = {
        (clean(implementation), id): EarlierCase(
            Standing(case.verdict.severity, case.stale_deviation), case.level, clean(case.requirement)
        )
        for implementation, found in file.implementations.items()
        for id, case in found.cases.items()
    }
    environment = {clean(key): clean(value) for key, value in file.environment.items()}
    return EarlierResults(clean(name), environment, cases)
