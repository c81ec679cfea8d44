"""The main job: run the conformance cases on one or more implementations and say which requirements hold.

pytest runs the cases, in this process or in several. First it only collects them, so that wrong use is
told before anything starts. What the run comes to is read off the verdicts, not off pytest's own status.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from e2e.conformance.case import MARKER_NAME, Case, get_case, sort_key
from e2e.conformance.cli_options import parser
from e2e.conformance.paths import CHECKOUT
from e2e.conformance.report.plugin import RESULTS
from e2e.conformance.report.results import Results
from e2e.conformance.targets.worker import ImplementationError, load_implementation

EXIT_HOLDS = 0
EXIT_FAILED = 1
EXIT_WRONG_USE = 2
EXIT_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; gives the exit status."""
    options = parser().parse_args(arguments)
    try:
        return _run(options)
    except ImplementationError as error:
        return _complain(f"--worker: {error}")
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Nobody reads on, as in `scripts/verify | head`. Python would complain once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED


def _run(options: argparse.Namespace) -> int:
    cases_directory = Path(options.invoked_from, options.cases_dir).resolve()
    if not cases_directory.is_dir():
        return _complain(f"--cases-dir {options.cases_dir}: no such folder")
    workers = [_from_where_invoked(options.invoked_from, spec) for spec in options.worker or []]
    for spec in workers:
        load_implementation(spec)
    servers = [_from_where_invoked(options.invoked_from, spec) for spec in options.server or []]
    chosen = (
        _repeat("--worker", workers) + _repeat("--server", servers) + _repeat("--case", options.case or [])
    )
    chosen += [f"--level={options.level}"] if options.level else []
    base = ["-c", str(CHECKOUT / "pyproject.toml"), "--rootdir", str(CHECKOUT), *chosen]
    base += [str(cases_directory), "-m", MARKER_NAME, "-qq", "--no-header", "--no-summary"]
    # Cases use no property-based tests, and this plugin costs a second to load.
    base += ["-p", "no:hypothesispytest"]

    collected = _Collected()
    status, output = _silently(lambda: pytest.main([*base, "--collect-only", "-n", "0"], [collected]))
    if collected.interrupted:
        return EXIT_INTERRUPTED
    if status == pytest.ExitCode.USAGE_ERROR:
        return _complain(_usage_error_in(output))
    if status not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        print(*(collected.errors or [output]), "The cases could not be collected.", sep="\n", file=sys.stderr)
        return EXIT_FAILED
    if options.list:
        _print_list(collected.cases)
        return EXIT_HOLDS

    outcome = _Outcome()
    status = pytest.main([*base, *_run_arguments(options)], [outcome])
    if outcome.interrupted:
        return EXIT_INTERRUPTED
    if status == pytest.ExitCode.USAGE_ERROR:
        return EXIT_WRONG_USE
    return EXIT_HOLDS if outcome.book is not None and outcome.book.successful else EXIT_FAILED


def _run_arguments(options: argparse.Namespace) -> list[str]:
    """Arguments of the run itself; what the user did not say is left to pytest's own defaults."""
    if options.report is None:
        report = CHECKOUT / "report"
    else:
        report = Path(options.invoked_from, options.report)
    # Verdicts have lines of their own: neither pytest's tracebacks nor its percentages come between.
    result = ["--report", str(report.absolute()), "--tb=no", "-o", "console_output_style=classic"]
    result += ["-n", str(options.processes)]
    if options.durations:
        result.append("--case-durations")
    if options.shuffle is not None:
        result.append(f"--shuffle={options.shuffle}")
    if options.rollout_samples is not None:
        result += ["--rollout-samples", str(options.rollout_samples)]
    if options.worker_clock is not None:
        result += ["--worker-clock", options.worker_clock]
    if options.browser is not None:
        result += ["--browser", options.browser]
    if options.headed:
        result.append("--headed")
    if options.slowmo is not None:
        result += ["--slowmo", str(options.slowmo)]
    return result


class _Interruptible:
    """Notices Ctrl-C, which pytest turns into a status that it uses for other things too."""

    def __init__(self) -> None:
        self.interrupted = False

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Tell Ctrl-C from pytest.exit and from pytest's own interruptions, whose types derive from it."""
        self.interrupted = excinfo.type is KeyboardInterrupt


class _Collected(_Interruptible):
    """Keeps the cases that a collection ends with."""

    def __init__(self) -> None:
        super().__init__()
        self.cases: dict[str, Case] = {}
        self.errors: list[str] = []

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Keep why a file could not be read; pytest itself was asked for silence."""
        if report.failed:
            self.errors.append(report.longreprtext)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Keep each case once, however many implementations it would run on."""
        found = [case for item in session.items if (case := get_case(item)) is not None]
        self.cases = {case.id: case for case in sorted(found, key=lambda case: sort_key(case.id))}


class _Outcome(_Interruptible):
    """Keeps the book of a run."""

    def __init__(self) -> None:
        super().__init__()
        self.book: Results | None = None

    def pytest_unconfigure(self, config: pytest.Config) -> None:
        """Take the book, which the run has filled by now."""
        self.book = config.stash.get(RESULTS, None)


def _from_where_invoked(directory: Path, spec: str) -> str:
    return str(Path(directory, spec).resolve()) if spec.endswith((".toml", ".js")) else spec


def _repeat(option: str, values: Sequence[str]) -> list[str]:
    return [f"{option}={value}" for value in values]


def _silently(run: Callable[[], Any]) -> tuple[Any, str]:
    """Call pytest and keep what it writes."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        status = run()
    return status, output.getvalue()


def _usage_error_in(output: str) -> str:
    """pytest's own sentence, without what it puts around it."""
    lines = [line for line in output.splitlines() if line.strip()]
    start = next((number for number, line in enumerate(lines) if line.startswith("ERROR: ")), 0)
    return "\n".join(lines[start:]).removeprefix("ERROR: ")


def _print_list(cases: dict[str, Case]) -> None:
    width = max(map(len, cases), default=0)
    for case in cases.values():
        print(f"{case.id:<{width}}  {case.level.value:<6}  {case.requirement}")


def _complain(message: str) -> int:
    print(f"scripts/verify: {message}", file=sys.stderr)
    return EXIT_WRONG_USE


if __name__ == "__main__":
    sys.exit(main())
