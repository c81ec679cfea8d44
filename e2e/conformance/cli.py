"""The main job: run the conformance cases on one or more implementations and report which requirements hold.

pytest runs the cases, in this process or in several. A first pass only collects them, so that wrong use is
reported before anything starts. The exit status follows from the verdicts, not from pytest's own status.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from e2e.conformance.case import MARKER_NAME, Case, get_case, sort_key
from e2e.conformance.cli_options import parser
from e2e.conformance.paths import CHECKOUT
from e2e.conformance.report.plugin import RESULTS
from e2e.conformance.report.results import Results
from e2e.conformance.targets.worker import ImplementationError, load_implementation

ARTIFACTS_FOLDER = "test-results"
"""The folder in the report that holds the artifacts of failed cases, those of the last run only."""

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_WRONG_USE = 2
EXIT_INTERRUPTED = 130

_CaseEntry: TypeAlias = "tuple[Case, str]"
"""A case, and where it is defined: `path:line`."""


class _WrongUseError(Exception):
    """The command line is wrong; the message is for the user."""


class _CollectionError(Exception):
    """The cases cannot be collected; the message is for the user."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return the exit status."""
    options = parser().parse_args(arguments)
    try:
        return _run(options)
    except _WrongUseError as error:
        print(f"scripts/verify: {error}", file=sys.stderr)
        return EXIT_WRONG_USE
    except _CollectionError as error:
        print(error, file=sys.stderr)
        return EXIT_FAILED
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader has closed the pipe, as in `scripts/verify | head`. Python would write to it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED


def _run(options: argparse.Namespace) -> int:
    selection_arguments = _build_selection_arguments(options)
    cases = _collect_cases(selection_arguments)
    if options.list:
        _print_list(cases)
        return EXIT_OK
    outcome = _Outcome()
    status = pytest.main([*selection_arguments, *_build_run_arguments(options)], [outcome])
    if outcome.interrupted:
        raise KeyboardInterrupt
    if status == pytest.ExitCode.USAGE_ERROR:
        return EXIT_WRONG_USE
    return EXIT_OK if outcome.results is not None and outcome.results.successful else EXIT_FAILED


def list_cases() -> list[Case]:
    """Collect all cases of the checkout. Raise SystemExit for a file that cannot be collected."""
    try:
        cases = _collect_cases(_build_selection_arguments(parser().parse_args([])))
    except _CollectionError as error:
        raise SystemExit(str(error)) from None
    return [case for case, _ in cases.values()]


def _build_selection_arguments(options: argparse.Namespace) -> list[str]:
    """Return pytest's arguments for both passes. Raise _WrongUseError."""
    cases_directory = Path(options.invoked_from, options.cases_dir).resolve()
    if not cases_directory.is_dir():
        raise _WrongUseError(f"--cases-dir {options.cases_dir}: no such folder")
    workers = [_resolve_spec(options.invoked_from, spec) for spec in options.worker or []]
    servers = [_resolve_spec(options.invoked_from, spec) for spec in options.server or []]
    # Before pytest, whose output the first pass suppresses: loading a worker may download it, and says so.
    for spec in workers:
        try:
            load_implementation(spec)
        except ImplementationError as error:
            raise _WrongUseError(f"--worker: {error}") from None
    result = ["-c", str(CHECKOUT / "pyproject.toml"), "--rootdir", str(CHECKOUT)]
    result += [f"--worker={spec}" for spec in workers]
    result += [f"--server={spec}" for spec in servers]
    result += [f"--case={prefix}" for prefix in options.case or []]
    result += [f"--level={options.level}"] if options.level else []
    if options.compare is not None:
        # In the first pass too, which reports a wrong file.
        result += [f"--compare={Path(options.invoked_from, options.compare).absolute()}"]
    result += [str(cases_directory), "-m", MARKER_NAME, "-qq", "--no-header", "--no-summary"]
    # Cases use no property-based tests, and this plugin takes a second to load.
    return [*result, "-p", "no:hypothesispytest"]


