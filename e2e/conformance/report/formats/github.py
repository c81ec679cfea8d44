"""Verdicts as GitHub's workflow commands: lines on stdout that become annotations of a commit.

The form and its escapes are those of GitHub's documentation of workflow commands.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from e2e.conformance.case import Verdict
from e2e.conformance.report.report_format import ReportContext
from e2e.conformance.report.results import Results
from e2e.conformance.report.verdicts import STALE_ADVICE, CaseResult

VARIABLE = "GITHUB_ACTIONS"


class GitHubFormat:
    """Annotations on the terminal, in a run of GitHub Actions only."""

    name = "github"
    file_name = None

    def write(self, results: Results, context: ReportContext) -> None:
        """Write the annotations."""
        if context.terminal is None or not is_github_actions():
            return
        context.terminal.ensure_newline()
        for line in build_workflow_commands(results):
            context.terminal.write_line(line)


FORMAT = GitHubFormat()


def is_github_actions() -> bool:
    """Whether this is a run of GitHub Actions, which sets the variable to "true"."""
    return os.environ.get(VARIABLE, "").lower() == "true"


def build_workflow_commands(results: Results) -> Iterator[str]:
    """Yield a line for each case that does not pass; the ones that fail the run come first.

    GitHub shows ten annotations of each kind in a step.
    """
    for problem in results.problems:
        yield _format_command("error", "the run is incomplete", problem)
    for result in results:
        if result.fails_run:
            yield _format_command("error", _format_title(result), _format_message(result))
        elif result.stale_deviation:
            yield _format_command("error", _format_title(result), STALE_ADVICE)
    for result in results:
        if result.verdict in (Verdict.NON_STRICT, Verdict.INCONCLUSIVE) and not result.fails_run:
            command = "notice" if result.known_deviation else "warning"
            yield _format_command(command, _format_title(result), _format_message(result))


def _format_title(result: CaseResult) -> str:
    return f"{result.id} on {result.implementation}"


def _format_message(result: CaseResult) -> str:
    known = f"\nknown deviation: {result.known_deviation}" if result.known_deviation else ""
    return f"{result.requirement}\nexpected: {result.expected}\nactual: {result.actual}{known}"


def _format_command(command: str, title: str, message: str) -> str:
    return f"::{command} title={_escape_property(title)}::{_escape_data(message)}"


def _escape_data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escape_property(text: str) -> str:
    return _escape_data(text).replace(":", "%3A").replace(",", "%2C")
