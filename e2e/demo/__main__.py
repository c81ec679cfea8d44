"""The command `scripts/demo`: the reference app in three tabs, with the inspector beside it."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from playwright.sync_api import Error as PlaywrightError

from e2e.demo.app import Demo, DemoServer
from e2e.playwright_driver import start_playwright
from pytest_sharedworker.browsers.discovery import get_launch_arguments
from pytest_sharedworker.control.server import start_control_server
from pytest_sharedworker.errors import BrowserNotFoundError
from pytest_sharedworker.gateway.gateway import Gateway
from pytest_sharedworker.inspector.inspector import Inspector
from pytest_sharedworker.workers.manager import WorkerManager

TABS = 3
EXIT_WRONG_USE = 2

DESCRIPTION = """\
Show the reference worker at work: its app in three tabs, its server, and the inspector, in which virtual
time, faults, the configuration and consent change at a click. It ends with Ctrl-C, with "Resume the test", or
when the inspector's window is closed.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demonstration and return the exit status."""
    parser = argparse.ArgumentParser(prog="scripts/demo", description=DESCRIPTION, allow_abbrev=False)
    parser.add_argument("--headless", action="store_true", help="open no window: print the URLs and wait")
    parser.add_argument(
        "--browser", choices=("chromium", "firefox"), default="chromium", help="which browser"
    )
    options = parser.parse_args(arguments)
    try:
        launch = {
            **get_launch_arguments(options.browser, headless=options.headless),
            "headless": options.headless,
        }
        _run(options.browser, launch, is_headless=options.headless)
    except BrowserNotFoundError as error:
        print(error, file=sys.stderr)
        return EXIT_WRONG_USE
    except PlaywrightError as error:
        if options.headless:
            raise
        print(f"{error.message}\nWithout a display, give --headless.", file=sys.stderr)
        return EXIT_WRONG_USE
    return 0


def _run(browser_name: str, launch: dict[str, object], *, is_headless: bool) -> None:
    with ExitStack() as ends:
        folder = ends.enter_context(tempfile.TemporaryDirectory(prefix="demo-"))
        loop_thread, control = ends.enter_context(start_control_server())
        server = DemoServer(Path(folder))
        upstream = loop_thread.run(server.start())
        ends.callback(lambda: loop_thread.run(server.server.stop()))
        playwright = ends.enter_context(start_playwright())
        browser = getattr(playwright, browser_name).launch(**launch)
        ends.callback(browser.close)
        gateway = Gateway(loop_thread, control, str(upstream))
        gateway._start()
        ends.callback(gateway._stop)
        context = browser.new_context(base_url=gateway.url)
        manager = WorkerManager(browser, gateway, control, loop_thread, "virtual", reports_activity=True)
        ends.callback(manager.close)
        manager.watch(context)
        demo = Demo(context, gateway, manager, server)
        inspector = Inspector("Demonstration of the reference worker", browser, manager, gateway, loop_thread)
        before = signal.signal(signal.SIGINT, lambda number, frame: inspector.resume())
        ends.callback(lambda: signal.signal(signal.SIGINT, before))
        inspector.start()
        ends.callback(inspector.close)
        for _ in range(TABS):
            demo.open_tab()
        print(f"app:       {demo.url}\ninspector: {inspector.url}\nCtrl-C ends it.", flush=True)
        if not is_headless:
            inspector.open_page()
        inspector.pause(
            reason="time stands still until you move it", actions=demo.actions, watches=demo.watches
        )


if __name__ == "__main__":
    sys.exit(main())
