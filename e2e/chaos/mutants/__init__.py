"""Mutants that the chaos must find: the reference with the faults that it once had.

A mutant is a TOML file in this folder: a description, the target ("worker" or "server"), the rules whose
steps meet the fault, and changes, each of one text that a file of the reference has exactly once. Unlike
those in `e2e/mutants`, a mutant may need several changes, and no case has to find it.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

from e2e.conformance.targets.toml_file import Table, load_toml
from e2e.mutants.model import StaleMutantError, Target

FOLDER = Path(__file__).parent


class Change(Table, frozen=True, kw_only=True):
    """One text to find in a file, exactly once, and the text to put there."""

    file: str
    find: str
    replace: str = ""


class _MutantFile(Table, frozen=True, kw_only=True):
    """The TOML file of a mutant."""

    description: str
    target: Literal["worker", "server"]
    rules: list[str]
    changes: list[Change]


@dataclass(frozen=True)
class ChaosMutant:
    """A few changes of the worker or the server. `rules`: names of the rules whose steps meet the fault."""

    name: str
    description: str
    target: Target
    rules: tuple[str, ...]
    changes: tuple[Change, ...]

    def write_copy(self, folder: Path) -> Path:
        """Copy the reference into `folder`, change it, and return the folder of the changed copy.

        Raise StaleMutantError where a change does not apply.
        """
        source = self.target.source_folder
        copy = folder / source.name
        shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
        if self.target is Target.SERVER:  # The server serves the worker's modules from the folder beside it.
            shutil.copytree(Target.WORKER.source_folder, folder / Target.WORKER.source_folder.name)
        for change in self.changes:
            file = copy / change.file
            text = file.read_text(encoding="utf-8") if file.is_file() else ""
            if text.count(change.find) != 1:
                raise StaleMutantError(
                    f"{self.name}: expected {change.find!r} exactly once in {change.file}, found it"
                    f" {text.count(change.find)} times; adapt the mutant to the reference"
                )
            file.write_text(text.replace(change.find, change.replace), encoding="utf-8")
        return copy


def load_mutants(patterns: Collection[str] = ()) -> list[ChaosMutant]:
    """Return the mutants whose name matches one of the patterns, all of them without one, by name.

    Raise ImplementationError for a file of another shape.
    """
    mutants = [_load(path) for path in sorted(FOLDER.glob("*.toml"))]
    return [
        mutant
        for mutant in mutants
        if not patterns or any(fnmatchcase(mutant.name, pattern) for pattern in patterns)
    ]


def _load(path: Path) -> ChaosMutant:
    content = load_toml(path, _MutantFile)
    target = Target.WORKER if content.target == "worker" else Target.SERVER
    return ChaosMutant(path.stem, content.description, target, tuple(content.rules), tuple(content.changes))
