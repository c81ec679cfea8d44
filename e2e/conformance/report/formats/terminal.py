"""The terminal: a line for each verdict while the cases run, and the number of verdicts at the end."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator

from e2e.conformance.case import Level, Verdict
from e2e.conformance.report.comparison import ChangeKind, Comparison
from e2e.conformance.report.durations import format_durations
from e2e.conformance.report.formats.html import PAGE_FILE
from e2e.conformance.report.report_format import ReportContext, Terminal
from e2e.conformance.report.results import Results
from e2e.conformance.report.timeline import Timeline
from e2e.conformance.report.verdicts import STALE_ADVICE, CaseResult

VERDICTS = (Verdict.OK, Verdict.NON_STRICT, Verdict.FAILED, Verdict.INCONCLUSIVE, Verdict.UNIMPLEMENTED)
VERDICT_WIDTH = max(len(verdict.value) for verdict in Verdict)
INDENT = "        "
TIMELINE_LINES = 40
"""Lines of a timeline below a case that does not pass; the report has all lines."""
MIN_REQUIREMENT_WIDTH = 40

CHANGES = 20
"""Changes of each kind that are printed after a comparison."""

_CHANGE_COLORS = {ChangeKind.WORSE: {"red": True}, ChangeKind.BETTER: {"green": True}}
_COLORS = {
    Verdict.OK: "green",
    Verdict.UNIMPLEMENTED: "cyan",
    Verdict.NON_STRICT: "yellow",
    Verdict.INCONCLUSIVE: "purple",
    Verdict.FAILED: "red",
}


class ResultPrinter:
    """Prints each result as it arrives; without a terminal it prints nothing."""

    def __init__(self, terminal: Terminal | None) -> None:
        self._terminal = terminal
        self._id_width = 0
        self._name_width = 0

    def print_result(self, number: int, total: int, result: CaseResult) -> None:
        """Print one line; below it expected and actual of a case that does not pass."""
        if self._terminal is None or result.verdict is None:
            return
        self._id_width = max(self._id_width, len(result.id))
        self._name_width = max(self._name_width, len(result.implementation))
        start = f"[{number:>{len(str(total))}}/{total}] "
        middle = f"  {result.id:<{self._id_width}}  {result.implementation:<{self._name_width}}  "
        end = f"  ({result.seconds:.1f} s)"
        room = _get_line_width() - len(start) - VERDICT_WIDTH - len(middle) - len(end) - 1
        self._terminal.ensure_newline()
        self._terminal.write(start)
        self._terminal.write(f"{result.verdict.value:<{VERDICT_WIDTH}}", **{_COLORS[result.verdict]: True})
        self._terminal.write(f"{middle}{_cut(result.requirement, room)}{end}\n", flush=True)
        for name, text in _list_remarks(result):
            label = f"{INDENT}{name + ':':<10}"
            first, *more = text.splitlines() or [""]
            self._terminal.write_line(f"{label}{first}")
            for line in more:
                self._terminal.write_line(f"{' ' * len(label)}{line}")


class TerminalFormat:
    """The numbers of each implementation and level, what is wrong with the run, and where the report is."""

    name = "terminal"
    file_name = None

    def write(self, results: Results, context: ReportContext) -> None:
        """Print the summary."""
        terminal = context.terminal
        if terminal is None:
            return
        terminal.ensure_newline()
        terminal.write_line("")
        for line in _format_matrix(results):
            terminal.write_line(line)
        for line in _list_problems(results):
            terminal.write_line(line, red=True)
        if context.show_durations:
            terminal.write_line("")
            for line in format_durations(results):
                terminal.write_line(line)
        if context.comparison is not None:
            terminal.write_line("")
            for line, markup in _list_changes(context.comparison):
                terminal.write_line(line, **markup)
        terminal.write_line(f"report: {context.directory / PAGE_FILE}")


FORMAT = TerminalFormat()


def _list_remarks(result: CaseResult) -> Iterator[tuple[str, str]]:
    undecided = (Verdict.UNIMPLEMENTED, Verdict.INCONCLUSIVE)
    does_not_pass = result.verdict in (Verdict.FAILED, Verdict.NON_STRICT)
    is_unexpected = does_not_pass and result.known_deviation is None
    if is_unexpected:
        yield "requires", result.requirement
    if does_not_pass:
        yield "expected", result.expected
        yield "actual", result.actual
    if result.verdict in undecided:
        yield "reason", result.actual
    if result.known_deviation:
        yield "stale" if result.stale_deviation else "known", result.known_deviation
    may_surprise = is_unexpected or result.verdict is Verdict.INCONCLUSIVE
    if may_surprise and result.timeline is not None:
        yield "timeline", _format_timeline(result.timeline)


def _format_timeline(timeline: Timeline) -> str:
    heading, *lines = timeline.format_lines()
    more = len(lines) - TIMELINE_LINES
    left_out = [f"… {more} earlier marks are in the report"] if more > 0 else []
    return "\n".join([heading, *left_out, *lines[-TIMELINE_LINES:]])


def _list_problems(results: Results) -> Iterator[str]:
    for problem in results.problems:
        yield f"The report is incomplete: {problem}."
    for result in results:
        if result.stale_deviation:
            yield f"{result.id} on {result.implementation}: {STALE_ADVICE}."


def _list_changes(comparison: Comparison) -> Iterator[tuple[str, dict[str, bool]]]:
    """Yield lines with their colors; of each kind the first changes only, the page has more."""
    yield f"compared with {comparison.file}: {comparison.counts}", {}
    width = max((len(change.id) for change in comparison.changes), default=0)
    for kind in ChangeKind:
        changes = comparison.get_changes(kind)
        for change in changes[:CHANGES]:
            line = f"{INDENT}{change.id:<{width}}  {change.implementation}: {change}"
            yield line, _CHANGE_COLORS.get(kind, {})
        if len(changes) > CHANGES:
            yield f"{INDENT}… {len(changes) - CHANGES} more {kind.value}", {}
    for names, which in ((comparison.only_before, "that file"), (comparison.only_now, "this run")):
        if names:
            yield f"{INDENT}not compared, only in {which}: {', '.join(names)}", {}


def _format_matrix(results: Results) -> list[str]:
    """Return the counts as a table of plain text; a level without cases is left out."""
    rows = [["", "", *(verdict.value for verdict in VERDICTS)]]
    for name in results.implementations:
        counts = results.count_verdicts(name)
        for level in Level:
            numbers = [counts[level, verdict] for verdict in VERDICTS]
            if any(numbers):
                rows.append([name, level.value, *(str(number) if number else "-" for number in numbers)])
    if len(rows) == 1:
        return ["No case was judged."]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(_pad(row, widths)).rstrip() for row in rows]


def _pad(row: list[str], widths: list[int]) -> list[str]:
    texts = [f"{cell:<{width}}" for cell, width in zip(row[:2], widths[:2], strict=True)]
    return texts + [f"{cell:>{width}}" for cell, width in zip(row[2:], widths[2:], strict=True)]


def _get_line_width() -> int:
    """Return the columns of the terminal; without a terminal, lines have no limit."""
    return shutil.get_terminal_size().columns if sys.__stdout__ and sys.__stdout__.isatty() else sys.maxsize


def _cut(text: str, room: int) -> str:
    line = " ".join(text.split())
    room = max(room, MIN_REQUIREMENT_WIDTH)
    return line if len(line) <= room else f"{line[: room - 1]}…"
