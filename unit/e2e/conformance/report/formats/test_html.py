"""The page: its contents, and that text of a system under test is escaped.

How it looks is not tested.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from datetime import datetime, timezone
from html.parser import HTMLParser

import pytest

from e2e.conformance.case import Level, Verdict
from e2e.conformance.report.comparison import compare
from e2e.conformance.report.formats.html import MARK_MEANINGS, SYMBOLS, VERDICT_MEANINGS, render_page
from e2e.conformance.report.results import Results
from e2e.conformance.report.results_file import EarlierCase, EarlierResults, Standing
from e2e.conformance.report.sanitize import MAX_CHARACTERS, clean, take_first_lines
from e2e.conformance.report.timeline import Kind, Mark, build_timeline
from e2e.conformance.report.verdicts import CaseResult
from unit.support.conformance_results import collect

NOW = datetime(2026, 1, 2, 3, 4, tzinfo=timezone.utc)
HOSTILE = "<script>alert(1)</script>\"><img src=x onerror=alert(1)>'{{ 7 * 7 }}</pre></style>"
PASSES = CaseResult("one", "flush/2/1", Level.MUST, "a requirement", "an expectation", "a source", Verdict.OK)


class Outline(HTMLParser):
    """The elements of a page with their attributes, and its text without the style sheet."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._inside: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))
        self._inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._inside and self._inside.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self._inside):
            self.text += data

    def all(self, attribute: str) -> list[str]:
        """Return every value of an attribute, in order."""
        return [values[attribute] or "" for _, values in self.elements if attribute in values]

    def find_all(self, tag: str) -> list[dict[str, str | None]]:
        """Return the attributes of the elements of a kind."""
        return [values for name, values in self.elements if name == tag]

    def find(self, name: str) -> list[dict[str, str | None]]:
        """Return the attributes of the elements of a class."""
        return [values for _, values in self.elements if values.get("class") == name]


def render(*found: CaseResult, problems: tuple[str, ...] = (), **descriptions: str) -> Outline:
    results = Results()
    for result in found:
        results.add(result)
    results.problems += problems
    return Outline(render_page(results, descriptions, NOW))


def test_each_verdict_opens_its_own_panel() -> None:
    outline = render(
        PASSES,
        replace(PASSES, id="batch/1/1", verdict=Verdict.FAILED),
        replace(PASSES, implementation="two", verdict=Verdict.NON_STRICT, level=Level.SHOULD),
    )
    panels = [values["id"] for tag, values in outline.elements if tag == "article" and "popover" in values]
    openers = [
        target for target in outline.all("popovertarget") if outline.all("popovertarget").count(target) >= 2
    ]
    assert len(panels) == 3
    assert set(openers) == set(panels)
    assert len(set(outline.all("id"))) == len(outline.all("id"))
    assert set(outline.all("aria-labelledby")) <= set(outline.all("id"))


def test_case_that_did_not_run_is_marked() -> None:
    outline = render(PASSES, replace(PASSES, implementation="two", id="flush/2/2"))
    assert outline.text.count("not run") == 2 + 1  # One in the filters.


def test_cases_of_workers_and_servers_have_tables_of_their_own() -> None:
    outline = render(
        PASSES,
        replace(PASSES, implementation="two"),
        replace(PASSES, implementation="a server", id="server/ingest/1/1"),
        replace(PASSES, implementation="two", id="server/ingest/1/2"),  # A name of a worker too.
    )
    assert len(outline.find_all("table")) == 2
    headers = [values for tag, values in outline.elements if values.get("scope") == "col"]
    assert len(headers) == 2 + 2 + 2
    assert outline.text.count("not run") == 2 + 1
    assert outline.text.index("Worker cases") < outline.text.index("Server cases")
    assert len(render(PASSES).find_all("table")) == 1


def test_what_fails_the_run_comes_before_the_tables() -> None:
    found = render(
        PASSES,
        replace(PASSES, id="flush/2/2", verdict=Verdict.FAILED, actual="3 POSTs\ntwice"),
        replace(PASSES, id="flush/2/3", known_deviation="why", stale_deviation=True),
        replace(PASSES, id="flush/2/4", verdict=Verdict.NON_STRICT, level=Level.SHOULD),
        replace(PASSES, id="flush/2/5", verdict=Verdict.INCONCLUSIVE),
        replace(PASSES, id="flush/2/6", verdict=Verdict.INCONCLUSIVE, level=Level.SHOULD),
    )
    head, _, rest = found.text.partition("Worker cases")
    assert "What fails the run: 3" in head
    assert "3 POSTs\ntwice" in head
    assert [number for number in range(1, 7) if f"flush/2/{number}" in head] == [2, 3, 5]
    assert "flush/2/1" in rest
    assert "What fails the run" not in render(PASSES).text


