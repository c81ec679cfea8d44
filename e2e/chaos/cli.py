"""The command `scripts/chaos`: runs the faults at random and prints the figures."""

from __future__ import annotations

import argparse
import asyncio
import functools
import random
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from playwright.sync_api import Playwright, sync_playwright

from e2e.chaos.environment import Environment
from e2e.chaos.runner import Run
from e2e.chaos.server import ChaosServer
from e2e.chaos.summary import Figures
from pytest_sharedworker.browsers.discovery import BrowserNotFoundError, launch_arguments
from pytest_sharedworker.control.server import ControlServer
from pytest_sharedworker.integration.event_loop_thread import LoopThread

DEFAULT_MINUTES = 2.0
SEED_LIMIT = 1_000_000
EXIT_WRONG_USE = 2
EXIT_INTERRUPTED = 130

DESCRIPTION = """\
Runs the reference client, worker and server through faults at random, and checks that nothing that was logged
with consent is lost or doubled, and nothing without it is stored.

Several tabs log all the time. Meanwhile tabs come, go, reload and crash; the worker is ended, or taken
offline; the whole browser is killed (SIGKILL) and opened again on its profile; the server is killed (SIGKILL)
and started again on its database, also while it works on a batch; requests are refused, reset, delayed and
never answered; consent is withdrawn and given. Browser, HTTP and SIGKILL are real; only the worker's time is
virtual.
"""
EPILOG = """\
exit status:
  0    0 lost, 0 duplicated, 0 unexpected, 0 out of order
  1    something was: the first offending events are named, what happened is told in words, with the seed
  2    wrong use, or no browser
  130  stopped by Ctrl-C, with the figures so far, if nothing was found

A seed decides every step. Real time does not replay: what depends on a race may take several runs.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; gives the exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    seed = random.randrange(SEED_LIMIT) if options.seed is None else options.seed
    try:
        headless = not options.headed
        launch: dict[str, Any] = {
            **launch_arguments(options.browser, headless=headless),
            "headless": headless,
        }
    except BrowserNotFoundError as error:
        print(error, file=sys.stderr)
        return EXIT_WRONG_USE
    print(f"chaos for {options.minutes:g} min, --seed {seed} --browser {options.browser}", flush=True)
    with _interruptions() as interruptions, _stage(options.browser, launch) as stage:
        run = Run(
            stage, seed, options.minutes * 60, launch,
            stopped=lambda: bool(interruptions), tell=functools.partial(print, flush=True),
        )  # fmt: skip
        figures = run.run()
    return _conclude(figures, seed, interrupted=bool(interruptions))


def _conclude(figures: Figures, seed: int, *, interrupted: bool) -> int:
    """Print the figures and give the exit status."""
    if interrupted:
        print("stopped by Ctrl-C; so far:")
    print(*figures.lines(), sep="\n")
    if figures.exit_status:
        print(f"To try this again: scripts/chaos --seed {seed}")
        return figures.exit_status
    return EXIT_INTERRUPTED if interrupted else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/chaos",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--minutes", type=_minutes, default=DEFAULT_MINUTES, metavar="N",
        help="how long, at least; the last books take a moment more (default: %(default)g)",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, metavar="S", help="which steps (default: any, and it is printed)")
    parser.add_argument("--headed", action="store_true", help="show the browser")
    parser.add_argument(
        "--browser", choices=("chromium", "firefox"), default="chromium",
        help="which browser (default: %(default)s; tabs crash in Chromium only)",
    )  # fmt: skip
    return parser


def _minutes(text: str) -> float:
    minutes = float(text)
    if not 0 < minutes < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is no time: give minutes, above 0")
    return minutes


@contextmanager
def _interruptions() -> Iterator[list[int]]:
    """Collect Ctrl-C: the run looks between two steps, and ends in good order."""
    seen: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: seen.append(number))
    try:
        yield seen
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _stage(browser_name: str, launch: dict[str, Any]) -> Iterator[Environment]:
    with ExitStack() as ends:
        folder = ends.enter_context(tempfile.TemporaryDirectory(prefix="chaos-"))
        loop_thread = LoopThread()
        ends.callback(loop_thread.close)
        control = ControlServer(loop_thread)
        loop_thread.run(control.start())
        ends.callback(lambda: loop_thread.run(control.stop()))
        server = ChaosServer(Path(folder))
        ends.callback(server.stop)
        playwright = ends.enter_context(_playwright())
        browser = getattr(playwright, browser_name).launch(**launch)
        ends.callback(browser.close)
        yield Environment(browser, loop_thread, control, server)


@contextmanager
def _playwright() -> Iterator[Playwright]:
    """Playwright, with its driver out of a terminal's reach: Ctrl-C would end it before the browsers."""
    native = asyncio.create_subprocess_exec
    asyncio.create_subprocess_exec = functools.partial(native, start_new_session=True)
    try:
        starting = sync_playwright()
        playwright = starting.start()
    finally:
        asyncio.create_subprocess_exec = native
    try:
        yield playwright
    finally:
        with suppress(Exception):
            playwright.stop()
