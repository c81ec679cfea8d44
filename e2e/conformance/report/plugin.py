"""The pytest side of the report: judges every case, and with --report collects, prints and writes.

Under pytest-xdist the cases run in other processes. Everything about a verdict therefore travels in
`report.user_properties`: it is made where the case runs and collected where the reports arrive.
"""

from __future__ import annotations

import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from e2e.conformance import selection
from e2e.conformance.case import MARKER_HELP, Verdict, get_case
from e2e.conformance.report.html import write_html
from e2e.conformance.report.junit import write_junit
from e2e.conformance.report.observations import Observations
from e2e.conformance.report.results import Results
from e2e.conformance.report.sanitize import clean
from e2e.conformance.report.terminal import Printer
from e2e.conformance.report.verdicts import NO_IMPLEMENTATION, CaseResult, judge

PROPERTY = "conformance"
RESULTS = pytest.StashKey[Results]()
"""Where a run with --report keeps its book, in `config.stash`."""

_observed_key = pytest.StashKey[Observations]()


def install(config: pytest.Config) -> None:
    """Register the marker `case`, the fixture `observations` and, with --report, the reporter.

    Call it from pytest_configure, after the options of `selection` exist. Raises pytest.UsageError
    where an implementation that was asked for is wrong, or the report's folder cannot be written to.
    """
    config.addinivalue_line("markers", MARKER_HELP)
    config.pluginmanager.register(sys.modules[__name__], "conformance-verdicts")
    directory: str | None = config.getoption("report", None)
    if directory is not None or config.getoption("worker", None) or config.getoption("server", None):
        selection.get_targets(config)
    runs_elsewhere = hasattr(config, "workerinput")
    if directory is not None and not runs_elsewhere and not config.getoption("collectonly", False):
        reporter = Reporter(config, prepare_directory(Path(config.invocation_params.dir, directory)))
        config.stash[RESULTS] = reporter.book
        config.pluginmanager.register(reporter, "conformance-reporter")


def prepare_directory(directory: Path) -> Path:
    """Make the report's folder. Raises pytest.UsageError."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise pytest.UsageError(f"--report {directory}: cannot be made a folder: {error.strerror}") from None
    return directory


@pytest.fixture
def observations(request: pytest.FixtureRequest) -> Observations:
    """For a case to say what it saw: `observations("3 records in 1 POST")`, `observations.details(text)`."""
    return request.node.stash.setdefault(_observed_key, Observations())  # type: ignore[no-any-return]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Judge the phase that just ended and send the judgement along with pytest's own report."""
    report = yield
    case = get_case(item)
    if case is None:
        return report
    system = selection.get_target(item)
    said = item.stash.get(_observed_key, None)
    if said is not None and call.when == "call":
        said.end(held=call.excinfo is None)
    judged = judge(
        case,
        system.name if system else NO_IMPLEMENTATION,
        report,
        call.excinfo.value if call.excinfo else None,
        observed=said.actual_text if said else None,
        details=said.details_text if said else None,
        timeline=said.timeline if said else None,
    )
    report.user_properties.append((PROPERTY, judged.to_wire()))
    _make_sendable(report)
    return report


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """A parallel process ended: it may have found the command line wrong."""
    selection.raise_forwarded_error(getattr(node, "workeroutput", None) or {})


def _make_sendable(report: pytest.TestReport) -> None:
    """Half a surrogate pair in a failure's text cannot be sent to another process: write it as an escape."""
    try:
        report.longreprtext.encode()
    except UnicodeEncodeError:
        report.longrepr = clean(report.longreprtext, limit=sys.maxsize)


def get_result(report: pytest.TestReport) -> CaseResult | None:
    """The judgement that came with a report, None for a test that is no case."""
    for name, value in reversed(report.user_properties):
        if name == PROPERTY and isinstance(value, dict):
            return CaseResult.from_wire(value)
    return None


