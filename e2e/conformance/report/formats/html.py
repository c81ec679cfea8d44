"""index.html: one page without external files, so that it opens offline and prints.

A script filters the cases; without script the page shows every case. The template escapes all text. In
addition the page's Content-Security-Policy allows no script but its own, so that text of a system under test
would stay text even if an escape were missing.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path

import jinja2
from markupsafe import Markup

from e2e.conformance.case import Level, Verdict
from e2e.conformance.report.comparison import ChangeKind, Comparison
from e2e.conformance.report.page_model import (
    NOT_RUN,
    build_summaries,
    build_tables,
    list_failures,
    list_words,
)
from e2e.conformance.report.report_format import FileFormat, ReportContext
from e2e.conformance.report.results import Results
from e2e.conformance.report.results_file import RESULTS_FILE
from e2e.conformance.report.sanitize import take_first_lines
from e2e.conformance.report.timeline import Kind
from e2e.conformance.report.timeline_svg import draw_shapes, draw_timeline
from e2e.conformance.report.verdicts import STALE_ADVICE

PAGE_FILE = "index.html"
TEMPLATE_FILE = "page.html.j2"
STYLE_FILE = "page.css"
SCRIPT_FILE = "page.js"
MOST_OPEN_FAILURES = 25
"""A longer list of what fails the run is closed, so that the tables stay within reach."""

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


def render_page(
    results: Results,
    descriptions: Mapping[str, str],
    now: datetime | None = None,
    environment: Mapping[str, str] | None = None,
    comparison: Comparison | None = None,
    timeline_files: Mapping[tuple[str, str], str] | None = None,
) -> str:
    """Return the page; `now` is the time that it shows as its own (default: the current time, in UTC)."""
    tables = build_tables(results, comparison)
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script = _read(SCRIPT_FILE)
    templates.filters["first_lines"] = take_first_lines
    return templates.get_template(TEMPLATE_FILE).render(
        tables=tables,
        failures=list(list_failures(tables)),
        most_open_failures=MOST_OPEN_FAILURES,
        not_run=NOT_RUN,
        comparison=comparison,
        timeline_files=timeline_files or {},
        changes=list(ChangeKind) if comparison else [],
        changes_of_rows=[kind.value for kind in ChangeKind if kind is not ChangeKind.GONE],
        levels=[level.value for level in Level if any(result.level is level for result in results)],
        words=list_words(tables),
        stale_advice=STALE_ADVICE,
        summaries=build_summaries(results, descriptions),
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
        style=Markup(_read(STYLE_FILE)),
        script=Markup(script),
        script_hash=_hash(script),
    )


def _render(results: Results, context: ReportContext) -> str:
    return render_page(
        results,
        context.descriptions,
        environment=context.environment,
        comparison=context.comparison,
        timeline_files=context.timeline_files,
    )


def _read(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """Return the source expression by which the page's policy allows a script."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


FORMAT = FileFormat("html", PAGE_FILE, _render)
