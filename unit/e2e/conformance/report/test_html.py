"""The page: what stands on it, and that text of a system under test stays text.

How it looks is not here; that takes eyes.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from html.parser import HTMLParser

import pytest

from e2e.conformance.case import Level, Verdict
from e2e.conformance.report.html import SYMBOLS, render
from e2e.conformance.report.results import Results
from e2e.conformance.report.sanitize import MAX_CHARACTERS, clean, first_lines
from e2e.conformance.report.timeline import Kind, Mark, timeline
from e2e.conformance.report.verdicts import CaseResult

NOW = datetime(2026, 1, 2, 3, 4, tzinfo=timezone.utc)
HOSTILE = "<script>alert(1)</script>\"><img src=x onerror=alert(1)>'{{ 7 * 7 }}</pre></style>"
HOLDS = CaseResult("one", "flush/2/1", Level.MUST, "a requirement", "an expectation", "a source", Verdict.OK)


class Outline(HTMLParser):
    """Elements with their attributes, and the text outside of style."""

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
        if "style" not in self._inside:
            self.text += data

    def all(self, attribute: str) -> list[str]:
        """Every value of an attribute, in order."""
        return [values[attribute] or "" for _, values in self.elements if attribute in values]


def page_of(*judgements: CaseResult, problems: tuple[str, ...] = (), **descriptions: str) -> Outline:
    book = Results()
    for judged in judgements:
        book.add(judged)
    book.problems += problems
    return Outline(render(book, descriptions, NOW))


def test_every_verdict_opens_its_own_panel() -> None:
    outline = page_of(
        HOLDS,
        replace(HOLDS, id="batch/1/1", verdict=Verdict.FAILED),
        replace(HOLDS, implementation="two", verdict=Verdict.NON_STRICT, level=Level.SHOULD),
    )
    panels = [values["id"] for tag, values in outline.elements if tag == "article" and "popover" in values]
    openers = [
        target for target in outline.all("popovertarget") if outline.all("popovertarget").count(target) == 2
    ]
    assert len(panels) == 3
    assert set(openers) == set(panels)
    assert len(set(outline.all("id"))) == len(outline.all("id"))
    assert set(outline.all("aria-labelledby")) <= set(outline.all("id"))


def test_what_did_not_run_on_an_implementation_is_said_to_be_so() -> None:
    outline = page_of(HOLDS, replace(HOLDS, implementation="two", id="flush/2/2"))
    assert outline.text.count("not run") == 2


@pytest.mark.parametrize("verdict", list(Verdict))
def test_a_verdict_is_a_word_and_a_symbol_and_not_only_a_colour(verdict: Verdict) -> None:
    text = page_of(replace(HOLDS, verdict=verdict)).text
    assert verdict.value in text
    assert SYMBOLS[verdict] in text


def test_symbols_differ() -> None:
    assert len(set(SYMBOLS.values())) == len(Verdict)


def test_a_panel_has_all_that_is_known() -> None:
    judged = replace(
        HOLDS,
        verdict=Verdict.FAILED,
        actual="3 POSTs",
        known_deviation="sends at once",
        details="ok 3\nlost 0",
        seconds=1.25,
    )
    text = page_of(judged, one="a description").text
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


def test_a_stale_deviation_stands_out() -> None:
    text = page_of(replace(HOLDS, known_deviation="sends at once", stale_deviation=True)).text
    assert "known, but hold now: 1" in text
    assert "Known deviation that holds now" in text


def test_hostile_text_stays_text_in_every_place() -> None:
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
        timeline=timeline(HOSTILE, (HOSTILE,), [Mark(0.0, HOSTILE, Kind.EVENTS, HOSTILE)]),
    )
    outline = page_of(hostile, problems=(HOSTILE,), **{HOSTILE: HOSTILE})
    told = timeline("x", ("x",), [Mark(0.0, "x", Kind.EVENTS, "x")])
    harmless = page_of(replace(HOLDS, timeline=told), problems=("x",), one="x")
    assert {tag for tag, _ in outline.elements} <= {tag for tag, _ in harmless.elements} | {"h4", "pre"}
    assert not [name for _, values in outline.elements for name in values if name.startswith("on")]
    assert outline.text.count(HOSTILE) >= 9


def test_the_page_needs_nothing_but_itself_and_forbids_itself_scripts() -> None:
    outline = page_of(HOLDS)
    assert not outline.all("src")
    assert all(target.startswith("#mark-") for target in outline.all("href"))
    assert not [tag for tag, _ in outline.elements if tag in ("script", "link", "iframe")]
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:" in outline.all("content")


def test_a_timeline_is_a_picture_and_the_same_as_text() -> None:
    marks = [Mark(30.0, "worker", Kind.FLUSHED, "#1 POST"), Mark(30.0, "server", Kind.ANSWERED, "#1 200")]
    told = timeline("seconds of virtual time", ("worker", "server"), marks)
    outline = page_of(replace(HOLDS, timeline=told), replace(HOLDS, id="flush/2/2"))
    assert outline.all("href") == ["#mark-flushed", "#mark-answered"]
    assert set(target.removeprefix("#") for target in outline.all("href")) <= set(outline.all("id"))
    assert "    30.000  worker  ▲ #1 POST\n    30.000  server  ■ #1 200" in outline.text
    assert ("pre", {"tabindex": "0", "class": "story"}) in outline.elements


def test_four_implementations_of_a_hundred_cases_are_less_than_three_megabytes() -> None:
    marks = [Mark(float(number), "worker", Kind.FLUSHED, "x" * 60, number) for number in range(20)]
    told = timeline("seconds of virtual time", ("worker",), marks)
    text = "One sentence of a usual length, which says what a case requires or has seen."
    book = Results()
    for implementation in ("one", "two", "three", "four"):
        for number in range(1, 101):
            judged = replace(HOLDS, implementation=implementation, id=f"flush/1/{number}", timeline=told)
            book.add(replace(judged, requirement=text, expected=text, actual=text, source=text))
    assert len(render(book, {}, NOW).encode()) < 3_000_000


def test_an_empty_run_says_so() -> None:
    assert "No case was judged." in page_of().text


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
def test_only_characters_that_do_something_are_written_as_escapes(text: str, visible: str) -> None:
    assert clean(text) == visible


def test_a_text_without_end_is_cut_and_says_by_how_much() -> None:
    assert clean("x" * (MAX_CHARACTERS + 7)) == "x" * MAX_CHARACTERS + "… (7 more characters)"
    assert first_lines("a\nb\nc\nd", 2) == "a\nb\n… (2 more lines)"
