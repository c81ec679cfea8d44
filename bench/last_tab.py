"""What arrives when the last tab closes: `python bench/last_tab.py [--rounds N] [--tabs N] [--browser NAME]`.

Every round opens some tabs of the reference server's own page, clicks in each of them, and closes them all,
long before a flush is due. Real browser, real server, real time. Prints how many clicks had arrived when the
worker was gone, how many came with a later worker, and what was lost or stored twice. The exit status is 1
where anything was.
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

from pytest_sharedworker.browsers.discovery import launch_arguments
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
"""How long a request of a worker that is ending may take to be stored."""

CLICK = """([name, count]) => {
    const button = document.querySelector("[data-component-id]");
    for (let number = 0; number < count; number++) {
        button.dataset.componentId = `${name}/${number}`;
        button.click();
    }
}"""
CONNECTED = "() => document.getElementById('state').dataset.state === 'worker'"


class Shop:
    """The server with its store, and what was clicked on its page."""

    def __init__(self, folder: Path) -> None:
        (folder / "config.json").write_text(json.dumps(ENABLED), encoding="utf-8")
        self._loop_thread = LoopThread()
        self._server = ReferenceServer(
            config=folder / "config.json", database=folder / "records.sqlite", environ={}
        )
        self.url = str(self._loop_thread.run(self._server.start()))
        self.clicked: Counter[str] = Counter()

    def count(self) -> int:
        """How many records are stored."""
        return self._loop_thread.run(self._server.store.count())

    def stored(self) -> Counter[str]:
        """How often each click is stored, by its name."""
        records = self._loop_thread.run(self._server.store.records())
        return Counter(json.loads(bytes(record.params))["componentId"] for record in records)

    def visit(self, context: BrowserContext, name: str, tabs: int) -> None:
        """Open tabs, click in each, close them all."""
        pages = [context.new_page() for _ in range(tabs)]
        for page in pages:
            page.goto(self.url)
        for page in pages:
            page.wait_for_function(CONNECTED)
        for number, page in enumerate(pages):
            page.evaluate(CLICK, [f"{name}/{number}", CLICKS])
            self.clicked.update(f"{name}/{number}/{click}" for click in range(CLICKS))
        for page in pages:
            page.close()

    def close(self) -> None:
        """Stop."""
        self._loop_thread.run(self._server.stop())
        self._loop_thread.close()


def main() -> int:
    """Run the benchmark; gives the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--browser", choices=("chromium", "firefox"), default="chromium")
    parser.add_argument("--rounds", type=int, default=500)
    parser.add_argument("--tabs", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        shop = Shop(Path(folder))
        browser = getattr(playwright, options.browser).launch(**launch_arguments(options.browser))
        try:
            context = browser.new_context()
            started = told = time.monotonic()
            for round_number in range(options.rounds):
                shop.visit(context, f"round-{round_number}", options.tabs)
                if time.monotonic() > told + PROGRESS_SECONDS:
                    told = time.monotonic()
                    print(f"round {round_number + 1} of {options.rounds} ...", flush=True)
            time.sleep(GRACE_SECONDS)
            arrived = shop.count()
            seconds = time.monotonic() - started
            shop.visit(
                context, "afterwards", 1
            )  # Its worker takes over what is left, and sends it at its end.
            time.sleep(GRACE_SECONDS)
            stored = shop.stored()
        finally:
            browser.close()
            shop.close()
    return report(shop.clicked, stored, arrived, options.rounds, seconds)


def report(clicked: Counter[str], stored: Counter[str], arrived: int, rounds: int, seconds: float) -> int:
    """Print the figures; gives the exit status."""
    lost, doubled = clicked - stored, stored - clicked
    total = sum(clicked.values())
    late = total - CLICKS - arrived
    print(
        f"{rounds} rounds in {seconds:.0f} s: {total:,} clicks, {late} of them came with the last worker only"
    )
    print(f"{sum(lost.values())} lost, {sum(doubled.values())} duplicated or unexpected")
    for name in [*lost, *doubled][:10]:
        print(f"  {name}: clicked {clicked[name]}, stored {stored[name]}")
    return 1 if lost or doubled else 0


if __name__ == "__main__":
    sys.exit(main())
