"""The pytest plugin of the report: judges every case where it runs and, with --report, installs the reporter.

Under pytest-xdist the cases run in other processes. A result is therefore made where the case runs, travels
in `report.user_properties`, and is collected where the reports arrive.
"""

from __future__ import annotations

import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from e2e.conformance import selection
from e2e.conformance.case import MARKER_HELP, InconclusiveError, Level, get_case
from e2e.conformance.report.observations import Observations
from e2e.conformance.report.reporter import BROWSER_PROPERTY, PROPERTY, TIMELINE_PROPERTY, Reporter
from e2e.conformance.report.results import Results
from e2e.conformance.report.results_file import EarlierResults, ResultsFileError, load_earlier_results
from e2e.conformance.report.sanitize import clean
from e2e.conformance.report.verdicts import NO_IMPLEMENTATION, judge

RESULTS = pytest.StashKey[Results]()
"""Where a run with --report keeps its results, in `config.stash`."""

_observations_key = pytest.StashKey[Observations]()


def install(config: pytest.Config) -> None:
    """Register the marker `case`, the fixture `observations` and, with --report, the reporter.

    Call it from pytest_configure, after the options of `selection` exist. Raise pytest.UsageError for a
    wrong implementation, a report folder that cannot be created, or a file that cannot be compared with.
    """
    config.addinivalue_line("markers", MARKER_HELP)
    config.pluginmanager.register(sys.modules[__name__], "conformance-verdicts")
    directory: str | None = config.getoption("report", None)
    if directory is not None or config.getoption("worker", None) or config.getoption("server", None):
        selection.get_targets(config)
    is_xdist_process = hasattr(config, "workerinput")
    earlier = None if is_xdist_process else _load_earlier_results(config)
    if directory is not None and not is_xdist_process and not config.getoption("collectonly", False):
        reporter = Reporter(config, _create_directory(Path(config.invocation_params.dir, directory)), earlier)
        config.stash[RESULTS] = reporter.results
        config.pluginmanager.register(reporter, "conformance-reporter")


def _create_directory(directory: Path) -> Path:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise pytest.UsageError(
            f"--report {directory}: the folder cannot be created: {error.strerror}"
        ) from None
    return directory


def _load_earlier_results(config: pytest.Config) -> EarlierResults | None:
    """Return what --compare names. Before the run: its report may replace the file."""
    name: str | None = config.getoption("compare", None)
    if name is None:
        return None
    try:
        path = Path(config.invocation_params.dir, name)
        # As the page shows it: without folders of this machine, where that is possible.
        is_inside = path.is_relative_to(config.invocation_params.dir)
        shown = path.relative_to(config.invocation_params.dir) if is_inside else path
        return load_earlier_results(path, str(shown))
    except ResultsFileError as error:
        raise pytest.UsageError(f"--compare {error}") from None


@pytest.fixture
def observations(request: pytest.FixtureRequest) -> Observations:
    """Collect what a case saw: `observations("3 records in 1 POST")`, `observations.details(text)`."""
    return request.node.stash.setdefault(_observations_key, Observations())  # type: ignore[no-any-return]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Judge the phase that just ended and send the result along with pytest's own report."""
    report = yield
    case = get_case(item)
    if case is None:
        return report
    observations = item.stash.get(_observations_key, None) or Observations()
    if call.when == "call":
        observations.finish(passed=call.excinfo is None)
    result = judge(
        case,
        selection.get_column(item) or NO_IMPLEMENTATION,
        report,
        call.excinfo.value if call.excinfo else None,
        observations=observations.actual_text,
        details=observations.details_text,
        timeline=observations.timeline,
    )
    report.user_properties.append((PROPERTY, result.to_wire()))
    browser = getattr(item, "funcargs", {}).get("browser")
    if browser is not None and call.when == "call":
        report.user_properties.append((BROWSER_PROPERTY, [browser.browser_type.name, browser.version]))
    if report.failed and call.when != "teardown":
        timeline_file = _find_timeline_file(item)
        if timeline_file is not None:
            report.user_properties.append((TIMELINE_PROPERTY, str(timeline_file)))
    if call.when == "teardown" and _observations_key in item.stash:
        # pytest holds all tests until the end of the run, and these hold the journal.
        del item.stash[_observations_key]
    if call.excinfo and isinstance(call.excinfo.value, InconclusiveError) and case.level is not Level.MUST:
        _skip(item, report, result.actual)
    _escape_surrogates(report)
    return report


def _find_timeline_file(item: pytest.Item) -> Path | None:
    """Return the file that the plugin has just written for a failed test that uses it."""
    if not item.config.pluginmanager.has_plugin("sharedworker"):
        return None
    # Not at the top: pytest has to import the plugin first.
    from pytest_sharedworker.reporting.artifacts import ARTIFACT_SOURCES

    artifacts = item.stash.get(ARTIFACT_SOURCES, None)
    file = artifacts and artifacts.folder / "timeline.html"
    return file if file and file.is_file() else None


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Raise the usage error that a parallel process found."""
    selection.raise_forwarded_error(getattr(node, "workeroutput", None) or {})


def _skip(item: pytest.Item, report: pytest.TestReport, reason: str) -> None:
    """Count the test as skipped: an inconclusive case fails a run of pytest only if it is a MUST."""
    path, line, _ = item.reportinfo()
    report.outcome = "skipped"
    report.longrepr = (str(path), (line or 0) + 1, f"Skipped: {reason}")


def _escape_surrogates(report: pytest.TestReport) -> None:
    """Replace halves of surrogate pairs in a failure's text, which cannot be sent to another process."""
    try:
        report.longreprtext.encode()
    except UnicodeEncodeError:
        report.longrepr = clean(report.longreprtext, limit=sys.maxsize)
