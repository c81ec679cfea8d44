"""Count losses when the last tab closes: `python bench/last_tab.py [--rounds N] [--tabs N] [--browser NAME]`.

Each round opens tabs of the reference server's page, clicks in each of them, and closes them all, long before
a flush is due. Browser, server and time are real. Prints how many clicks a later worker delivered, and how
many were lost or stored twice. The exit status is 1 if any were.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from playwright.sync_api import BrowserContext, sync_playwright

from pytest_sharedworker.browsers.discovery import get_launch_arguments
from pytest_sharedworker.integration.event_loop_thread import LoopThread
from reference_server import ReferenceServer

ENABLED = {
    "disable_telemetry": False,
    "disable_ui_telemetry": False,
    "disable_ui_events": [],
    "ui_rollout_percentage": 100,
}
CLICKS = 3
PROGRESS_SECONDS = 10
GRACE_SECONDS = 1.0
"""How long the last request of a worker may take until its records are stored."""

CLICK_REPEATEDLY = """([name, count]) => {
    const button = document.querySelector("[data-component-id]");
    for (let number = 0; number < count; number++) {
        button.dataset.componentId = `${name}/${number}`;
        button.click();
    }
}"""
IS_CONNECTED = "() => document.getElementById('state').dataset.state === 'worker'"


class BenchmarkSystem:
    """The server with its store, and the clicks on its page."""

    def __init__(self, folder: Path) -> None:
        (folder / "config.json").write_text(json.dumps(ENABLED), encoding="utf-8")
        self._loop_thread = LoopThread()
        self._server = ReferenceServer(
            config=folder / "config.json", database=folder / "records.sqlite", environ={}
        )
        self.url = str(self._loop_thread.run(self._server.start()))
        self.clicked: Counter[str] = Counter()

    def count_stored(self) -> int:
        """Return the number of stored records."""
        return self._loop_thread.run(self._server.store.count())

    def count_stored_by_name(self) -> Counter[str]:
        """Return how often each click is stored, by its name."""
        records = self._loop_thread.run(self._server.store.read_records())
        return Counter(json.loads(bytes(record.params))["componentId"] for record in records)

    def visit(self, context: BrowserContext, name: str, tabs: int) -> None:
        """Open tabs, click in each of them, and close them all."""
        pages = [context.new_page() for _ in range(tabs)]
        for page in pages:
            page.goto(self.url)
        for page in pages:
            page.wait_for_function(IS_CONNECTED)
        for number, page in enumerate(pages):
            page.evaluate(CLICK_REPEATEDLY, [f"{name}/{number}", CLICKS])
            self.clicked.update(f"{name}/{number}/{click}" for click in range(CLICKS))
        for page in pages:
            page.close()

    def close(self) -> None:
        """Stop the server."""
        self._loop_thread.run(self._server.stop())
        self._loop_thread.close()


def main() -> int:
    """Run the benchmark and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--browser", choices=("chromium", "firefox"), default="chromium")
    parser.add_argument("--rounds", type=int, default=500)
    parser.add_argument("--tabs", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        system = BenchmarkSystem(Path(folder))
        browser = getattr(playwright, options.browser).launch(**get_launch_arguments(options.browser))
        try:
            context = browser.new_context()
            started = reported = time.monotonic()
            for round_number in range(options.rounds):
                system.visit(context, f"round-{round_number}", options.tabs)
                if time.monotonic() > reported + PROGRESS_SECONDS:
                    reported = time.monotonic()
                    print(f"round {round_number + 1} of {options.rounds} ...", flush=True)
            time.sleep(GRACE_SECONDS)
            arrived = system.count_stored()
            seconds = time.monotonic() - started
            # The worker of this visit recovers the records of earlier workers, and sends them when it ends.
            system.visit(context, "afterwards", 1)
            time.sleep(GRACE_SECONDS)
            stored = system.count_stored_by_name()
        finally:
            browser.close()
            system.close()
    return report(system.clicked, stored, arrived, options.rounds, seconds)


def report(clicked: Counter[str], stored: Counter[str], arrived: int, rounds: int, seconds: float) -> int:
    """Print the results and return the exit status."""
    lost, unexpected = clicked - stored, stored - clicked
    total = sum(clicked.values())
    late = total - CLICKS - arrived
    print(f"{rounds} rounds in {seconds:.0f} s: {total:,} clicks, {late} of them only with the last worker")
    print(f"{sum(lost.values())} lost, {sum(unexpected.values())} duplicated or unexpected")
    for name in [*lost, *unexpected][:10]:
        print(f"  {name}: clicked {clicked[name]}, stored {stored[name]}")
    return 1 if lost or unexpected else 0


if __name__ == "__main__":
    sys.exit(main())
