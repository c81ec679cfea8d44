"""Workers broken on purpose: the proof that the cases catch what they claim to catch.

A defect is a TOML file in `workers/`: a description, the file of the reference worker that it
changes, what to find there (once), what to put in its place, and the cases that have to catch it.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from e2e.conformance.case import is_case_id
from e2e.conformance.targets.toml_reader import read_table
from e2e.conformance.targets.worker import load_implementation

MUTANTS_FOLDER = Path(__file__).parent / "workers"
EXEMPTIONS_FILE = "exemptions.toml"
"""Beside the defects: case id = why no defect can be made that the case alone would catch."""


@dataclass(frozen=True)
class Mutant:
    """One small named change of the reference worker. `killed_by`: ids of the cases that must fail."""

    name: str
    description: str
    file: str
    find: str
    replace: str
    killed_by: tuple[str, ...]


def load_mutants(folder: Path = MUTANTS_FOLDER) -> list[Mutant]:
    """All defects, by name. Raises ImplementationError for a file that is not of the shape above."""
    return [_load(path) for path in sorted(folder.glob("*.toml")) if path.name != EXEMPTIONS_FILE]


def _load(path: Path) -> Mutant:
    table = read_table(path)
    defect = Mutant(
        path.stem,
        table.text("description"),
        table.text("file"),
        table.text("find"),
        table.text("replace", ""),
        tuple(table.take("killed_by", [])),
    )
    table.finish()
    if not defect.killed_by or not all(map(is_case_id, defect.killed_by)):
        table.refuse("killed_by", "a list of case ids like flush/2/1", list(defect.killed_by))
    return defect


def build(defect: Mutant, folder: Path) -> Path:
    """Copy the reference worker into `folder`, break it, and return the TOML of the implementation.

    Raises ValueError where the text to replace is not there exactly once: the reference has moved on.
    """
    reference = load_implementation("reference").worker
    assert reference.directory is not None
    place = folder / defect.name
    shutil.copytree(reference.directory, place)
    break_file(place / defect.file, defect)
    toml = folder / f"{defect.name}.toml"
    toml.write_text(
        f"name = {json.dumps(defect.name)}\n"
        f"description = {json.dumps(defect.description)}\n"
        f"only_cases = {json.dumps(list(defect.killed_by))}\n"
        f"[worker]\n"
        f"script = {json.dumps(f'{defect.name}/{reference.script.name}')}\n"
        f'type = "module"\nname = {json.dumps(reference.name)}\n',
        encoding="utf-8",
    )
    return toml


def break_file(path: Path, defect: Mutant) -> None:
    """Make the defect's change in a file. Raises ValueError where its place is not there exactly once."""
    source = path.read_text(encoding="utf-8")
    if source.count(defect.find) != 1:
        raise ValueError(
            f"{defect.name}: {defect.find!r} stands {source.count(defect.find)} times in {defect.file};"
            " a defect changes one place: bring it up to date"
        )
    path.write_text(source.replace(defect.find, defect.replace), encoding="utf-8")