def test_only_a_short_list_of_failures_is_open() -> None:
    bad = [replace(PASSES, id=f"flush/2/{number}", verdict=Verdict.FAILED) for number in range(1, 27)]
    assert [{"class": "failures", "open": None}] == render(*bad[:25]).find("failures")
    assert [{"class": "failures"}] == render(*bad).find("failures")


@pytest.mark.parametrize("verdict", list(Verdict))
def test_verdict_has_a_word_and_a_symbol(verdict: Verdict) -> None:
    text = render(replace(PASSES, verdict=verdict)).text
    assert verdict.value in text
    assert SYMBOLS[verdict] in text


def test_legend_explains_each_verdict_and_mark() -> None:
    assert set(VERDICT_MEANINGS) == set(Verdict)
    assert set(MARK_MEANINGS) == set(Kind)
    text = render(PASSES).text
    assert all(meaning in text for meaning in (*VERDICT_MEANINGS.values(), *MARK_MEANINGS.values()))


def test_symbols_differ() -> None:
    assert len(set(SYMBOLS.values())) == len(Verdict)


def test_panel_has_all_fields() -> None:
    result = replace(
        PASSES,
        verdict=Verdict.FAILED,
        actual="3 POSTs",
        known_deviation="sends at once",
        details="ok 3\nlost 0",
        seconds=1.25,
    )
    text = render(result, one="a description").text
    for expected in (
        "a requirement",
        "an expectation",
        "3 POSTs",
        "a source",
        "sends at once",
        "ok 3\nlost 0",
        "1.2 s",
    ):
        assert expected in text
    assert "a description" in text
    assert "2026-01-02 03:04 UTC" in text


def test_stale_deviation_is_shown() -> None:
    text = render(replace(PASSES, known_deviation="sends at once", stale_deviation=True)).text
    assert "stale known deviations: 1" in text
    assert "Stale known deviation: the case passes now" in text


def test_hostile_text_is_escaped_everywhere() -> None:
    hostile = CaseResult(
        implementation=HOSTILE,
        id="flush/2/1",
        level=Level.MUST,
        requirement=HOSTILE,
        expected=HOSTILE,
        source=HOSTILE,
        verdict=Verdict.FAILED,
        actual=HOSTILE,
        known_deviation=HOSTILE,
        details=HOSTILE,
        timeline=build_timeline(HOSTILE, (HOSTILE,), [Mark(0.0, HOSTILE, Kind.EVENTS, HOSTILE)]),
    )
    outline = render(hostile, problems=(HOSTILE,), **{HOSTILE: HOSTILE})
    made = build_timeline("x", ("x",), [Mark(0.0, "x", Kind.EVENTS, "x")])
    harmless = render(replace(PASSES, timeline=made), problems=("x",), one="x")
    assert {tag for tag, _ in outline.elements} <= {tag for tag, _ in harmless.elements} | {"h4", "pre"}
    assert not [name for _, values in outline.elements for name in values if name.startswith("on")]
    assert outline.text.count(HOSTILE) >= 9


