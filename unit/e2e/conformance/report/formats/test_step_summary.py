"""GitHub's summary of a step: its contents, its escapes, its size, and when it is written."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from e2e.conformance.case import Level
from e2e.conformance.report.comparison import compare
from e2e.conformance.report.formats.step_summary import (
    FORMAT,
    GITHUB_LIMIT_BYTES,
    LIMIT_BYTES,
    VARIABLE,
    build_summary,
)
from e2e.conformance.report.report_format import ReportContext
from e2e.conformance.report.results_file import EarlierCase, EarlierResults, Standing
from unit.support.conformance_results import FAILED, NON_STRICT, OK, SKIPPED, STALE, UNDECIDED, collect

HOSTILE = (
    "</pre></td></table></details>\n\n# heading\n\n```\n<script>x</script>\n"
    "* [a](javascript:x) | @all &amp;\n"
)


class Text(HTMLParser):
    """The tags and the text of a summary."""

    def __init__(self, summary: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.text = ""
        self.feed(summary)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        assert attributes == []
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_summary_has_counts_and_what_fails_the_run() -> None:
    should = replace(UNDECIDED, id="flush/2/7", level=Level.SHOULD)
    results = collect(OK, FAILED, NON_STRICT, SKIPPED, STALE, UNDECIDED, should, problems=("cut",))
    summary = build_summary(results)
    assert summary.startswith("## Conformance: 2 of 4 MUST, 1 stale, incomplete\n")
    assert "<tr><td><code>one</code></td><td>1</td><td>2</td><td>1</td><td>1</td><td>2</td></tr>" in summary
    assert re.findall(r"<summary>(.*?): <code>(.*?)</code> on <code>one", summary) == [
        ("failed", "flush/2/2"),
        ("stale", "flush/2/5"),
        ("inconclusive", "flush/2/6"),
    ]
    for field in ("<pre>requirement</pre>", "<pre>expected</pre>", "<pre>3 POSTs&#10;more</pre>"):
        assert field in summary
    assert "<code>cut</code>" in summary


def test_summary_names_what_has_become_worse() -> None:
    earlier = EarlierResults(
        "earlier.json", {}, {("one", "flush/2/2"): EarlierCase(Standing(0, False), Level.MUST, "r")}
    )
    results = collect(OK, FAILED)
    summary = build_summary(results, compare(earlier, results, {}))
    assert "earlier.json</code>: 1 worse, 0 better, 1 new, 0 gone, 0 unchanged</p>" in summary
    assert "<p>Worse: <code>flush/2/2</code></p>" in summary


def test_hostile_text_stays_text_of_one_block() -> None:
    hostile = replace(
        FAILED,
        implementation=HOSTILE,
        requirement=HOSTILE,
        expected=HOSTILE,
        actual=HOSTILE,
        known_deviation=HOSTILE,
    )
    summary = build_summary(collect(hostile, problems=(HOSTILE,)))
    plain = build_summary(collect(replace(FAILED, known_deviation="x"), problems=("x",)))
    assert Text(summary).tags == Text(plain).tags
    assert Text(summary).text.count(HOSTILE.rstrip()) == 7
    # A blank line would end a block of HTML, and Markdown would begin.
    blocks = summary.strip().split("\n\n")
    assert len(blocks) == len(plain.strip().split("\n\n"))
    assert [block[:3] for block in blocks] == ["## ", "<p>", "<ta", "<de"]
    assert not [block for block in blocks[1:] if "\n" in block]


@pytest.mark.parametrize("limit", [0, 100, 300, 5_000, LIMIT_BYTES])
def test_summary_is_not_larger_than_its_limit(limit: int) -> None:
    results = collect(
        *(replace(FAILED, id=f"flush/1/{number}", actual="\N{EURO SIGN}" * 4_000) for number in range(1, 400))
    )
    summary = build_summary(results, limit=limit)
    assert len(summary.encode()) <= limit
    listed = summary.count("<details>")
    assert listed < 399
    assert limit < 300 or f"… {399 - listed} failures are not listed here" in summary


def test_summary_is_appended_where_the_variable_names_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "summary.md"
    FORMAT.write(collect(OK), ReportContext(tmp_path, {}))
    monkeypatch.setenv(VARIABLE, "")
    FORMAT.write(collect(OK), ReportContext(tmp_path, {}))
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setenv(VARIABLE, str(file))
    file.write_text("before", encoding="utf-8")
    FORMAT.write(collect(OK), ReportContext(tmp_path, {}))
    assert file.read_text(encoding="utf-8").startswith("before\n\n## Conformance: 1 of 1 MUST\n\n<table>")


def test_full_file_stays_within_the_limit_of_github(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "summary.md"
    file.write_bytes(b"x" * (GITHUB_LIMIT_BYTES - 100))
    monkeypatch.setenv(VARIABLE, str(file))
    FORMAT.write(collect(OK, FAILED), ReportContext(tmp_path, {}))
    assert file.stat().st_size <= GITHUB_LIMIT_BYTES


def test_file_that_cannot_be_written_costs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    FORMAT.write(collect(OK), ReportContext(tmp_path, {}))
