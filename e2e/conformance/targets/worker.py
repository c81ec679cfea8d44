"""Workers under test: what `--worker` names, read, checked and resolved to files.

An implementation is data. Another project's worker with its own endpoint, interval or message names needs
a TOML file and no change to any case.
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
from typing import Annotated, Literal, NoReturn, cast

import msgspec

from e2e.conformance.paths import CHECKOUT
from e2e.conformance.targets.target_table import TargetTable, check_name
from e2e.conformance.targets.toml_file import ImplementationError, Table, load_toml

WORKERS = Path(__file__).resolve().parent / "workers"
OBTAIN_TIMEOUT_SECONDS = 600
OUTPUT_TAIL_LINES = 5
DEFAULT_STATIC_PATH = "static-files"
ENDPOINT_PLACE = "{endpoint}"
SOURCE_SUFFIXES = (".ts", ".mts", ".cts", ".tsx", ".jsx", ".vue", ".svelte", ".coffee")
"""Of files that a build step turns into JavaScript."""

WorkerType = Literal["classic", "module"]

__all__ = [
    "Implementation",
    "ImplementationError",
    "Protocol",
    "WorkerFiles",
    "get_known_workers",
    "load_implementation",
]


@dataclass(frozen=True)
class WorkerFiles:
    """A worker's script and how a page starts it.

    `name` is the second argument of `new SharedWorker`. `directory` holds the files that are served
    beside the script (a module worker imports its siblings); None serves the script alone.
    `static_path` is the folder of the URL, below the application's prefix. `extended_name` is the name under
    which a page starts it with `extendedLifetime: true`; None for a worker that ends with its last tab.
    `with_endpoint` is the text of a script beside it that starts it with another endpoint, an absolute URL in
    place of `{endpoint}`; None for a worker whose endpoint is fixed.
    """

    script: Path
    type: WorkerType
    name: str
    directory: Path | None = None
    static_path: str = DEFAULT_STATIC_PATH
    extended_name: str | None = None
    with_endpoint: str | None = None


class Protocol(Table, frozen=True):
    """The names on the wire. `endpoint` is relative to the script's URL. Defaults are MLflow's.

    `stored` and `visibility` are messages of the reference; cases about them do not apply to other workers.
    """

    endpoint: str = "../ajax-api/3.0/mlflow/ui-telemetry"
    flush_interval_ms: Annotated[int, msgspec.Meta(ge=1)] = 30_000
    log_event: str = "LOG_EVENT"
    shutdown: str = "SHUTDOWN"
    ready: str = "READY"
    stored: str = "STORED"
    visibility: str = "VISIBILITY"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.log_event == self.shutdown:
            raise ValueError(f"shutdown: expected another word than log_event, not {self.shutdown!r}")


@dataclass(frozen=True)
class Implementation:
    """A worker under test.

    `known_deviations` maps the id of a case that does not hold there to the reason. Where `only_cases` names
    ids, no other cases run on it.
    """

    name: str
    description: str
    worker: WorkerFiles
    protocol: Protocol = field(default_factory=Protocol)
    known_deviations: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    obtain: str | None = None
    only_cases: frozenset[str] = frozenset()


class _WorkerTable(Table, frozen=True, kw_only=True):
    """The table [worker]. `script` is a path or a pattern, relative to the TOML file."""

    script: str
    type: str
    name: str | None = None
    directory: str | None = None
    static_path: str = DEFAULT_STATIC_PATH
    extended_name: str | None = None
    with_endpoint: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.type not in ("classic", "module"):
            raise ValueError(f'type: expected "classic" or "module", not {self.type!r}')
        parts = self.static_path.split("/")
        if any(part in ("", ".", "..") for part in parts) or set(self.static_path) & set("?#%\\"):
            raise ValueError(
                f'static_path: expected a path of plain names, like "static-files", not {self.static_path!r}'
            )
        if self.with_endpoint is not None and ENDPOINT_PLACE not in self.with_endpoint:
            raise ValueError(f"with_endpoint: expected a script with {ENDPOINT_PLACE} in it")


class _WorkerFile(TargetTable, frozen=True, kw_only=True):
    """The whole TOML file of a worker."""

    worker: _WorkerTable
    protocol: Protocol = msgspec.field(default_factory=Protocol)
    obtain: str | None = None


def get_known_workers() -> list[str]:
    """Return the names that `load_implementation` accepts without a path, sorted."""
    return sorted(path.stem for path in WORKERS.glob("*.toml"))


def load_implementation(spec: str) -> Implementation:
    """Load NAME (a file of targets/workers), FILE.toml, or FILE.js (a classic worker).

    If the TOML's script does not exist and the key `obtain` names a command, that command runs first.
    Raise ImplementationError.
    """
    path = Path(spec)
    _refuse_source(path, spec)
    if path.suffix == ".js":
        return _load_script(path)
    if path.suffix == ".toml" and (path.is_file() or spec not in get_known_workers()):
        return _load_file(path)
    if spec in get_known_workers():
        return _load_file(WORKERS / f"{spec}.toml")
    raise ImplementationError(
        f"no implementation is called {spec!r}: expected one of {', '.join(get_known_workers())}, "
        "or a path that ends in .toml or .js (a module worker needs a TOML file)"
    )


def _refuse_source(script: Path, subject: str) -> None:
    """Raise ImplementationError for a file that no browser runs."""
    if script.suffix in SOURCE_SUFFIXES:
        raise ImplementationError(
            f"{subject}: browsers do not run {script.name}: bundle it first, for example with `npx esbuild"
            f" {script.name} --bundle --outfile=worker.js`, and name the bundle"
        )


def _load_script(path: Path) -> Implementation:
    if not path.is_file():
        raise ImplementationError(f"{path}: no such file; expected the script of a classic worker")
    try:
        check_name(path.stem)
    except ValueError as error:
        raise ImplementationError(f"{path}: {error}") from None
    files = WorkerFiles(path.resolve(), "classic", path.stem)
    return Implementation(path.stem, f"the classic worker {path.name}", files)


def _load_file(path: Path) -> Implementation:
    content = load_toml(path, _WorkerFile)
    return Implementation(
        content.name,
        content.description,
        _resolve_files(path, content),
        content.protocol,
        content.get_known_deviations(),
        content.obtain,
        frozenset(content.only_cases),
    )


def _resolve_files(path: Path, content: _WorkerFile) -> WorkerFiles:
    worker = content.worker
    _refuse_source(Path(worker.script), f"{path}: worker.script")
    script = _find_script(path, worker.script)
    if script is None and content.obtain is not None:
        _obtain_script(path, content.obtain)
        script = _find_script(path, worker.script)
    if script is None:
        hint = f"; {content.obtain!r} ran and did not create it" if content.obtain else ""
        raise ImplementationError(
            f"{path}: worker.script: expected a file, but {worker.script!r} does not exist{hint}"
        )
    directory = script.parent if worker.type == "module" else None
    if worker.directory is not None:
        directory = (path.parent / worker.directory).resolve()
        if not script.is_relative_to(directory):
            expected = "expected a folder that the script is in"
            raise ImplementationError(f"{path}: worker.directory: {expected}, not {worker.directory!r}")
    name = worker.name or content.name
    kind = cast("WorkerType", worker.type)
    return WorkerFiles(
        script, kind, name, directory, worker.static_path, worker.extended_name, worker.with_endpoint
    )


def _find_script(path: Path, pattern: str) -> Path | None:
    """Return the one file that the pattern names, or None. Raise ImplementationError for several."""
    base = glob.escape(str(path.parent.resolve()))
    literal = path.parent / pattern
    found = (
        [literal] if literal.is_file() else [Path(name) for name in glob.glob(os.path.join(base, pattern))]
    )
    files = sorted(file.resolve() for file in found if file.is_file())
    if len(files) > 1:
        names = ", ".join(file.name for file in files)
        raise ImplementationError(
            f"{path}: worker.script: expected one file, but {pattern!r} matches {names}"
        )
    return files[0] if files else None


def _obtain_script(path: Path, command: str) -> None:
    """Run the command that creates the worker's script.

    Only scripts of this checkout may run, without a shell: a TOML file is data and must not run other code.
    """

    def refuse(problem: str) -> NoReturn:
        raise ImplementationError(f"{path}: obtain: {problem}") from None

    executable, arguments = _parse_command(command)
    if executable is None:
        refuse(f"expected scripts/NAME of this checkout with its arguments, not {command!r}")
    print(f"{path.stem}: the worker's script does not exist yet, running {command}", file=sys.stderr)
    try:
        done = subprocess.run(
            [str(executable), *arguments],
            cwd=CHECKOUT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=OBTAIN_TIMEOUT_SECONDS,
        )
    except subprocess.TimeoutExpired:
        refuse(f"{command!r} did not end in {OBTAIN_TIMEOUT_SECONDS} s")
    except OSError as error:
        refuse(f"{command!r} could not be started: {error}")
    if done.returncode != 0:
        tail = "\n".join(done.stdout.splitlines()[-OUTPUT_TAIL_LINES:])
        refuse(f"{command!r} ended with status {done.returncode}:\n{tail}")


def _parse_command(command: str) -> tuple[Path | None, list[str]]:
    """Return the script of the checkout and its arguments; None for any other command."""
    try:
        words = shlex.split(command)
    except ValueError:
        return None, []
    folder, _, name = words[0].rpartition("/") if words else ("", "", "")
    executable = CHECKOUT / "scripts" / name
    return (executable, words[1:]) if folder == "scripts" and executable.is_file() else (None, [])
