"""Mutants: the reference worker or server with one small change, which the suite must detect.

A mutant is a TOML file in `workers/` or `servers/`. It has a description, the file of the reference that it
changes, the text to find there (exactly once), the text to put in its place, and the cases that must fail.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

from e2e.conformance.case import sort_key
from e2e.conformance.paths import CHECKOUT
from e2e.conformance.targets.server import ServerImplementation
from e2e.conformance.targets.toml_file import (
    ImplementationError,
    Table,
    check_case_ids,
    check_reasons,
    load_toml,
)
from e2e.conformance.targets.worker import Implementation, load_implementation

MUTANTS_FOLDER = Path(__file__).parent
EXEMPTIONS_FILE = MUTANTS_FOLDER / "exemptions.toml"
"""Case id = why no mutant can break this case."""

WORKER_FOLDER = "worker"
SERVER_PACKAGE = "reference_server"


class Target(Enum):
    """What a mutant changes; the value is the folder of its TOML files."""

    WORKER = "workers"
    SERVER = "servers"

    @property
    def source_folder(self) -> Path:
        """The folder of the unchanged reference."""
        return CHECKOUT / (WORKER_FOLDER if self is Target.WORKER else SERVER_PACKAGE)


class StaleMutantError(ValueError):
    """The file that a mutant changes does not exist, or has the text to replace not exactly once."""


class _MutantFile(Table, frozen=True, kw_only=True):
    """The TOML file of a mutant."""

    description: str
    file: str
    find: str
    replace: str = ""
    killed_by: list[str]

    def __post_init__(self) -> None:
        super().__post_init__()
        check_case_ids("killed_by", self.killed_by)
        if not self.killed_by:
            raise ValueError("killed_by: expected at least one case id, like flush/2/1")


@dataclass(frozen=True)
class Mutant:
    """One change of one file of the reference. `killed_by`: ids of the cases, each of which must fail."""

    name: str
    target: Target
    description: str
    file: str
    find: str
    replace: str
    killed_by: tuple[str, ...]

    def change(self, source: str) -> str:
        """Return the text of the file with the mutant's change. Raise StaleMutantError where none applies."""
        count = source.count(self.find)
        if count != 1:
            raise StaleMutantError(
                f"{self.name}: expected {self.find!r} exactly once in {self.file}, found it {count} times;"
                " adapt the mutant to the reference"
            )
        return source.replace(self.find, self.replace)

    def check_applies(self) -> None:
        """Raise StaleMutantError unless the change applies to the reference as it is now."""
        self.change(self._read(self.target.source_folder))

    def write_copy(self, folder: Path) -> Path:
        """Copy the reference into `folder`, change it, and return the folder of the changed copy.

        Raise StaleMutantError where its change does not apply.
        """
        copy = folder / self.name / self.target.source_folder.name
        shutil.copytree(self.target.source_folder, copy, ignore=shutil.ignore_patterns("__pycache__"))
        if self.target is Target.SERVER:  # The server serves the worker's modules from the folder beside it.
            shutil.copytree(CHECKOUT / WORKER_FOLDER, copy.parent / WORKER_FOLDER)
        (copy / self.file).write_text(self.change(self._read(copy)), encoding="utf-8")
        return copy

    def _read(self, folder: Path) -> str:
        try:
            return (folder / self.file).read_text(encoding="utf-8")
        except FileNotFoundError:
            raise StaleMutantError(f"{self.name}: there is no file {self.file} in {folder.name}/") from None


@dataclass(frozen=True)
class MutantResult:
    """A mutant and a case that must kill it. `reason`: what the case saw, or why it could not kill.

    `stale`: the mutant does not apply to the reference any more, so that no case ran.
    """

    mutant: str
    case: str
    killed: bool
    reason: str
    stale: bool = False


def load_mutants(folder: Path = MUTANTS_FOLDER) -> list[Mutant]:
    """Return all mutants, workers first, by name. Raise ImplementationError for a file of another shape."""
    return [
        _load_mutant(path, target)
        for target in Target
        for path in sorted((folder / target.value).glob("*.toml"))
    ]


def get_mutant(name: str) -> Mutant:
    """Return the mutant of this name. Raise LookupError where none is."""
    for mutant in load_mutants():
        if mutant.name == name:
            return mutant
    raise LookupError(f"no mutant is named {name!r}")


def _load_mutant(path: Path, target: Target) -> Mutant:
    content = load_toml(path, _MutantFile)
    return Mutant(
        path.stem,
        target,
        content.description,
        content.file,
        content.find,
        content.replace,
        tuple(content.killed_by),
    )


def build_implementation(mutant: Mutant, folder: Path) -> Implementation | ServerImplementation:
    """Write the mutant's copy into `folder` and return it as a target of the suite.

    Raise StaleMutantError where its change does not apply.
    """
    copy = mutant.write_copy(folder)
    if mutant.target is Target.SERVER:
        return ServerImplementation(mutant.name, mutant.description, package=copy)
    reference = load_implementation("reference").worker
    script = copy / reference.script.name
    files = replace(reference, script=script, directory=copy)
    return Implementation(mutant.name, mutant.description, files)


def load_exemptions(path: Path = EXEMPTIONS_FILE) -> dict[str, str]:
    """Return why a case kills no mutant, by case id. Raise ImplementationError for another shape."""
    content = load_toml(path, dict[str, object])
    try:
        check_reasons(content)
    except ValueError as error:
        raise ImplementationError(f"{path}: {error}") from None
    return {case_id: str(reason) for case_id, reason in content.items()}


def find_unproven(
    case_ids: Collection[str], mutants: Iterable[Mutant], exemptions: Mapping[str, str]
) -> list[str]:
    """Return a sentence for every case without a mutant or an exemption, and every needless exemption."""
    killing = {case_id for mutant in mutants for case_id in mutant.killed_by}
    unproven = sorted(set(case_ids) - killing - exemptions.keys(), key=sort_key)
    needless = sorted(exemptions.keys() & killing, key=sort_key)
    unknown = sorted(exemptions.keys() - set(case_ids), key=sort_key)
    file = EXEMPTIONS_FILE.name
    return [
        *(f"{each} kills no mutant: add a mutant, or a reason to {file}" for each in unproven),
        *(f"{each} kills a mutant: remove it from {file}" for each in needless),
        *(f"{each} is not a case: remove it from {file}" for each in unknown),
    ]