class Reporter:
    """Collects the judgements where the reports arrive; prints each as it comes; writes when all is over."""

    def __init__(self, config: pytest.Config, directory: Path) -> None:
        self.book = Results()
        self._config = config
        self._directory = directory
        self._planned: set[str] = set()
        self._finished: set[str] = set()
        self._running: dict[str, CaseResult] = {}
        self._printer: Printer | None = None
        self._interruption: str | None = None

    @property
    def printer(self) -> Printer:
        """Made late: the terminal reporter may be replaced while plugins are being set up."""
        if self._printer is None:
            self._printer = Printer(self._config.pluginmanager.getplugin("terminalreporter"))
        return self._printer

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Where pytest is asked to be quiet, silence pytest-xdist's lines about its processes too.

        It has no option for that; without a terminal of its own it says nothing.
        """
        plugins = session.config.pluginmanager
        scheduler = plugins.getplugin("dsession")
        if scheduler is not None and session.config.get_verbosity() < -1:
            scheduler.terminal = None
            plugins.unregister(name="terminaldistreporter")

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Count what a run in this process will judge."""
        self._planned.update(item.nodeid for item in session.items if get_case(item) is not None)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Any, ids: list[str]) -> None:
        """Count what a parallel run will judge; each process collects the same tests."""
        self._planned.update(ids)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A file that cannot be collected holds cases that nobody judged."""
        if report.failed:
            self.book.problems.append(clean(f"{report.nodeid or 'the suite'} could not be collected"))

    @pytest.hookimpl(wrapper=True)
    def pytest_report_teststatus(
        self, report: pytest.TestReport
    ) -> Generator[None, tuple[str, Any, Any], tuple[str, Any, Any]]:
        """Keep pytest's counting, drop its letters: a verdict has a line of its own."""
        category, letter, word = yield
        shows_itself = isinstance(report, pytest.TestReport) and get_result(report) is not None
        return (category, "", "") if shows_itself else (category, letter, word)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take one phase; when the last is over, the verdict is final."""
        judged = get_result(report)
        if judged is not None:
            before = self._running.get(report.nodeid)
            judged = judged if before is None else before.followed_by(judged)
            self._running[report.nodeid] = judged
        elif report.when not in ("setup", "call", "teardown"):
            self._process_died(report)
        if report.when == "teardown" or report.when not in ("setup", "call"):
            self._finish(report.nodeid)

    def _process_died(self, report: pytest.TestReport) -> None:
        """A parallel process that dies sends no report; pytest-xdist makes one up, without properties."""
        running = self._running.get(report.nodeid)
        sentence = clean(f"the process that ran {report.nodeid} died")
        if running is None:
            self.book.problems.append(sentence)
            return
        values = running.to_wire() | {"verdict": Verdict.FAILED.value, "actual": sentence}
        self._running[report.nodeid] = CaseResult.from_wire(values)

    def _finish(self, nodeid: str) -> None:
        self._finished.add(nodeid)
        judged = self._running.pop(nodeid, None)
        if judged is None or judged.verdict is None:
            self._planned.discard(nodeid)
            return
        self.book.add(judged)
        # A test that is no case is only known as such once it ran, so the total may shrink.
        self.printer.verdict(len(self._finished & self._planned), len(self._planned), judged)

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Remember that the run was stopped from outside, or by pytest.exit."""
        # pytest's own interruptions derive from KeyboardInterrupt, and say why.
        self._interruption = "interrupted" if excinfo.type is KeyboardInterrupt else str(excinfo.value)

    def pytest_internalerror(self, excrepr: object) -> None:
        """Remember that the run broke off."""
        self._interruption = clean(f"internal error: {str(excrepr).strip().splitlines()[-1]}")

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, exitstatus: int) -> Generator[None, object, object]:
        """Write the report and print the summary, after pytest's own closing words, whatever those do.

        Wrong use judged nothing; it leaves an older report as it is.
        """
        try:
            return (yield)
        finally:
            if exitstatus != pytest.ExitCode.USAGE_ERROR:
                self._close()

    def _close(self) -> None:
        missing = len(self._planned - self._finished)
        if self._interruption:
            self.book.problems.append(clean(self._interruption))
        if missing:
            self.book.problems.append(f"{missing} of {len(self._planned)} cases were not judged")
        chosen = selection.get_targets(self._config)
        self.book.put_in_order(clean(implementation.name) for implementation in chosen)
        descriptions = {clean(chosen_one.name): clean(chosen_one.description) for chosen_one in chosen}
        self.book.write(self._directory)
        write_junit(self.book, self._directory)
        page = write_html(self.book, self._directory, descriptions)
        self.printer.summary(self.book, page, with_costs=self._config.getoption("case_durations", False))
