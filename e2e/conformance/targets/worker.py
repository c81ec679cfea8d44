"""Systems under test: what a TOML file says about a worker, read, checked and resolved to files.

An implementation is data. A stranger's worker with another endpoint, interval or message name needs
a TOML of its own and no change to any case.
"""

from __future__ import annotations

import glob
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from e2e.conformance.case import is_case_id
from e2e.conformance.paths import CHECKOUT
from e2e.conformance.targets.toml_reader import ImplementationError, Table, read_table

IMPLEMENTATIONS = Path(__file__).resolve().parent / "workers"
OBTAIN_TIMEOUT_SECONDS = 600
OUTPUT_TAIL_LINES = 5

WorkerType = Literal["classic", "module"]

__all__ = [
    "Implementation",
    "ImplementationError",
    "Protocol",
    "WorkerFiles",
    "known_names",
    "load_implementation",
]


@dataclass(frozen=True)
class WorkerFiles:
    """A worker's script and how a page starts it.

    `name` is the second argument of `new SharedWorker`. `directory` holds the files that are served
    beside the script (a module worker imports its siblings); None serves the script alone.
    `static_path` is the folder of the URL, below the application's prefix.
    """

    script: Path
    type: WorkerType
    name: str
    directory: Path | None = None
    static_path: str = "static-files"


@dataclass(frozen=True)
class Protocol:
    """The words of the wire. `endpoint` is relative to the script's URL. Defaults are MLflow's."""

    endpoint: str = "../ajax-api/3.0/mlflow/ui-telemetry"
    flush_interval_ms: int = 30_000
    log_event: str = "LOG_EVENT"
    shutdown: str = "SHUTDOWN"
    ready: str = "READY"


@dataclass(frozen=True)
class Implementation:
    """A system under test.

    `known_deviations` maps a case id to the reason why it does not hold there. Where `only_cases` names
    ids, other cases are not run on it.
    """

    name: str
    description: str
    worker: WorkerFiles
    protocol: Protocol = field(default_factory=Protocol)
    known_deviations: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    obtain: str | None = None
    only_cases: frozenset[str] = frozenset()


def known_names() -> list[str]:
    """Names that `load_implementation` knows without a path, sorted."""
    return sorted(path.stem for path in IMPLEMENTATIONS.glob("*.toml"))


def load_implementation(spec: str) -> Implementation:
    """Load NAME (a file of e2e/conformance/targets/workers), FILE.toml, or FILE.js (a classic worker).

    Where the TOML's script is not there and it says how to obtain it, that command runs first.
    Raises ImplementationError.
    """
    path = Path(spec)
    if path.suffix == ".js":
        return _from_script(path)
    if path.suffix == ".toml" and (path.is_file() or spec not in known_names()):
        return _from_toml(path)
    if spec in known_names():
        return _from_toml(IMPLEMENTATIONS / f"{spec}.toml")
    raise ImplementationError(
        f"no implementation is called {spec!r}: expected one of {', '.join(known_names())}, "
        "or a path that ends in .toml or .js"
    )


def _from_script(path: Path) -> Implementation:
    if not path.is_file():
        raise ImplementationError(f"{path}: no such file; expected the script of a classic worker")
    name = Table(path, {"name": path.stem}).text("name", check=printable)
    files = WorkerFiles(path.resolve(), "classic", name)
    return Implementation(name, f"the classic worker {path.name}", files)


def _from_toml(path: Path) -> Implementation:
    table = read_table(path)
    name = table.text("name", check=printable)
    description = table.text("description", "")
    obtain = table.optional_text("obtain")
    protocol = _protocol(table.table("protocol"))
    deviations = known_deviations_in(table.table("known_deviations"))
    only_cases = only_cases_in(table)
    worker = table.table("worker", required=True)
    table.finish()
    files = _worker_files(worker, name, obtain)
    return Implementation(
        name, description, files, protocol, MappingProxyType(deviations), obtain, only_cases
    )


def only_cases_in(table: Table) -> frozenset[str]:
    """The case ids of the key `only_cases`. Raises ImplementationError."""
    case_ids = table.take("only_cases", [])
    if not isinstance(case_ids, list) or not all(
        isinstance(each, str) and is_case_id(each) for each in case_ids
    ):
        table.refuse("only_cases", "a list of case ids like flush/2/1", case_ids)
    return frozenset(case_ids)