def test_page_has_no_external_files_and_allows_no_script_but_its_own() -> None:
    page = render_page(Results(), {}, NOW)
    outline = Outline(page)
    assert not outline.all("src")
    assert all(target.startswith("#") for target in outline.all("href"))
    assert not [tag for tag, _ in outline.elements if tag in ("link", "iframe", "base", "object")]
    (script,) = re.findall(r"<script[^>]*>(.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = outline.all("content")[0]
    assert policy.split("; ") == [
        "default-src 'none'",
        f"script-src 'sha256-{digest}'",
        "style-src 'unsafe-inline'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
    ]


def test_page_shows_what_has_changed() -> None:
    results = collect(replace(PASSES, verdict=Verdict.FAILED), replace(PASSES, id="flush/2/2"))
    earlier = EarlierResults(
        HOSTILE,
        {"commit": HOSTILE},
        {
            ("one", "flush/2/1"): EarlierCase(Standing(0, False), Level.MUST, "a requirement"),
            ("one", "flush/2/3"): EarlierCase(Standing(0, False), Level.MUST, HOSTILE),
            (HOSTILE, "flush/2/3"): EarlierCase(Standing(0, False), Level.MUST, "a requirement"),
        },
    )
    page = render_page(results, {}, NOW, comparison=compare(earlier, results, {}))
    outline = Outline(page)
    assert outline.find("compared") == [{"class": "compared", "open": None}]
    assert outline.text.count(HOSTILE) == 4
    assert [value for value in outline.all("data-change")] == ["worse", "new"]
    assert "worse, was ok" in outline.text
    assert "1 worse, 0 better, 1 new, 1 gone, 0 unchanged" in outline.text
    assert set(target.removeprefix("#") for target in outline.all("href")) <= set(outline.all("id"))


def test_filters_offer_what_the_report_has() -> None:
    outline = render(
        PASSES,
        replace(PASSES, id="flush/2/2", implementation="two", verdict=Verdict.FAILED, known_deviation="why"),
        replace(PASSES, id="batch/2/2", implementation="two", verdict=Verdict.NON_STRICT, level=Level.MAY),
    )
    values = [(each.get("name"), each.get("value")) for each in outline.find_all("input")]
    assert values == [
        ("text", None),
        ("level", "MUST"),
        ("level", "MAY"),
        *(("verdict", word) for word in ("failed", "non-strict", "ok", "not run", "known")),
        ("implementation", "one"),
        ("implementation", "two"),
        ("only", "1"),
    ]
    assert [each["value"] for each in outline.find_all("option")] == ["", "batch", "flush"]


def test_panel_of_a_failed_case_links_its_timeline() -> None:
    results = collect(PASSES, replace(PASSES, implementation="two", verdict=Verdict.FAILED))
    files = {("two", "flush/2/1"): "timelines/a.html"}
    outline = Outline(render_page(results, {}, NOW, timeline_files=files))
    assert [link for link in outline.all("href") if not link.startswith("#")] == ["timelines/a.html"]


def test_timeline_is_a_picture_and_lines_of_text() -> None:
    marks = [Mark(30.0, "worker", Kind.FLUSHED, "#1 POST"), Mark(30.0, "server", Kind.RESPONDED, "#1 200")]
    made = build_timeline("seconds of virtual time", ("worker", "server"), marks)
    outline = render(replace(PASSES, timeline=made), replace(PASSES, id="flush/2/2"))
    cases, panels = ["#flush-2-1", "#flush-2-2"], ["#flush-2-1.one", "#flush-2-2.one"]
    assert outline.all("href") == [*cases, panels[0], "#mark-flushed", "#mark-responded", panels[1]]
    assert set(target.removeprefix("#") for target in outline.all("href")) <= set(outline.all("id"))
    assert "    30.000  worker  ▲ #1 POST\n    30.000  server  ■ #1 200" in outline.text
    assert ("pre", {"tabindex": "0", "class": "lines"}) in outline.elements


def test_large_report_is_smaller_than_three_megabytes() -> None:
    marks = [Mark(float(number), "worker", Kind.FLUSHED, "x" * 60, number) for number in range(20)]
    made = build_timeline("seconds of virtual time", ("worker",), marks)
    text = "One sentence of a usual length, which says what a case requires or has seen."
    results = Results()
    for implementation in ("one", "two", "three", "four"):
        for number in range(1, 101):
            result = replace(PASSES, implementation=implementation, id=f"flush/1/{number}", timeline=made)
            results.add(replace(result, requirement=text, expected=text, actual=text, source=text))
    assert len(render_page(results, {}, NOW).encode()) < 3_000_000


def test_empty_run_is_stated() -> None:
    assert "No case was judged." in render().text


@pytest.mark.parametrize(
    ("text", "visible"),
    [
        ("\x00\x1b[2J\r", r"\x00\x1b[2J\x0d"),
        ("\ud800\udc00", r"\ud800\udc00"),
        ("a\u202eb\u2066c\u2028d", r"a\u202eb\u2066c\u2028d"),
        ("tab\tline\r\nline\n", "tab\tline\nline\n"),
        ("Grüße, 日本 👩‍💻 עברית", "Grüße, 日本 👩‍💻 עברית"),
    ],
)
def test_only_active_characters_are_escaped(text: str, visible: str) -> None:
    assert clean(text) == visible


def test_long_text_is_cut_with_a_count() -> None:
    assert clean("x" * (MAX_CHARACTERS + 7)) == "x" * MAX_CHARACTERS + "… (7 more characters)"
    assert take_first_lines("a\nb\nc\nd", 2) == "a\nb\n… (2 more lines)"
