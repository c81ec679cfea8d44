"""Verdicts as GitHub's workflow commands: lines on stdout that become notes on a commit.

The form, and what has to be escaped in it, is that of GitHub's documentation of workflow commands.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from e2e.conformance.case import Verdict
from e2e.conformance.report.results import Results
from e2e.conformance.report.verdicts import CaseResult

VARIABLE = "GITHUB_ACTIONS"


def is_reading() -> bool:
    """Whether this is a run of GitHub Actions, which sets the variable to "true"."""
    return os.environ.get(VARIABLE, "").lower() == "true"


def workflow_commands(book: Results) -> Iterator[str]:
    """A line for whatever does not hold: what makes the run fail first, then what does not.

    GitHub shows ten of a kind in a step.
    """
    for problem in book.problems:
        yield _line("error", "the run is not whole", problem)
    for judged in book:
        if judged.verdict is Verdict.FAILED:
            yield _line("error", _title(judged), _message(judged))
        elif judged.stale_deviation:
            yield _line("error", _title(judged), "holds now: remove it from known_deviations")
    for judged in book:
        if judged.verdict is Verdict.NON_STRICT:
            command = "notice" if judged.known_deviation else "warning"
            yield _line(command, _title(judged), _message(judged))


def _title(judged: CaseResult) -> str:
    return f"{judged.id} on {judged.implementation}"


def _message(judged: CaseResult) -> str:
    known = f"\nknown deviation: {judged.known_deviation}" if judged.known_deviation else ""
    return f"{judged.requirement}\nexpected: {judged.expected}\nactual: {judged.actual}{known}"


def _line(command: str, title: str, message: str) -> str:
    return f"::{command} title={_property(title)}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
