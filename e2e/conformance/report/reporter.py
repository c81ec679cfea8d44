"""The reporter of a run: collects the results, prints each, and writes the report at the end.

Under pytest-xdist it runs in the main process only, where the reports of all processes arrive.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from e2e.conformance import selection
from e2e.conformance.case import Verdict, get_case
from e2e.conformance.report.comparison import Comparison, compare
from e2e.conformance.report.environment import read_environment
from e2e.conformance.report.formats import FORMATS
from e2e.conformance.report.formats.terminal import ResultPrinter
from e2e.conformance.report.report_format import ReportContext, Terminal
from e2e.conformance.report.results import Results
from e2e.conformance.report.results_file import EarlierResults
from e2e.conformance.report.sanitize import clean
from e2e.conformance.report.timeline_files import TimelineFiles
from e2e.conformance.report.verdicts import CaseResult

PROPERTY = "conformance"
"""Name under which a result travels in `report.user_properties`."""

BROWSER_PROPERTY = "conformance_browser"
"""Name under which the name and version of the browser of a case travel there."""

TIMELINE_PROPERTY = "conformance_timeline"
"""Name under which the path of the plugin's timeline.html of a failed case travels there."""


def get_result(report: pytest.TestReport) -> CaseResult | None:
    """Return the result that arrived with a report, None for a test that is not a case."""
    for name, value in reversed(report.user_properties):
        if name == PROPERTY and isinstance(value, dict):
            return CaseResult.from_wire(value)
    return None


class Reporter:
    """A pytest plugin that makes the report of a run. `results` is complete when the session has finished."""

    def __init__(self, config: pytest.Config, directory: Path, earlier: EarlierResults | None = None) -> None:
        self.results = Results()
        self._config = config
        self._directory = directory
        self._earlier = earlier
        self._timeline_files = TimelineFiles(directory)
        self._browsers: dict[str, str] = {}
        """The versions of the browsers that have run cases."""
        self._planned: set[str] = set()
        self._finished: set[str] = set()
        self._running: dict[str, CaseResult] = {}
        self._printer: ResultPrinter | None = None
        self._interruption: str | None = None

    @property
    def terminal(self) -> Terminal | None:
        """pytest's terminal reporter. Plugins may replace it during configuration: read it late."""
        terminal: Terminal | None = self._config.pluginmanager.getplugin("terminalreporter")
        return terminal

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """In a quiet run, suppress pytest-xdist's lines about its processes too.

        It has no option for that, but prints nothing without a terminal.
        """
        plugins = session.config.pluginmanager
        scheduler = plugins.getplugin("dsession")
        if scheduler is not None and session.config.get_verbosity() < -1:
            scheduler.terminal = None
            plugins.unregister(name="terminaldistreporter")

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Count the cases of a run in this process."""
        self._planned.update(item.nodeid for item in session.items if get_case(item) is not None)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Any, ids: list[str]) -> None:
        """Count the tests of a parallel run; each process collects the same tests."""
        self._planned.update(ids)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Add a problem for a file that cannot be collected: its cases are not judged."""
        if report.failed:
            self.results.problems.append(clean(f"{report.nodeid or 'the suite'} could not be collected"))

    @pytest.hookimpl(wrapper=True)
    def pytest_report_teststatus(
        self, report: pytest.TestReport
    ) -> Generator[None, tuple[str, Any, Any], tuple[str, Any, Any]]:
        """Keep pytest's counts but not its letters: a verdict has its own line."""
        category, letter, word = yield
        has_line = isinstance(report, pytest.TestReport) and get_result(report) is not None
        return (category, "", "") if has_line else (category, letter, word)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add one phase of a test; after the last phase the verdict is final."""
        for name, value in report.user_properties:
            if name == BROWSER_PROPERTY and isinstance(value, (list, tuple)):
                browser, version = value
                self._browsers[clean(str(browser))] = clean(str(version))
        result = get_result(report)
        if result is not None:
            for name, value in report.user_properties:
                if name == TIMELINE_PROPERTY:
                    self._timeline_files.add(result.implementation, result.id, Path(str(value)))
            before = self._running.get(report.nodeid)
            self._running[report.nodeid] = result if before is None else before.add_phase(result)
        elif report.when not in ("setup", "call", "teardown"):
            self._handle_crash(report)
        if report.when not in ("setup", "call"):
            self._finish(report.nodeid)

    def _handle_crash(self, report: pytest.TestReport) -> None:
        """Handle the report that pytest-xdist creates for a crashed process; it has no properties."""
        running = self._running.get(report.nodeid)
        problem = clean(f"the process that ran {report.nodeid} crashed")
        if running is None:
            self.results.problems.append(problem)
        else:
            self._running[report.nodeid] = replace(running, verdict=Verdict.FAILED, actual=problem)

    def _finish(self, nodeid: str) -> None:
        self._finished.add(nodeid)
        result = self._running.pop(nodeid, None)
        if result is None or result.verdict is None:
            # In a parallel run only the report shows that a test is not a case: the total may shrink.
            self._planned.discard(nodeid)
            return
        self.results.add(result)
        if self._printer is None:
            self._printer = ResultPrinter(self.terminal)
        self._printer.print_result(len(self._finished & self._planned), len(self._planned), result)

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Remember that Ctrl-C or pytest.exit stopped the run."""
        # pytest's own interruptions derive from KeyboardInterrupt and have a message.
        self._interruption = "interrupted" if excinfo.type is KeyboardInterrupt else str(excinfo.value)

    def pytest_internalerror(self, excrepr: object) -> None:
        """Remember that an error inside pytest stopped the run."""
        self._interruption = clean(f"internal error: {str(excrepr).strip().splitlines()[-1]}")

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, exitstatus: int) -> Generator[None, object, object]:
        """Write the report after pytest's own last lines, also where another plugin fails here.

        After wrong use no case was judged, and an older report stays as it is.
        """
        try:
            return (yield)
        finally:
            if exitstatus != pytest.ExitCode.USAGE_ERROR:
                self._write()

    def _write(self) -> None:
        missing = len(self._planned - self._finished)
        if self._interruption:
            self.results.problems.append(clean(self._interruption))
        if missing:
            self.results.problems.append(f"{missing} of {len(self._planned)} cases were not judged")
        suffixes = selection.list_columns(self._config)
        descriptions = {
            clean(target.name + suffix): clean(target.description)
            for target in selection.get_targets(self._config)
            for suffix in suffixes.values()
        }
        self.results.sort_implementations(descriptions)
        environment = read_environment(self._browsers, self._config.getoption("shuffle", None))
        context = ReportContext(
            self._directory,
            descriptions,
            self.terminal,
            self._config.getoption("case_durations", False),
            environment,
            self._compare(environment),
            self._timeline_files.finish(),
        )
        for report_format in FORMATS:
            report_format.write(self.results, context)

    def _compare(self, environment: Mapping[str, str]) -> Comparison | None:
        if self._earlier is None:
            return None
        return compare(
            self._earlier,
            self.results,
            environment,
            lambda case_id, level: selection.is_selected(self._config, case_id, level),
        )
