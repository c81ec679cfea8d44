"""The command `scripts/demo --headless` as a person meets it: its URLs, faults at a click, Ctrl-C.

The demonstration starts its own browser; a page of this one opens the inspector.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from e2e.conformance.paths import CHECKOUT

TIMEOUT_SECONDS = 240

pytestmark = [pytest.mark.usefixtures("needs_locators"), pytest.mark.timeout(300)]


@pytest.fixture
def demo(browser_name: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "e2e.demo", "--headless", "--browser", browser_name]
    # Tests that run in the background of a shell ignore Ctrl-C; the child would inherit that.
    process = subprocess.Popen(
        command,
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    timer = threading.Timer(TIMEOUT_SECONDS, process.kill)
    timer.start()
    yield process
    process.send_signal(signal.SIGINT)
    status = process.wait()
    timer.cancel()
    assert process.stdout is not None
    process.stdout.close()
    assert status == 0


class DemoPage:
    """The inspector of the demonstration: a person clicks, and reads what is shown."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.events = page.get_by_role("listbox", name="Events")

    def click(self, name: str, result: str) -> None:
        """Click the button of this name and wait for its result."""
        self.page.get_by_role("button", name=name, exact=True).click()
        expect(self.page.locator("#result")).to_contain_text(result)

    def save(self, tabs: int = 3) -> None:
        """Log an event in each tab."""
        self.click("Save in each tab", f"an event of each of {tabs} tabs")

    def flush(self) -> None:
        """Move time to the next flush."""
        self.click("+30 s", "moved by 30000 ms")

    def start_session(self) -> None:
        """End the session and start another one, which reads the configuration."""
        self.click("Opt out", "Opt out: done")
        self.click("Opt in", "Opt in: done")

    def expect_watch(self, name: str, value: str) -> None:
        """Wait until the watch of this name has the value."""
        row = self.page.locator("#watches > div").filter(has=self.page.get_by_text(name, exact=True))
        expect(row.locator("dd")).to_have_text(value)


@pytest.fixture
def inspector(browser: Browser, demo: subprocess.Popen[str]) -> Iterator[DemoPage]:
    assert demo.stdout is not None
    head = "".join(demo.stdout.readline() for _ in range(3))
    (url,) = re.findall(r"inspector: (http://\S+/)\n", head)
    context = browser.new_context()
    page = context.new_page()
    page.goto(url)
    yield DemoPage(page)
    context.close()


def test_demo_shows_a_flush_fail(inspector: DemoPage) -> None:
    inspector.save()
    inspector.expect_watch("in the outbox on disk", "3")
    inspector.click("503", "every flush meets http_status status=503")
    inspector.flush()
    expect(inspector.page.locator("#watches")).to_contain_text("last flush503")
    inspector.expect_watch("waiting in the queue", "3")
    inspector.click("No faults", "no fault is in force")
    inspector.flush()
    inspector.expect_watch("records in the store", "3")
    inspector.expect_watch("in the outbox on disk", "0")
    inspector.click("Open a tab", "a tab has opened")
    inspector.save(tabs=4)
    inspector.expect_watch("events of all tabs", "7")


def test_demo_shows_a_flush_hang_and_the_countdown(inspector: DemoPage) -> None:
    inspector.click("Hang", "every flush meets timeout")
    inspector.save()
    inspector.expect_watch("waiting in the queue", "3")
    inspector.expect_watch("next flush", "in 30.0 s")
    inspector.click("+1 s", "moved by 1000 ms")
    inspector.expect_watch("next flush", "in 29.0 s")
    inspector.flush()
    inspector.expect_watch("last flush", "under way [timeout]")
    inspector.expect_watch("in a request under way", "3")
    inspector.expect_watch("waiting in the queue", "0")
    inspector.expect_watch("in the outbox on disk", "3")
    inspector.flush()  # The worker gives the request up after 30 s, and its pause begins.
    inspector.click("No faults", "no fault is in force")
    inspector.flush()
    inspector.flush()
    inspector.expect_watch("records in the store", "3")
    inspector.expect_watch("in the outbox on disk", "0")


def test_demo_changes_the_configuration(inspector: DemoPage) -> None:
    inspector.click("Rollout 0 %", "the configuration has changed")
    inspector.start_session()
    expect(inspector.events).to_contain_text('"ui_rollout_percentage":0')
    inspector.save()
    inspector.expect_watch("events of all tabs", "3")
    inspector.expect_watch("waiting in the queue", "0")  # The worker drops what is not sampled.
    inspector.flush()
    inspector.expect_watch("last flush", "none yet")
    inspector.click("Rollout 50 %", "the configuration has changed")
    inspector.start_session()
    expect(inspector.events).to_contain_text('"ui_rollout_percentage":50')
    inspector.click("Rollout 100 %", "the configuration has changed")
    inspector.start_session()
    expect(inspector.events).to_contain_text('"ui_rollout_percentage":100')
    inspector.click("Configuration gone", "the configuration is gone: the last one holds")
    inspector.start_session()
    inspector.save()
    inspector.expect_watch("in the outbox on disk", "3")
    inspector.flush()
    inspector.expect_watch("records in the store", "3")


def test_demo_opts_out(inspector: DemoPage) -> None:
    inspector.save()
    inspector.expect_watch("in the outbox on disk", "3")
    inspector.click("Opt out", "Opt out: done")
    inspector.expect_watch("in the outbox on disk", "0")
    inspector.expect_watch("waiting in the queue", "0")
    inspector.expect_watch("next flush", "none")
    inspector.save()
    inspector.expect_watch("events of all tabs", "3")  # The client takes none.
    inspector.flush()
    inspector.expect_watch("last flush", "none yet")
    inspector.expect_watch("records in the store", "0")
    inspector.click("Opt in", "Opt in: done")
    inspector.save()
    inspector.expect_watch("in the outbox on disk", "3")
    inspector.flush()
    inspector.expect_watch("records in the store", "3")


def test_app_of_the_demo_counts_clicks_and_is_accessible(
    browser: Browser, demo: subprocess.Popen[str]
) -> None:
    assert demo.stdout is not None
    (url,) = re.findall(r"app: +(http://\S+)\n", demo.stdout.readline())
    context = browser.new_context()
    page = context.new_page()
    page.goto(url)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_contain_text("events of this tab: 1")
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()
    context.close()
