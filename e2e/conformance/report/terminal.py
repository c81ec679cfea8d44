"""What a person sees while the cases run: a line a verdict, then the matrix in numbers."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Protocol

from e2e.conformance.case import Level, Verdict
from e2e.conformance.report import github
from e2e.conformance.report.durations import costs
from e2e.conformance.report.results import Results
from e2e.conformance.report.timeline import Timeline
from e2e.conformance.report.verdicts import CaseResult

WORD_WIDTH = max(len(verdict.value) for verdict in Verdict)
INDENT = "        "
TIMELINE_LINES = 40
"""Lines of a timeline below a case that does not hold; the report has all."""
NARROWEST = 40

_COLOURS = {
    Verdict.OK: "green",
    Verdict.UNIMPLEMENTED: "cyan",
    Verdict.NON_STRICT: "yellow",
    Verdict.FAILED: "red",
}


class Output(Protocol):
    """The part of pytest's terminal reporter that is used; it colours on a terminal only."""

    def ensure_newline(self) -> None:
        """Begin a line where the cursor is inside one."""

    def write(self, content: str, *, flush: bool = False, **markup: bool) -> None:
        """Write text."""

    def write_line(self, line: str, **markup: bool) -> None:
        """Write a line."""


class Printer:
    """Writes verdicts through pytest's terminal reporter; without one it stays silent."""

    def __init__(self, output: Output | None) -> None:
        self._output = output
        self._id_width = 0
        self._name_width = 0

    def verdict(self, number: int, total: int, judged: CaseResult) -> None:
        """One line; below it expected and actual where the case does not hold."""
        if self._output is None or judged.verdict is None:
            return
        self._id_width = max(self._id_width, len(judged.id))
        self._name_width = max(self._name_width, len(judged.implementation))
        start = f"[{number:>{len(str(total))}}/{total}] "
        middle = f"  {judged.id:<{self._id_width}}  {judged.implementation:<{self._name_width}}  "
        end = f"  ({judged.seconds:.1f} s)"
        room = _line_width() - len(start) - WORD_WIDTH - len(middle) - len(end) - 1
        self._output.ensure_newline()
        self._output.write(start)
        self._output.write(f"{judged.verdict.value:<{WORD_WIDTH}}", **{_COLOURS[judged.verdict]: True})
        self._output.write(f"{middle}{_cut(judged.requirement, room)}{end}\n", flush=True)
        for name, text in _remarks(judged):
            self._remark(name, text)

    def summary(self, book: Results, page: Path, *, with_costs: bool = False) -> None:
        """Per implementation and level: how many cases have which verdict; then where the report is.

        Where GitHub reads along, its annotations come too.
        """
        if self._output is None:
            return
        self._output.ensure_newline()
        self._output.write_line("")
        for line in _matrix(book):
            self._output.write_line(line)
        for problem in book.problems:
            self._output.write_line(f"The report is not whole: {problem}.", red=True)
        for judged in book:
            if judged.stale_deviation:
                line = f"{judged.id} holds on {judged.implementation} now: remove it from known_deviations."
                self._output.write_line(line, red=True)
        if with_costs:
            self._output.write_line("")
            for line in costs(book):
                self._output.write_line(line)
        if github.is_reading():
            for line in github.workflow_commands(book):
                self._output.write_line(line)
        self._output.write_line(f"report: {page}")

    def _remark(self, name: str, text: str) -> None:
        label = f"{INDENT}{name + ':':<10}"
        first, *more = text.splitlines() or [""]
        if self._output is not None:
            self._output.write_line(f"{label}{first}")
            for line in more:
                self._output.write_line(f"{' ' * len(label)}{line}")


def _remarks(judged: CaseResult) -> list[tuple[str, str]]:
    remarks: list[tuple[str, str]] = []
    if judged.verdict in (Verdict.FAILED, Verdict.NON_STRICT):
        if judged.known_deviation is None:
            remarks.append(("requires", judged.requirement))
        remarks += [("expected", judged.expected), ("actual", judged.actual)]
    if judged.verdict is Verdict.UNIMPLEMENTED:
        remarks.append(("reason", judged.actual))
    if judged.known_deviation:
        name = "stale" if judged.stale_deviation else "known"
        remarks.append((name, judged.known_deviation))
    if judged.timeline is not None and _is_news(judged):
        remarks.append(("timeline", _timeline_text(judged.timeline)))
    return remarks


def _is_news(judged: CaseResult) -> bool:
    """Whether a case does not hold and nobody knew."""
    return judged.verdict in (Verdict.FAILED, Verdict.NON_STRICT) and judged.known_deviation is None


def _timeline_text(timeline: Timeline) -> str:
    heading, *lines = timeline.lines()
    more = len(lines) - TIMELINE_LINES
    left_out = [f"… {more} marks before these stand in the report"] if more > 0 else []
    return "\n".join([heading, *left_out, *lines[-TIMELINE_LINES:]])


def _matrix(book: Results) -> list[str]:
    """The counts as a table of plain text; a level without cases is left out."""
    verdicts = (Verdict.OK, Verdict.NON_STRICT, Verdict.FAILED, Verdict.UNIMPLEMENTED)
    rows = [["", "", *(verdict.value for verdict in verdicts)]]
    for name in book.implementations:
        counts = book.counts(name)
        for level in Level:
            numbers = [counts[level, verdict] for verdict in verdicts]
            if any(numbers):
                rows.append([name, level.value, *(str(number) if number else "-" for number in numbers)])
    if len(rows) == 1:
        return ["No case was judged."]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(_pad(row, widths)).rstrip() for row in rows]


def _pad(row: list[str], widths: list[int]) -> list[str]:
    texts = [f"{cell:<{width}}" for cell, width in zip(row[:2], widths[:2], strict=True)]
    return texts + [f"{cell:>{width}}" for cell, width in zip(row[2:], widths[2:], strict=True)]


def _line_width() -> int:
    """Columns of the terminal; what is not a terminal has no end of line."""
    return shutil.get_terminal_size().columns if sys.__stdout__ and sys.__stdout__.isatty() else sys.maxsize


def _cut(text: str, room: int) -> str:
    line = " ".join(text.split())
    room = max(room, NARROWEST)
    return line if len(line) <= room else f"{line[: room - 1]}…"
