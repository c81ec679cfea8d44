"""The options --worker-coverage and --worker-coverage-report, and what they print and write.

Under pytest-xdist each worker process sends its coverage to the controlling process, which reports the sum.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_sharedworker.browsers.capabilities import list_browsers_with
from pytest_sharedworker.coverage.recorder import CoverageRecorder
from pytest_sharedworker.coverage.report import (
    COBERTURA_FILE,
    LCOV_FILE,
    format_cobertura,
    format_lcov,
    format_table,
)

_RECORDER = pytest.StashKey[CoverageRecorder]()
_OUTPUT_KEY = "sharedworker_coverage"


def add_options(group: pytest.OptionGroup) -> None:
    """Add the options."""
    group.addoption(
        "--worker-coverage",
        action="store_true",
        help="show which lines of SharedWorkers' scripts the run covered (Chromium)",
    )
    group.addoption(
        "--worker-coverage-report",
        metavar="DIR",
        type=Path,
        help="like --worker-coverage, and write the reports"
        f" {LCOV_FILE} (LCOV) and {COBERTURA_FILE} (Cobertura) to DIR",
    )


def install(config: pytest.Config) -> None:
    """Measure coverage where an option requests it. Raise UsageError for a browser that cannot."""
    if not config.getoption("--worker-coverage") and config.getoption("--worker-coverage-report") is None:
        return
    able = list_browsers_with("has_devtools")
    if any(browser not in able for browser in config.getoption("--browser", default=None) or []):
        raise pytest.UsageError(f"--worker-coverage needs --browser {' or '.join(able)}")
    config.stash[_RECORDER] = recorder = CoverageRecorder()
    config.pluginmanager.register(_Reporter(config, recorder), "sharedworker-coverage")


def get_recorder(config: pytest.Config) -> CoverageRecorder | None:
    """Return the recorder of this run; None where coverage is off."""
    return config.stash.get(_RECORDER, None)


class _Reporter:
    def __init__(self, config: pytest.Config, recorder: CoverageRecorder) -> None:
        self._config = config
        self._recorder = recorder

    def pytest_sessionfinish(self) -> None:
        """Send this process's coverage to the controlling process."""
        output: dict[str, Any] | None = getattr(self._config, "workeroutput", None)
        if output is not None:
            output[_OUTPUT_KEY] = [self._recorder.coverage.to_json(), self._recorder.late_scripts]

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Add the coverage of another process; a crashed one has sent none."""
        values, late_scripts = getattr(node, "workeroutput", {}).get(_OUTPUT_KEY, ([], []))
        self._recorder.coverage.add_json(values)
        self._recorder.late_scripts += late_scripts

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Show the table and write the files."""
        files = self._recorder.coverage.files
        terminalreporter.section("coverage of SharedWorkers")
        if not files:
            terminalreporter.line("No SharedWorker has run.")
        else:
            for line in format_table(files):
                terminalreporter.line(line)
        if late_scripts := self._recorder.late_scripts:
            terminalreporter.line(
                f"{len(late_scripts)} scripts ran before counting started: {sorted(set(late_scripts))}"
            )
        folder: Path | None = self._config.getoption("--worker-coverage-report")
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / LCOV_FILE).write_text(format_lcov(files), encoding="utf-8")
            (folder / COBERTURA_FILE).write_text(format_cobertura(files), encoding="utf-8")
            terminalreporter.line(f"written to {folder / LCOV_FILE} and {folder / COBERTURA_FILE}")