def _protocol(table: Table) -> Protocol:
    default = Protocol()
    interval_ms = table.take("flush_interval_ms", default.flush_interval_ms)
    if type(interval_ms) is not int or interval_ms <= 0:
        table.refuse("flush_interval_ms", "a whole number of milliseconds above 0", interval_ms)
    endpoint = table.text("endpoint", default.endpoint)
    log_event, shutdown = table.text("log_event", default.log_event), table.text("shutdown", default.shutdown)
    if log_event == shutdown:
        table.refuse("shutdown", "another word than log_event", shutdown)
    ready = table.text("ready", default.ready)
    table.finish()
    return Protocol(endpoint, interval_ms, log_event, shutdown, ready)


def known_deviations_in(table: Table) -> dict[str, str]:
    """A table of case id → reason. Raises ImplementationError."""
    for case_id in table.keys:
        if not is_case_id(case_id):
            raise table.error(case_id, "expected a case id, like flush/2/1")
    return {case_id: table.text(case_id) for case_id in table.keys}


def _worker_files(table: Table, implementation_name: str, obtain: str | None) -> WorkerFiles:
    kind = table.text("type")
    if kind not in ("classic", "module"):
        table.refuse("type", '"classic" or "module"', kind)
    name = table.text("name", implementation_name)
    static_path = table.text("static_path", WorkerFiles.static_path, check=_plain_path)
    directory_text = table.optional_text("directory")
    pattern = table.text("script")
    table.finish()
    script = _find_script(table, pattern)
    if script is None and obtain is not None:
        _obtain(table, obtain)
        script = _find_script(table, pattern)
    if script is None:
        hint = f"; {obtain!r} ran and did not bring it" if obtain else ""
        raise table.error("script", f"expected a file, but {pattern!r} is not there{hint}")
    directory = script.parent if kind == "module" else None
    if directory_text is not None:
        directory = (table.path.parent / directory_text).resolve()
        if not script.is_relative_to(directory):
            table.refuse("directory", "a folder that the script is in", directory_text)
    return WorkerFiles(script, "module" if kind == "module" else "classic", name, directory, static_path)


def _find_script(table: Table, pattern: str) -> Path | None:
    """The one file that the pattern names, None where there is none; more than one is an error."""
    base = glob.escape(str(table.path.parent.resolve()))
    literal = table.path.parent / pattern
    found = (
        [literal] if literal.is_file() else [Path(path) for path in glob.glob(os.path.join(base, pattern))]
    )
    files = sorted(path.resolve() for path in found if path.is_file())
    if len(files) > 1:
        names = ", ".join(path.name for path in files)
        raise table.error("script", f"expected one file, but {pattern!r} matches {names}")
    return files[0] if files else None


def _obtain(table: Table, command: str) -> None:
    """Run a script of the checkout (nothing else is allowed here, and no shell) that brings a file."""
    expectation = "scripts/NAME of this checkout with its arguments"
    try:
        words = shlex.split(command)
    except ValueError:
        table.refuse("obtain", expectation, command)
    folder, _, script_name = words[0].rpartition("/") if words else ("", "", "")
    executable = CHECKOUT / "scripts" / script_name
    if folder != "scripts" or not executable.is_file():
        table.refuse("obtain", expectation, command)
    print(f"{table.path.stem}: the worker's script is not there yet, running {command}", file=sys.stderr)
    try:
        done = subprocess.run(
            [str(executable), *words[1:]],
            cwd=CHECKOUT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=OBTAIN_TIMEOUT_SECONDS,
        )
    except subprocess.TimeoutExpired:
        message = f"{command!r} did not end in {OBTAIN_TIMEOUT_SECONDS} s"
        raise table.error("obtain", message) from None
    except OSError as error:
        raise table.error("obtain", f"{command!r} could not be started: {error}") from None
    if done.returncode != 0:
        tail = "\n".join(done.stdout.splitlines()[-OUTPUT_TAIL_LINES:])
        raise table.error("obtain", f"{command!r} ended with status {done.returncode}:\n{tail}")


def printable(text: str) -> str | None:
    """What is wrong with a name, None where nothing is."""
    ok = text.isprintable() and text == text.strip() and "/" not in text
    return None if ok else "printable text without a slash or outer spaces"


def _plain_path(text: str) -> str | None:
    ok = all(part not in ("", ".", "..") for part in text.split("/")) and not set(text) & set("?#%\\")
    return None if ok else 'a path of plain names, like "static-files"'
