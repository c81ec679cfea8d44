"""What a report format is; each module in `formats/` defines one under the name FORMAT."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from e2e.conformance.report.atomic_write import write_atomically
from e2e.conformance.report.comparison import Comparison
from e2e.conformance.report.results import Results


class Terminal(Protocol):
    """The part of pytest's terminal reporter that formats use; it writes colors on a real terminal only."""

    def ensure_newline(self) -> None:
        """End the current line if it has text."""

    def write(self, content: str, *, flush: bool = False, **markup: bool) -> None:
        """Write text."""

    def write_line(self, line: str, **markup: bool) -> None:
        """Write a line."""


@dataclass(frozen=True)
class ReportContext:
    """What a format needs beside the results.

    `descriptions` has a line of text for each implementation. `terminal` is None where pytest has none.
    `environment` tells where the run took place (see environment.py), `comparison` what has changed since an
    earlier run, with --compare. `timeline_files` has relative links to the plugin's timelines of failed
    cases, by implementation and id.
    """

    directory: Path
    descriptions: Mapping[str, str]
    terminal: Terminal | None = None
    show_durations: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
    comparison: Comparison | None = None
    timeline_files: Mapping[tuple[str, str], str] = field(default_factory=dict)


class ReportFormat(Protocol):
    """A form in which a run's results are presented. `file_name` is None for text on the terminal."""

    @property
    def name(self) -> str:
        """Short name of the format."""

    @property
    def file_name(self) -> str | None:
        """Name of the file in the report's folder."""

    def write(self, results: Results, context: ReportContext) -> None:
        """Write the results."""


@dataclass(frozen=True)
class FileFormat:
    """A format that is one text file."""

    name: str
    file_name: str
    render: Callable[[Results, ReportContext], str]

    def write(self, results: Results, context: ReportContext) -> None:
        """Write the file; a reader sees the old file or the new one, never a part of it."""
        write_atomically(context.directory / self.file_name, self.render(results, context))
