"""Run pages directly and through the gateway, and compare the results of their subtests."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, sync_playwright
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import Page as BrowserPage

from e2e.wpt.comparison import (
    HARNESS,
    NO_RESULTS,
    PLUGIN_MODES,
    Comparison,
    Mode,
    Results,
    find_differences,
    read_results,
)
from e2e.wpt.pages import Page
from e2e.wpt.server import HOST, find_free_ports, serve
from pytest_sharedworker.browsers.discovery import get_launch_arguments
from pytest_sharedworker.clock.base import Clock
from pytest_sharedworker.control.server import ControlServer, start_control_server
from pytest_sharedworker.errors import SharedWorkerError
from pytest_sharedworker.gateway.gateway import Gateway
from pytest_sharedworker.integration.event_loop_thread import LoopThread
from pytest_sharedworker.workers.manager import WorkerManager

_STEP_MS = 100
"""How far virtual time moves between two looks at a page."""
_ATTEMPTS = 3
"""How often a page that differs is compared: results that vary without the plugin are no difference."""

_LONG_FACTOR = 3
"""How much longer a page may take that asks for a longer timeout."""

_READ = "() => window.wptResults ?? null"


class Runner:
    """Run pages in one browser, with two servers: one is visited directly, one is behind the gateway."""

    def __init__(
        self,
        browser: Browser,
        loop_thread: LoopThread,
        control: ControlServer,
        ports: Mapping[str, int],
        page_timeout_seconds: float,
    ) -> None:
        """`ports` has those of the servers `direct` and `upstream`, and of the `gateway` between."""
        self._browser = browser
        self._loop_thread = loop_thread
        self._control = control
        self._ports = ports
        self._page_timeout_seconds = page_timeout_seconds
        self._notes: list[str] = []

    def compare(self, page: Page) -> list[Comparison]:
        """Return how the results of each of the plugin's modes compare with the direct ones."""
        direct = [self._run(page, "direct")]
        return [self._compare(page, mode, direct) for mode in PLUGIN_MODES]

    def _compare(self, page: Page, mode: Mode, direct: list[Results]) -> Comparison:
        results = []
        self._notes = []
        for attempt in range(_ATTEMPTS):
            if attempt:
                direct.append(self._run(page, "direct"))
            results.append(self._run(page, mode))
            differences = list(find_differences(direct, results))
            if not differences:
                break
        return Comparison(page.path, mode, len(direct[0]), differences, self._notes[-3:], len(results) > 1)

    def _run(self, page: Page, mode: Mode) -> Results:
        with self._open(mode) as (context, port, clock):
            tab = context.new_page()
            with suppress(PlaywrightError):  # A page may navigate away or close itself.
                tab.goto(f"http://{HOST}:{port}/{page.path}", wait_until="commit")
            return self._wait_for_results(tab, clock, page.is_long)

    @contextmanager
    def _open(self, mode: Mode) -> Iterator[tuple[BrowserContext, int, Clock | None]]:
        """Open a fresh context; for the plugin's modes also a fresh gateway, always on the same port."""
        with ExitStack() as ends:
            if mode == "direct":
                context = self._browser.new_context(ignore_https_errors=True)
                ends.callback(context.close)
                yield context, self._ports["direct"], None
                return
            gateway = Gateway(self._loop_thread, self._control, f"http://127.0.0.1:{self._ports['upstream']}")
            gateway._start(self._ports["gateway"])
            ends.callback(gateway._stop)
            manager = WorkerManager(
                self._browser,
                gateway,
                self._control,
                self._loop_thread,
                "real" if mode == "real" else "virtual",
            )
            context = self._browser.new_context(ignore_https_errors=True)
            ends.callback(context.close)
            ends.callback(manager.close)
            manager.watch(context)
            yield context, self._ports["gateway"], manager.clock if mode == "virtual" else None

    def _wait_for_results(self, tab: BrowserPage, clock: Clock | None, is_long: bool) -> dict[str, str]:
        deadline = time.monotonic() + self._page_timeout_seconds * (_LONG_FACTOR if is_long else 1)
        while time.monotonic() < deadline:
            with suppress(PlaywrightError):
                if (raw := tab.evaluate(_READ)) is not None:
                    return read_results(raw)
            if clock is None:
                tab.wait_for_timeout(20)
                continue
            try:
                clock.run_for(_STEP_MS, timeout=max(1.0, (deadline - time.monotonic()) * 1000))
            except SharedWorkerError as error:
                self._notes.append(str(error).partition("\n")[0])
        return {HARNESS: NO_RESULTS}


@contextmanager
def open_runner(checkout: Path, browser_name: str, page_timeout_seconds: float) -> Iterator[Runner]:
    """Start a browser and two servers. Raise ServeError, BrowserNotFoundError."""
    with ExitStack() as ends:
        (gateway_port,) = find_free_ports(1)
        ports = {
            "gateway": gateway_port,
            "direct": ends.enter_context(serve(checkout)),
            "upstream": ends.enter_context(serve(checkout, gateway_port)),
        }
        loop_thread, control = ends.enter_context(start_control_server())
        playwright = ends.enter_context(sync_playwright())
        browser_type = getattr(playwright, browser_name)
        launch: Callable[..., Browser] = browser_type.launch
        browser = launch(**get_launch_arguments(browser_name))
        ends.callback(browser.close)
        yield Runner(browser, loop_thread, control, ports, page_timeout_seconds)
