"""The filters of the report's page, as a person uses them, and the page without script.

Not covered: how it looks.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from e2e.conformance.case import Level, Verdict
from e2e.conformance.report.formats.html import render_page
from e2e.conformance.report.results import Results
from e2e.conformance.report.verdicts import CaseResult

pytestmark = pytest.mark.usefixtures("needs_locators")

OK = CaseResult("one", "flush/1/1", Level.MUST, "a requirement", "1 POST", "a source", Verdict.OK)


def write_report(folder: Path, *, with_script: bool = True) -> str:
    """Write a page of five cases, three of them on a second implementation; return its URL."""
    results = Results()
    for result in (
        OK,
        replace(
            OK,
            id="flush/1/2",
            verdict=Verdict.FAILED,
            actual="3 POSTs at <b>\N{FULLWIDTH LATIN CAPITAL LETTER A}</b>",
        ),
        replace(OK, id="batch/1/1", level=Level.SHOULD, verdict=Verdict.NON_STRICT, known_deviation="known"),
        replace(OK, id="server/ingest/1/1", implementation="a server"),
        replace(OK, id="flush/1/1", implementation="two & <i>", verdict=Verdict.FAILED, actual="no POST"),
        replace(OK, id="flush/1/2", implementation="two & <i>"),
        replace(OK, id="batch/1/1", implementation="two & <i>", level=Level.SHOULD),
    ):
        results.add(result)
    file = folder / "index.html"
    text = render_page(results, {}, environment={"chromium": "1"})
    if not with_script:
        text = re.sub("<script.*?</script>", "", text, flags=re.DOTALL)
    file.write_text(text, encoding="utf-8")
    return file.as_uri()


def list_rows(page: Page) -> list[str]:
    """Return the ids of the cases that the tables show."""
    return page.locator("tr[data-level]:visible .id").all_text_contents()


def test_person_filters_cases_and_shares_the_address(page: Page, tmp_path: Path) -> None:
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    url = write_report(tmp_path)
    page.goto(url)
    count = page.get_by_role("status")
    expect(count).to_have_text("4 of 4 cases")

    page.get_by_label("Text", exact=True).fill("posts a")  # The page has a wide A.
    expect(count).to_have_text("1 of 4 cases")
    assert list_rows(page) == ["flush/1/2"]
    page.get_by_role("group", name="Level").get_by_label("SHOULD").check()
    expect(count).to_have_text("0 of 4 cases: no case fits")
    expect(page.get_by_role("table")).to_have_count(0)
    page.get_by_role("button", name="Show all cases").press("Enter")
    expect(count).to_have_text("4 of 4 cases")
    expect(page.get_by_label("Text", exact=True)).to_be_focused()

    page.get_by_role("group", name="Implementation").get_by_label("two & <i>").press("Space")
    expect(page.get_by_role("columnheader")).to_have_text(["Case", "two & <i>"])
    page.get_by_role("group", name="Verdict").get_by_label("failed").press("Space")
    expect(count).to_have_text("1 of 4 cases")
    assert list_rows(page) == ["flush/1/1"]  # flush/1/2 failed on the other one.
    expect(page.locator(".failures li:visible")).to_have_count(1)
    expect(page).to_have_url(f"{url}#?verdict=failed&implementation=two+%26+%3Ci%3E")
    shared = page.url

    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()

    page.goto("about:blank")
    page.goto(shared)
    expect(count).to_have_text("1 of 4 cases")
    expect(page.get_by_role("group", name="Verdict").get_by_label("failed")).to_be_checked()
    page.evaluate("location.hash = '#batch-1-1'")  # A link to a case that is not shown.
    expect(count).to_have_text("4 of 4 cases")
    expect(page.locator("#batch-1-1")).to_be_in_viewport()
    page.get_by_label("Family").select_option("batch")
    expect(count).to_have_text("1 of 4 cases")
    page.get_by_label("Show only cases that do not pass everywhere").check()
    expect(count).to_have_text("1 of 4 cases")
    assert problems == []


def test_link_to_a_verdict_opens_it(page: Page, tmp_path: Path) -> None:
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    url = write_report(tmp_path)
    page.goto(f"{url}#100%")  # Somebody else's.
    page.goto(f"{url}#flush-1-1.two-i")
    panel = page.locator(".panel:popover-open")
    expect(panel).to_contain_text("no POST")
    expect(panel.get_by_role("heading")).to_have_text("flush/1/1 on two & <i>")
    panel.get_by_role("button", name="Close").click()
    page.get_by_role("group", name="Level").get_by_label("SHOULD").check()
    page.evaluate("location.hash = '#flush-1-2.one'")  # Not shown by the filters.
    expect(panel).to_contain_text("3 POSTs")
    expect(panel.get_by_role("link", name="flush/1/2")).to_have_attribute("href", "#flush-1-2.one")
    expect(page.get_by_role("status")).to_have_text("4 of 4 cases")
    assert problems == []


def test_page_without_script_shows_all_cases(page: Page, tmp_path: Path) -> None:
    # Not by an option of the context: Firefox runs the scripts of local files all the same.
    page.goto(write_report(tmp_path, with_script=False))
    assert len(list_rows(page)) == 4
    expect(page.get_by_label("Text", exact=True)).to_be_hidden()
    page.get_by_label("Show only cases that do not pass everywhere").check()
    assert len(list_rows(page)) == 3