def _collect_cases(arguments: Sequence[str]) -> dict[str, _CaseEntry]:
    """Return the selected cases by id, each with its location.

    Raise _WrongUseError, _CollectionError or KeyboardInterrupt.
    """
    collected = _Collected()
    status, output = _capture(lambda: pytest.main([*arguments, "--collect-only", "-n", "0"], [collected]))
    if collected.interrupted:
        raise KeyboardInterrupt
    if status == pytest.ExitCode.USAGE_ERROR:
        raise _WrongUseError(_extract_usage_error(output))
    if status not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        errors = collected.errors or [output]
        raise _CollectionError("\n".join([*errors, "The cases could not be collected."]))
    return collected.cases


def _build_run_arguments(options: argparse.Namespace) -> list[str]:
    """Return pytest's further arguments for the run; options that were not given keep pytest's defaults."""
    if options.report is None:
        report = CHECKOUT / "report"
    else:
        report = Path(options.invoked_from, options.report)
    report = report.absolute()
    # pytest-playwright empties its output folder: a run of its own must not delete the artifacts of another.
    result = ["--report", str(report), f"--output={report / ARTIFACTS_FOLDER}"]
    # Each verdict has its own line: no traceback and no percentage of pytest comes between them.
    result += ["--tb=no", "-o", "console_output_style=classic"]
    result += ["-n", str(options.processes), "--worker-clock", options.worker_clock]
    if options.durations:
        result.append("--case-durations")
    if options.shuffle is not None:
        result.append(f"--shuffle={options.shuffle}")
    if options.rollout_samples is not None:
        result += ["--rollout-samples", str(options.rollout_samples)]
    for browser in dict.fromkeys(options.browser or []):
        result += ["--browser", browser]
    if options.headed:
        result.append("--headed")
    if options.slowmo is not None:
        result += ["--slowmo", str(options.slowmo)]
    return result


class _Interruptible:
    """A pytest plugin that notices Ctrl-C; pytest's exit status has other causes too."""

    def __init__(self) -> None:
        self.interrupted = False

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Distinguish Ctrl-C from pytest.exit and pytest's own interruptions, whose types derive from it."""
        self.interrupted = excinfo.type is KeyboardInterrupt


class _Collected(_Interruptible):
    """Keeps the cases of a collection."""

    def __init__(self) -> None:
        super().__init__()
        self.cases: dict[str, _CaseEntry] = {}
        self.errors: list[str] = []

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Keep the reason why a file cannot be collected; pytest's own output is suppressed."""
        if report.failed:
            self.errors.append(report.longreprtext)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Keep each case once, however many implementations it would run on."""
        found = {case.id: (case, _find_location(item)) for item in session.items if (case := get_case(item))}
        self.cases = {case_id: found[case_id] for case_id in sorted(found, key=sort_key)}


class _Outcome(_Interruptible):
    """Keeps the results of a run."""

    def __init__(self) -> None:
        super().__init__()
        self.results: Results | None = None

    def pytest_unconfigure(self, config: pytest.Config) -> None:
        """Keep the results, which are complete now."""
        self.results = config.stash.get(RESULTS, None)


def _resolve_spec(directory: Path, spec: str) -> str:
    """Return a path relative to `directory` as an absolute path; a name or a URL stays as it is."""
    return str(Path(directory, spec).resolve()) if spec.endswith((".toml", ".js")) else spec


def _capture(run: Callable[[], Any]) -> tuple[Any, str]:
    """Return the result of `run` and what it wrote."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        status = run()
    return status, output.getvalue()


def _extract_usage_error(output: str) -> str:
    """Return the message of pytest's usage error without the lines around it."""
    lines = [line for line in output.splitlines() if line.strip()]
    start = next((number for number, line in enumerate(lines) if line.startswith("ERROR: ")), 0)
    return "\n".join(lines[start:]).removeprefix("ERROR: ")


def _find_location(item: pytest.Item) -> str:
    """Return `path:line` of a case's test, relative to the checkout where the file is in it."""
    _, line, _ = item.reportinfo()
    path = item.path.relative_to(CHECKOUT) if item.path.is_relative_to(CHECKOUT) else item.path
    return f"{path}:{(line or 0) + 1}"


def _print_list(cases: dict[str, _CaseEntry]) -> None:
    width = max(map(len, cases), default=0)
    location_width = max((len(location) for _, location in cases.values()), default=0)
    for case, location in cases.values():
        print(f"{case.id:<{width}}  {case.level.value:<6}  {location:<{location_width}}  {case.requirement}")


if __name__ == "__main__":
    sys.exit(main())
