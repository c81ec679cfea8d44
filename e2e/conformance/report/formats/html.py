"""index.html: one page without script or external files, so that it opens offline and prints.

The template escapes all text. In addition the page's Content-Security-Policy forbids scripts, so that text of
a system under test would stay text even if an escape were missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import jinja2
from markupsafe import Markup

from e2e.conformance.case import Level, Verdict, get_family, sort_key
from e2e.conformance.report.formats.results_json import RESULTS_FILE
from e2e.conformance.report.report_format import FileFormat, ReportContext
from e2e.conformance.report.results import Results
from e2e.conformance.report.timeline import Kind
from e2e.conformance.report.timeline_svg import draw_shapes, draw_timeline
from e2e.conformance.report.verdicts import CaseResult

PAGE_FILE = "index.html"
TEMPLATE_FILE = "page.html.j2"
STYLE_FILE = "page.css"

# A symbol beside color and word, because a reader may lack any one of them.
SYMBOLS = {
    Verdict.OK: "✓",
    Verdict.NON_STRICT: "△",
    Verdict.FAILED: "✗",
    Verdict.INCONCLUSIVE: "?",
    Verdict.UNIMPLEMENTED: "○",
}
VERDICT_MEANINGS = {
    Verdict.OK: "the requirement holds",
    Verdict.NON_STRICT: "a SHOULD or MAY does not hold; the run can still be successful",
    Verdict.FAILED: "a MUST does not hold, or the case could not be run",
    Verdict.INCONCLUSIVE: "the case did not exercise its subject; a run with such a MUST is not successful",
    Verdict.UNIMPLEMENTED: "the case does not apply to the implementation",
}
NOTE_MEANINGS = {
    "known": "a known deviation, with its reason; it does not excuse a MUST",
    "stale": "a known deviation that did not occur: remove it from known_deviations",
}
MARK_MEANINGS = {
    Kind.OPENED: "a tab connects to the worker",
    Kind.EVENTS: "a tab logs events",
    Kind.MESSAGE: "a tab posts another message",
    Kind.CLOSED: "a tab closes",
    Kind.STARTED: "a worker starts",
    Kind.REQUESTED: "a request without a batch, such as the one for the configuration",
    Kind.FLUSHED: "a worker sends a batch",
    Kind.ERROR: "an uncaught error",
    Kind.ENDED: "a worker ends",
    Kind.TOXIC: "a toxic or a route of the gateway",
    Kind.RESPONDED: "the server responds with success",
    Kind.REFUSED: "the server responds with another status",
    Kind.RECEIVED: "the sender receives a response that the gateway delayed or replaced",
    Kind.ABORTED: "the sender receives no response",
}
VERDICTS_IN_ORDER = (
    Verdict.FAILED,
    Verdict.INCONCLUSIVE,
    Verdict.NON_STRICT,
    Verdict.UNIMPLEMENTED,
    Verdict.OK,
)


@dataclass(frozen=True)
class Cell:
    """A place in the matrix; `result` is None where the case did not run on the implementation."""

    anchor: str
    implementation: str
    result: CaseResult | None


@dataclass(frozen=True)
class Row:
    """A case on all implementations."""

    id: str
    level: Level
    requirement: str
    cells: list[Cell]

    @property
    def anchor(self) -> str:
        """The part of a link to the case that stays the same from report to report."""
        return self.id.replace("/", "-")

    @property
    def passes(self) -> bool:
        """Whether every cell is ok and no known deviation is stale."""
        results = [cell.result for cell in self.cells if cell.result]
        return all(result.verdict is Verdict.OK and not result.stale_deviation for result in results)


@dataclass(frozen=True)
class Summary:
    """The numbers of an implementation. `levels`: level, number of ok cases, number of all cases."""

    name: str
    description: str
    levels: list[tuple[Level, int, int]]
    verdicts: list[tuple[Verdict, int]]
    known: int
    stale: int
    seconds: float


def render_page(
    results: Results,
    descriptions: Mapping[str, str],
    now: datetime | None = None,
    environment: Mapping[str, str] | None = None,
) -> str:
    """Return the page; `now` is the time that it shows as its own (default: the current time, in UTC)."""
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return templates.get_template(TEMPLATE_FILE).render(
        families=_build_families(results),
        summaries=[
            _build_summary(results, name, descriptions.get(name, "")) for name in results.implementations
        ],
        problems=results.problems,
        environment=environment or {},
        symbols=SYMBOLS,
        verdict_meanings=VERDICT_MEANINGS,
        note_meanings=NOTE_MEANINGS,
        mark_meanings=MARK_MEANINGS,
        draw_timeline=draw_timeline,
        shapes=draw_shapes(),
        written=(now or datetime.now(timezone.utc)).strftime("%Y-%m-%d %H:%M UTC"),
        results_file=RESULTS_FILE,
        style=Markup((Path(__file__).parent / STYLE_FILE).read_text(encoding="utf-8")),
    )


def _render(results: Results, context: ReportContext) -> str:
    return render_page(results, context.descriptions, environment=context.environment)


FORMAT = FileFormat("html", PAGE_FILE, _render)


def _build_families(results: Results) -> list[tuple[str, list[Row]]]:
    by_case: dict[str, dict[str, CaseResult]] = {}
    for result in results:
        by_case.setdefault(result.id, {})[result.implementation] = result
    families: dict[str, list[Row]] = {}
    for number, case_id in enumerate(sorted(by_case, key=sort_key)):
        found = by_case[case_id]
        cells = [
            Cell(f"verdict-{number}-{column}", name, found.get(name))
            for column, name in enumerate(results.implementations)
        ]
        first = next(iter(found.values()))
        row = Row(case_id, first.level, first.requirement, cells)
        families.setdefault(get_family(case_id), []).append(row)
    return list(families.items())


def _build_summary(results: Results, name: str, description: str) -> Summary:
    of_implementation = results.get_results(name)
    counts = results.count_verdicts(name)
    levels = [
        (level, counts[level, Verdict.OK], sum(counts[level, verdict] for verdict in Verdict))
        for level in Level
    ]
    verdicts = [(verdict, sum(counts[level, verdict] for level in Level)) for verdict in VERDICTS_IN_ORDER]
    stale = sum(result.stale_deviation for result in of_implementation)
    return Summary(
        name=name,
        description=description,
        levels=[(level, passed, total) for level, passed, total in levels if total],
        verdicts=[(verdict, count) for verdict, count in verdicts if count],
        known=sum(result.known_deviation is not None for result in of_implementation) - stale,
        stale=stale,
        seconds=sum(result.seconds for result in of_implementation),
    )
