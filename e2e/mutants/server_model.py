"""Servers broken on purpose: as `e2e.mutants.model`, with one change of a file of the reference server."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from e2e.conformance.paths import CHECKOUT
from e2e.mutants.model import Mutant, break_file

SERVER_MUTANTS_FOLDER = Path(__file__).parent / "servers"
PACKAGE = "reference_server"
WORKER = "worker"
"""The folder beside the package from which it serves the worker's modules."""


def build_server(defect: Mutant, folder: Path) -> Path:
    """Copy the reference server into `folder`, break it, and return the TOML of the implementation.

    Raises ValueError as `e2e.mutants.model.build` does.
    """
    place = folder / defect.name / PACKAGE
    shutil.copytree(CHECKOUT / PACKAGE, place, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(CHECKOUT / WORKER, place.parent / WORKER)  # its page is not served without
    break_file(place / defect.file, defect)
    toml = folder / f"{defect.name}.toml"
    toml.write_text(
        f"name = {json.dumps(defect.name)}\n"
        f"description = {json.dumps(defect.description)}\n"
        f"only_cases = {json.dumps(list(defect.killed_by))}\n"
        f"[server]\npackage = {json.dumps(f'{defect.name}/{PACKAGE}')}\n",
        encoding="utf-8",
    )
    return toml
