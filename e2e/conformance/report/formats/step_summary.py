"""The summary that GitHub Actions shows on the page of a run, appended to the file in $GITHUB_STEP_SUMMARY.

It is Markdown whose tables are blocks of HTML. In such a block, which ends with a blank line, Markdown has no
meaning: text of a system under test, with its markup escaped and without a line break, stays text.
"""

from __future__ import annotations

import html
import os
from collections.abc import Iterator
from pathlib import Path

from e2e.conformance.report.badge import build_badge
from e2e.conformance.report.comparison import ChangeKind, Comparison
from e2e.conformance.report.page_model import VERDICTS_IN_ORDER
from e2e.conformance.report.report_format import ReportContext
from e2e.conformance.report.results import Results
from e2e.conformance.report.verdicts import STALE_ADVICE, CaseResult

VARIABLE = "GITHUB_STEP_SUMMARY"
GITHUB_LIMIT_BYTES = 1024 * 1024
"""GitHub refuses a larger file, which the other commands of a step write to too."""
LIMIT_BYTES = GITHUB_LIMIT_BYTES // 2
MAX_CHARACTERS = 1_500
MAX_NAMES = 50
_REST_BYTES = 200
"""Room for the line that says what is left out."""


class StepSummaryFormat:
    """A summary for people, where the variable names a file."""

    name = "step-summary"
    file_name = None

    def write(self, results: Results, context: ReportContext) -> None:
        """Append the summary. A file that cannot be written costs the run nothing."""
        name = os.environ.get(VARIABLE)
        if not name:
            return
        path = Path(name)
        try:
            used = path.stat().st_size if path.exists() else 0
            # A blank line ends what another command has written there.
            start = "\n\n" if used else ""
            limit = min(LIMIT_BYTES, GITHUB_LIMIT_BYTES - used) - len(start)
            text = start + build_summary(results, context.comparison, limit)
            with path.open("ab") as file:
                file.write(text.encode("utf-8", "backslashreplace"))
        except OSError as error:
            if context.terminal is not None:
                context.terminal.write_line(f"${VARIABLE} cannot be written: {error.strerror or error}")


FORMAT = StepSummaryFormat()


def build_summary(results: Results, comparison: Comparison | None = None, limit: int = LIMIT_BYTES) -> str:
    """Return Markdown of at most `limit` bytes; what does not fit is counted at its end."""
    failures = [result for result in results if result.fails_run or result.stale_deviation]
    blocks = [*_build_head(results, comparison), *map(_build_failure, failures)]
    head = len(blocks) - len(failures)
    text = ""
    size = 0
    for number, block in enumerate(blocks):
        part = f"\n{block}\n" if number else f"{block}\n"
        size += len(part.encode("utf-8", "backslashreplace"))
        if size > limit - _REST_BYTES:
            missing = len(failures) - max(0, number - head)
            rest = f"\n… {missing} failures are not listed here: see the report.\n"
            return text + rest if limit >= _REST_BYTES else ""
        text += part
    return text


def _build_head(results: Results, comparison: Comparison | None) -> Iterator[str]:
    yield f"## Conformance: {build_badge(results).message}"
    for problem in results.problems:
        yield f"<p>The run is incomplete: <code>{_escape(problem)}</code></p>"
    if results.implementations:
        yield _build_counts(results)
    if comparison is not None:
        yield f"<p>Compared with <code>{_escape(comparison.file)}</code>: {comparison.counts}</p>"
        worse = comparison.get_changes(ChangeKind.WORSE)
        if worse:
            names = [f"<code>{_escape(each.id)}</code>" for each in worse[:MAX_NAMES]]
            more = f" and {len(worse) - MAX_NAMES} more" if len(worse) > MAX_NAMES else ""
            yield f"<p>Worse: {', '.join(names)}{more}</p>"


def _build_counts(results: Results) -> str:
    rows = ["<tr><th>implementation</th>" + "".join(f"<th>{each.value}</th>" for each in VERDICTS_IN_ORDER)]
    for name in results.implementations:
        found = [result.verdict for result in results.get_results(name)]
        counts = "".join(f"<td>{found.count(verdict)}</td>" for verdict in VERDICTS_IN_ORDER)
        rows.append(f"<tr><td><code>{_escape(name)}</code></td>{counts}")
    return f"<table>{''.join(f'{row}</tr>' for row in rows)}</table>"


def _build_failure(result: CaseResult) -> str:
    verdict = "stale" if result.stale_deviation else result.verdict and result.verdict.value
    title = f"{verdict}: <code>{_escape(result.id)}</code> on <code>{_escape(result.implementation)}</code>"
    fields = {
        "requirement": result.requirement,
        "expected": result.expected,
        "actual": STALE_ADVICE if result.stale_deviation else result.actual,
        "known deviation": result.known_deviation,
    }
    rows = [
        f"<tr><th>{name}</th><td><pre>{_escape(text)}</pre></td></tr>"
        for name, text in fields.items()
        if text
    ]
    return f"<details><summary>{title}</summary><table>{''.join(rows)}</table></details>"


def _escape(text: str) -> str:
    """Return text for a block of HTML: without markup, in one line, cut."""
    cut = text if len(text) <= MAX_CHARACTERS else f"{text[:MAX_CHARACTERS]}…"
    return "&#10;".join(html.escape(line) for line in cut.splitlines())
