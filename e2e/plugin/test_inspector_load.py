"""The inspector under load: ten tabs, a thousand events a second, workers that die, pages that reload.

Not covered: how fast the page draws. Rates are those of the app; no assertion depends on time.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from e2e.plugin.inspected_run import Run, open_inspector, require_accessible

# A browser with ten busy tabs, its test, and a second browser: slow on a small machine that does more.
pytestmark = [pytest.mark.usefixtures("needs_locators"), pytest.mark.timeout(300)]
PATIENCE_MS = 60_000

MAX_ELEMENTS = 1_000
"""More than the page has with ten tabs; far fewer than there are events."""

# Real time: nobody has to move a clock for the app to be busy. A worker writes 100 lines every 100 ms, its
# tabs send it five messages each in the same time, for five seconds.
BUSY_TEST = """
import pytest

WORKER = '''
let lines = 0;
let heard = 0;
let tabs = 0;
const write = () => {
    for (let count = 0; count < 100 && lines < LIMIT; count += 1) console.log(`line ${++lines}`);
    if (lines === LIMIT) { clearInterval(flood); console.log("the last line"); }
};
self.onconnect = ({ ports: [port] }) => {
    port.onmessage = ({ data }) => { heard += 1; };
    tabs += 1;
    if (tabs === TABS) self.flood = setInterval(write, 100);
};
'''
PAGE = '''<!doctype html><title>busy</title><link rel=icon href=data:,><script>
const worker = new SharedWorker("/busy.js", "busy");
worker.port.start();
let ticks = 0;
const timer = setInterval(() => {
    for (let count = 0; count < 5; count += 1) worker.port.postMessage(count);
    ticks += 1;
    if (ticks === 50) clearInterval(timer);
}, 100);
</script>'''


def test_busy(context, gateway, shared_workers):
    script = WORKER.replace("LIMIT", "LIMIT_OF_THE_TEST").replace("TABS", "TABS_OF_THE_TEST")
    gateway.serve("/busy.js", script)
    gateway.serve("/busy.html", PAGE)
    for _ in range(TABS_OF_THE_TEST):
        context.new_page().goto(gateway.url + "/busy.html")
    shared_workers.wait_for(name="busy")
    first = context.pages[0]
    shared_workers.pause(
        actions={"Reload the tab": first.reload, "Leave the app": lambda: first.goto("about:blank")},
        watches={
            "workers": lambda: len(shared_workers.alive),
            "heard": lambda: sum(worker.evaluate("heard > 0") for worker in shared_workers.alive),
        },
    )
    assert len(shared_workers.history) == HISTORY_OF_THE_TEST
"""


def make_test(*, tabs: int, lines: int, workers: int) -> str:
    """Return a test with so many tabs, lines of each worker, and workers in the end."""
    values = {"TABS": tabs, "LIMIT": lines, "HISTORY": workers}
    return re.sub(r"(TABS|LIMIT|HISTORY)_OF_THE_TEST", lambda match: str(values[match[1]]), BUSY_TEST)


def count_elements(page: Page) -> int:
    return int(page.evaluate("document.querySelectorAll('*').length"))


def expect_watch(page: Page, name: str, value: str) -> None:
    row = page.locator("#watches > div").filter(has=page.get_by_text(name, exact=True))
    expect(row.locator("dd")).to_have_text(value, timeout=PATIENCE_MS)


def test_ten_tabs_and_a_thousand_events_a_second(
    browser: Browser, browser_name: str, tmp_path: Path, runs: list[Run]
) -> None:
    runs.append(run := Run(tmp_path, browser_name, make_test(tabs=10, lines=4_000, workers=1)))
    with open_inspector(browser, run.url) as inspector:
        events = inspector.get_by_role("listbox", name="Events")
        rows = events.get_by_role("option")
        inspector.get_by_label("message", exact=True).uncheck()
        expect(inspector.get_by_label("Tabs").get_by_role("listitem")).to_have_count(10, timeout=PATIENCE_MS)
        # A second person opens it, reloads it and leaves, while the events come in.
        with open_inspector(browser, run.url) as other:
            expect(other.get_by_role("listbox", name="Events")).to_contain_text(
                "console log: line", timeout=PATIENCE_MS
            )
            other.reload()
            expect(other.get_by_role("listbox", name="Events")).to_contain_text(
                "console log: line", timeout=PATIENCE_MS
            )
        expect(rows.filter(has_text="the last line")).to_have_count(1, timeout=PATIENCE_MS)  # It follows.
        inspector.get_by_label("Find").fill("console log: line ")
        expect(inspector.locator("#count")).to_have_text(re.compile(r"^4000 of \d+ events"))
        inspector.get_by_label("Find").fill("console log: line 3210")
        expect(rows).to_have_count(1)
        inspector.get_by_label("Find").fill("")
        assert count_elements(inspector) < MAX_ELEMENTS
        expect_watch(inspector, "heard", "1")
        require_accessible(inspector)
        inspector.get_by_role("button", name="Resume the test").click()
        expect(inspector.get_by_text("The test has ended.")).to_be_visible()
    assert "1 passed" in run.wait()


def test_worker_that_dies_and_page_that_reloads_while_the_inspector_is_open(
    browser: Browser, browser_name: str, tmp_path: Path, runs: list[Run]
) -> None:
    # The tab that leaves takes its worker along; that of the reload is another one.
    runs.append(run := Run(tmp_path, browser_name, make_test(tabs=1, lines=1_000_000, workers=3)))
    with open_inspector(browser, run.url) as inspector:
        cards = inspector.locator("#workers > section")
        result = inspector.locator("#result")
        expect_watch(inspector, "workers", "1")
        inspector.get_by_role("button", name="Terminate worker 'busy'").click()
        expect(cards.first).to_contain_text("closed")
        expect_watch(inspector, "workers", "0")

        for number in (2, 3):
            inspector.get_by_role("button", name="Reload the tab").click()
            expect(result).to_have_text("Reload the tab: done")
            expect(cards).to_have_count(number)
            expect(cards.nth(number - 1)).to_contain_text("alive")
            expect_watch(inspector, "workers", "1")
        search = inspector.get_by_label("Find")
        search.fill("worker 'busy' (3)")
        events = inspector.get_by_role("listbox", name="Events")
        expect(events).to_contain_text("console log: line ")
        search.fill("")

        evaluate = cards.nth(2).get_by_role("textbox")
        evaluate.fill("`${typeof lines} of the third`")
        evaluate.press("Enter")
        expect(cards.nth(2).locator("output")).to_contain_text("number of the third")
        inspector.get_by_role("button", name="Leave the app").click()
        expect(cards.nth(2)).to_contain_text("closed")
        assert count_elements(inspector) < MAX_ELEMENTS
        inspector.close()  # A person closes the page; the test waits for the next one.
    with open_inspector(browser, run.url) as inspector:
        expect(inspector.locator("#workers > section")).to_have_count(3)
        inspector.get_by_role("button", name="Resume the test").click()
        expect(inspector.get_by_text("The test has ended.")).to_be_visible()
    assert "1 passed" in run.wait()
