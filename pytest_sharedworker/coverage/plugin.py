"""The options --worker-coverage and --worker-coverage-report, and what they print and write.

Under pytest-xdist each process sends home what its workers have run, and the first one reports it all.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_sharedworker.coverage.recorder import CoverageRecorder
from pytest_sharedworker.coverage.report import COBERTURA_FILE, LCOV_FILE, cobertura, lcov, table

_RECORDER = pytest.StashKey[CoverageRecorder]()
_SENT = "sharedworker_coverage"
ONLY_CHROMIUM = "only Chromium counts what SharedWorkers run: use --browser chromium for --worker-coverage"


def add_options(group: pytest.OptionGroup) -> None:
    """Add the options."""
    group.addoption(
        "--worker-coverage",
        action="store_true",
        help="show which lines of SharedWorkers' scripts ran in the whole run (Chromium)",
    )
    group.addoption(
        "--worker-coverage-report",
        metavar="DIR",
        type=Path,
        help=f"as --worker-coverage; write it to DIR too, as {LCOV_FILE} (LCOV) and"
        f" {COBERTURA_FILE} (Cobertura)",
    )


def install(config: pytest.Config) -> None:
    """Measure, if it was asked for. Raises pytest.UsageError for a browser that cannot."""
    if not config.getoption("--worker-coverage") and config.getoption("--worker-coverage-report") is None:
        return
    if any(browser != "chromium" for browser in config.getoption("--browser", default=None) or []):
        raise pytest.UsageError(ONLY_CHROMIUM)
    config.stash[_RECORDER] = recorder = CoverageRecorder()
    config.pluginmanager.register(_Reporter(config, recorder), "sharedworker-coverage")


def recorder(config: pytest.Config) -> CoverageRecorder | None:
    """The recorder of this run; None where coverage was not asked for."""
    return config.stash.get(_RECORDER, None)


class _Reporter:
    def __init__(self, config: pytest.Config, recorder: CoverageRecorder) -> None:
        self._config = config
        self._recorder = recorder

    def pytest_sessionfinish(self) -> None:
        """Send home what this process knows, where another one reports."""
        output: dict[str, Any] | None = getattr(self._config, "workeroutput", None)
        if output is not None:
            output[_SENT] = [self._recorder.coverage.to_json(), self._recorder.late]

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take in what another process has sent; one that died has sent nothing."""
        values, late = getattr(node, "workeroutput", {}).get(_SENT, ([], []))
        self._recorder.coverage.add_json(values)
        self._recorder.late += late

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Show the table and write the files."""
        files = self._recorder.coverage.files
        terminalreporter.section("coverage of SharedWorkers")
        if not files:
            terminalreporter.line("No SharedWorker has run.")
        else:
            for line in table(files):
                terminalreporter.line(line)
        if late := self._recorder.late:
            terminalreporter.line(
                f"{len(late)} scripts ran before they could be counted: {sorted(set(late))}"
            )
        folder: Path | None = self._config.getoption("--worker-coverage-report")
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / LCOV_FILE).write_text(lcov(files), encoding="utf-8")
            (folder / COBERTURA_FILE).write_text(cobertura(files), encoding="utf-8")
            terminalreporter.line(f"written to {folder / LCOV_FILE} and {folder / COBERTURA_FILE}")
