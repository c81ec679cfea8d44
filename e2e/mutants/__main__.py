"""Run the suite on mutants: the reference worker and server with one small change each.

Every case that is named for a mutant must fail on it. Each result is printed. Without names, every case must
also kill a mutant, or have a reason in exemptions.toml.

exit status:
  0    every mutant is killed by all of its cases
  1    a mutant survives a case or is stale (it does not apply to the reference), or a case kills no mutant
  2    wrong use
  130  stopped by Ctrl-C
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Collection, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any

import pytest

from e2e.conformance.paths import CHECKOUT
from e2e.mutants.conftest import RESULTS_PROPERTY
from e2e.mutants.model import MUTANTS_FOLDER, Mutant, MutantResult, Target, load_mutants

DEFAULT_PROCESSES = 2
REASON_CHARACTERS = 70
EXIT_INTERRUPTED = 130
TEST_FILE = MUTANTS_FOLDER / "test_mutants.py"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = _make_parser()
    options = parser.parse_args(arguments)
    mutants = select(load_mutants(), options.names)
    if not mutants:
        parser.error(f"no mutant matches {' or '.join(options.names)}")
    workers = sum(mutant.target is Target.WORKER for mutant in mutants)
    print(f"mutants: {workers} of the worker, {len(mutants) - workers} of the server", flush=True)
    printer = Printer(mutants)
    status = run(mutants if options.names else None, options.processes, printer)
    if status == pytest.ExitCode.INTERRUPTED:
        return EXIT_INTERRUPTED
    for problem in printer.problems:
        print(problem)
    print(f"{len(printer.killed)} of {len(mutants)} mutants are killed by all of their cases.")
    return 0 if status == pytest.ExitCode.OK and len(printer.killed) == len(mutants) else 1


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/mutants",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="a mutant, the name of its file in e2e/mutants/workers or servers without .toml, or a pattern"
        " like 'flush-*' (default: all)",
    )
    parser.add_argument(
        "-n",
        dest="processes",
        type=int,
        default=DEFAULT_PROCESSES,
        metavar="N",
        help="number of parallel processes, 0 for none (default: %(default)s)",
    )
    return parser


def select(mutants: list[Mutant], patterns: Collection[str]) -> list[Mutant]:
    """Return the mutants whose name matches one of the patterns; all of them without a pattern."""
    if not patterns:
        return mutants
    return [each for each in mutants if any(fnmatchcase(each.name, pattern) for pattern in patterns)]


def run(mutants: Sequence[Mutant] | None, processes: int, printer: Printer) -> int:
    """Run the tests of these mutants (None: the whole test file) and return pytest's exit status."""
    tests = [str(TEST_FILE)]
    if mutants is not None:
        tests = [f"{TEST_FILE}::test_mutant_is_killed[{mutant.name}]" for mutant in mutants]
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        options = ["-c", str(CHECKOUT / "pyproject.toml"), "--rootdir", str(CHECKOUT), "-n", str(processes)]
        # pytest-playwright empties its output folder: give it a fresh one.
        options += [f"--output={folder}", "-p", "no:cacheprovider", "-p", "no:hypothesispytest"]
        options += ["-qq", "--no-header", "--no-summary", "--tb=no", "-o", "console_output_style=classic"]
        return int(pytest.main([*tests, *options], [printer]))


class Printer:
    """pytest plugin that prints the results of every mutant as they arrive, in place of pytest's letters."""

    def __init__(self, mutants: Sequence[Mutant]) -> None:
        self.killed: set[str] = set()
        """Names of mutants that all of their cases killed."""
        self.problems: list[str] = []
        self._name_width = max(len(mutant.name) for mutant in mutants)
        self._case_width = max(len(case_id) for mutant in mutants for case_id in mutant.killed_by)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Silence pytest-xdist's lines about its processes, for which it has no option."""
        scheduler = session.config.pluginmanager.getplugin("dsession")
        if scheduler is not None:
            scheduler.terminal = None
            session.config.pluginmanager.unregister(name="terminaldistreporter")

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str]:
        """Count without a letter."""
        return report.outcome, "", ""

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Keep why the tests cannot be collected."""
        if report.failed:
            self.problems.append(report.longreprtext)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Print the results of a mutant; keep the text of a failure."""
        if report.failed:
            self.problems.append(get_failure_text(report))
        if report.when != "call":
            return
        properties: dict[str, Any] = dict(report.user_properties)
        results = [MutantResult(**values) for values in properties.get(RESULTS_PROPERTY, [])]
        if results and report.passed:
            self.killed.add(results[0].mutant)
        for line in self.format_results(results):
            print(line, flush=True)

    def format_results(self, results: Sequence[MutantResult]) -> Iterator[str]:
        """Yield a line for each case; the first one names the mutant."""
        for number, result in enumerate(results):
            name = result.mutant if number == 0 else ""
            word = _get_word(result)
            reason = " ".join(result.reason.split())
            if len(reason) > REASON_CHARACTERS:
                reason = f"{reason[: REASON_CHARACTERS - 1]}…"
            yield f"{name:<{self._name_width}}  {result.case:<{self._case_width}}  {word:<8}  {reason}"


def _get_word(result: MutantResult) -> str:
    if result.stale:
        return "STALE"
    return "killed" if result.killed else "SURVIVED"


def get_failure_text(report: pytest.TestReport) -> str:
    """Return the message of a failed test, without the traceback."""
    crash = getattr(report.longrepr, "reprcrash", None)
    message = str(crash.message) if crash is not None else report.longreprtext
    return message.removeprefix("Failed: ")


if __name__ == "__main__":
    sys.exit(main())
