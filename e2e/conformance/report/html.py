"""The report as one page: no script, no file beside it, nothing fetched; opens offline and prints.

The template escapes everything. The page forbids scripts to itself as well, so that text of a system
under test would stay text even if an escape were missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import jinja2
from markupsafe import Markup

from e2e.conformance.case import Level, Verdict, get_family, sort_key
from e2e.conformance.report.atomic_write import write_atomically
from e2e.conformance.report.results import RESULTS_FILE, Results
from e2e.conformance.report.timeline_svg import picture, shapes
from e2e.conformance.report.verdicts import CaseResult

PAGE_FILE = "index.html"
TEMPLATE_FILE = "page.html.j2"
STYLE_FILE = "page.css"

# Shape as well as colour and word: a reader may lack any one of them.
SYMBOLS = {Verdict.OK: "✓", Verdict.NON_STRICT: "△", Verdict.FAILED: "✗", Verdict.UNIMPLEMENTED: "○"}
VERDICTS_IN_ORDER = (Verdict.FAILED, Verdict.NON_STRICT, Verdict.UNIMPLEMENTED, Verdict.OK)


@dataclass(frozen=True)
class Cell:
    """One place of the matrix; `judged` is None where the case did not run on the implementation."""

    anchor: str
    implementation: str
    judged: CaseResult | None


@dataclass(frozen=True)
class Row:
    """A case on all implementations."""

    id: str
    level: Level
    requirement: str
    cells: list[Cell]

    @property
    def holds(self) -> bool:
        """Whether every cell is ok and nothing in the row asks for attention."""
        judged = [cell.judged for cell in self.cells if cell.judged]
        return all(one.verdict is Verdict.OK and not one.stale_deviation for one in judged)


@dataclass(frozen=True)
class Summary:
    """An implementation in numbers."""

    name: str
    description: str
    levels: list[tuple[Level, int, int]]
    verdicts: list[tuple[Verdict, int]]
    must_failed: int
    known: int
    stale: int
    seconds: float


def write_html(book: Results, directory: Path, descriptions: Mapping[str, str]) -> Path:
    """Write index.html into the folder. `descriptions` says what each implementation is."""
    path = directory / PAGE_FILE
    write_atomically(path, render(book, descriptions))
    return path


def render(book: Results, descriptions: Mapping[str, str], now: datetime | None = None) -> str:
    """The page as text; `now` is the moment that it states as its own (default: this one, in UTC)."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(TEMPLATE_FILE).render(
        families=_families(book),
        summaries=[_summary(book, name, descriptions.get(name, "")) for name in book.implementations],
        problems=book.problems,
        successful=book.successful,
        symbols=SYMBOLS,
        picture=picture,
        shapes=shapes(),
        written=(now or datetime.now(timezone.utc)).strftime("%Y-%m-%d %H:%M UTC"),
        results_file=RESULTS_FILE,
        style=Markup((Path(__file__).parent / STYLE_FILE).read_text(encoding="utf-8")),
    )


def _families(book: Results) -> list[tuple[str, list[Row]]]:
    by_case: dict[str, dict[str, CaseResult]] = {}
    for judged in book:
        by_case.setdefault(judged.id, {})[judged.implementation] = judged
    families: dict[str, list[Row]] = {}
    for number, case_id in enumerate(sorted(by_case, key=sort_key)):
        found = by_case[case_id]
        cells = [
            Cell(f"verdict-{number}-{column}", name, found.get(name))
            for column, name in enumerate(book.implementations)
        ]
        any_of_them = next(iter(found.values()))
        row = Row(case_id, any_of_them.level, any_of_them.requirement, cells)
        families.setdefault(get_family(case_id), []).append(row)
    return list(families.items())


def _summary(book: Results, name: str, description: str) -> Summary:
    judgements = book.of(name)
    counts = book.counts(name)
    levels = [
        (level, counts[level, Verdict.OK], sum(counts[level, verdict] for verdict in Verdict))
        for level in Level
    ]
    verdicts = [(verdict, sum(counts[level, verdict] for level in Level)) for verdict in VERDICTS_IN_ORDER]
    return Summary(
        name=name,
        description=description,
        levels=[(level, held, total) for level, held, total in levels if total],
        verdicts=[(verdict, count) for verdict, count in verdicts if count],
        must_failed=sum(judged.verdict is Verdict.FAILED for judged in judgements),
        known=sum(judged.known_deviation is not None and not judged.stale_deviation for judged in judgements),
        stale=sum(judged.stale_deviation for judged in judgements),
        seconds=sum(judged.seconds for judged in judgements),
    )
