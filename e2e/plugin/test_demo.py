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
from contextlib import suppress

import pytest
from playwright.sync_api import Browser, expect

from e2e.conformance.paths import CHECKOUT

TIMEOUT_SECONDS = 90

pytestmark = pytest.mark.usefixtures("needs_locators")


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
    timer.cancel()
    with suppress(ProcessLookupError):
        process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def test_demo_shows_a_flush_fail_and_ends_on_ctrl_c(browser: Browser, demo: subprocess.Popen[str]) -> None:
    assert demo.stdout is not None
    head = "".join(demo.stdout.readline() for _ in range(3))
    (url,) = re.findall(r"inspector: (http://\S+/)\n", head)
    context = browser.new_context()
    inspector = context.new_page()
    inspector.goto(url)
    shown = inspector.get_by_label("Of this test")

    def click(name: str, result: str) -> None:
        inspector.get_by_role("button", name=name, exact=True).click()
        expect(inspector.locator("#result")).to_contain_text(result)

    click("Save in each tab", "an event of each of 3 tabs")
    expect(shown).to_contain_text("in the outbox on disk3")
    click("503", "every flush meets http_status status=503")
    click("+30 s", "moved by 30000 ms")
    expect(shown).to_contain_text("last flush503")
    expect(shown).to_contain_text("waiting in the queue3")
    click("No faults", "no fault is in force")
    click("+30 s", "moved by 30000 ms")
    expect(shown).to_contain_text("records in the store3")
    expect(shown).to_contain_text("in the outbox on disk0")
    click("Opt out", "Opt out: done")
    context.close()

    demo.send_signal(signal.SIGINT)
    assert demo.wait() == 0
