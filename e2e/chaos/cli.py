"""The command `scripts/chaos`: run random faults and print a summary."""

from __future__ import annotations

import argparse
import functools
import random
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from e2e.chaos.environment import Environment
from e2e.chaos.mutant_runs import MutantRuns
from e2e.chaos.mutants import load_mutants
from e2e.chaos.runner import Run
from e2e.chaos.server import ChaosServer
from e2e.chaos.summary import Summary
from e2e.playwright_driver import start_playwright
from pytest_sharedworker.browsers.discovery import get_launch_arguments
from pytest_sharedworker.control.server import start_control_server
from pytest_sharedworker.errors import BrowserNotFoundError

DEFAULT_MINUTES = 2.0
MUTANT_MINUTES = 10.0
SEED_LIMIT = 1_000_000
EXIT_WRONG_USE = 2
EXIT_INTERRUPTED = 130

DESCRIPTION = """\
Run the reference client, worker and server under random faults, and check that no event that was logged with
consent is lost or duplicated, and that no event without consent is stored.

Several tabs log all the time. Meanwhile tabs open, close, reload and crash; the worker is terminated or taken
offline; the whole browser is killed (SIGKILL) and reopened on its profile; the server is killed (SIGKILL) and
restarted on its database, also while it works on a batch; requests are refused, reset, redirected, delayed
and left without a response; something between responds in the server's place; consent is withdrawn and given.

Other builds of the client run side by side. Site data is cleared, databases are deleted, replaced and
upgraded, the quota is exceeded, localStorage is full, locks are stolen. The server's configuration is edited
in place, its database is deleted, replaced and locked, telemetry is disabled and enabled again. Whatever
happens, the worker must not flood its server with requests, nor a tab its worker with connections.

Browser, HTTP and SIGKILL are real; only the worker's time is virtual.

With --mutants it runs the reference with faults that it once had, one after the other: each must be found.
"""
EPILOG = """\
exit status:
  0    0 lost, 0 duplicated, 0 unexpected, 0 out of order, no flood; with --mutants: all are found
  1    otherwise: the first offending events, all steps in words, and the seed are printed
  2    wrong use, or no browser
  130  stopped by Ctrl-C before a problem was found; the summary so far is printed

A seed decides every step. Real time does not replay: to reproduce a race may take several runs.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = _make_parser()
    options = parser.parse_args(arguments)
    seed = random.randrange(SEED_LIMIT) if options.seed is None else options.seed
    try:
        headless = not options.headed
        launch: dict[str, Any] = {
            **get_launch_arguments(options.browser, headless=headless),
            "headless": headless,
        }
    except BrowserNotFoundError as error:
        print(error, file=sys.stderr)
        return EXIT_WRONG_USE
    minutes = options.minutes or (MUTANT_MINUTES if options.mutants is not None else DEFAULT_MINUTES)
    if options.mutants is not None:
        return _run_mutants(parser, options, seed, minutes, launch)
    print(f"chaos for {minutes:g} min, --seed {seed} --browser {options.browser}", flush=True)
    with _collect_interrupts() as interrupts, _open_environment(options.browser, launch) as environment:
        run = Run(
            environment, seed, minutes * 60, launch,
            is_stopped=lambda: bool(interrupts), print_line=functools.partial(print, flush=True),
        )  # fmt: skip
        summary = run.run()
    return _conclude(summary, seed, interrupted=bool(interrupts))


def _run_mutants(
    parser: argparse.ArgumentParser,
    options: argparse.Namespace,
    seed: int,
    minutes: float,
    launch: dict[str, Any],
) -> int:
    """Run the mutants, print a table, and return the exit status."""
    mutants = load_mutants(options.mutants)
    if not mutants:
        parser.error(f"no mutant matches {' or '.join(options.mutants)}")
    print(f"{len(mutants)} mutants, up to {minutes:g} min each, --seed {seed}", flush=True)
    with _collect_interrupts() as interrupts, _open_environment(options.browser, launch) as environment:
        runs = MutantRuns(
            environment, seed, minutes * 60, launch, options.focus, is_stopped=lambda: bool(interrupts)
        )
        findings = runs.run_all(mutants, functools.partial(print, flush=True))
    found = sum(finding.is_found for finding in findings)
    print(f"{found} of {len(mutants)} mutants are found.")
    if interrupts:
        return EXIT_INTERRUPTED
    return 0 if found == len(mutants) else 1


def _conclude(summary: Summary, seed: int, *, interrupted: bool) -> int:
    """Print the summary and return the exit status."""
    if interrupted:
        print("stopped by Ctrl-C; so far:")
    print(summary)
    if summary.exit_status:
        print(f"To repeat these steps: scripts/chaos --seed {seed}")
        return summary.exit_status
    return EXIT_INTERRUPTED if interrupted else 0


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/chaos",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--minutes", type=_minutes, metavar="N",
        help="how long, at least; the last check takes a moment more"
        f" (default: {DEFAULT_MINUTES:g}; {MUTANT_MINUTES:g} at most for each mutant)",
    )  # fmt: skip
    parser.add_argument(
        "--seed",
        type=int,
        metavar="S",
        help="number that decides the steps (default: a random one, which is printed)",
    )
    parser.add_argument("--headed", action="store_true", help="show the browser")
    parser.add_argument(
        "--browser", choices=("chromium", "firefox"), default="chromium",
        help="which browser (default: %(default)s; tabs crash in Chromium only)",
    )  # fmt: skip
    parser.add_argument(
        "--mutants", nargs="*", metavar="NAME",
        help="run mutants: those with these names or patterns, the files in e2e/chaos/mutants without .toml"
        " (default: all)",
    )  # fmt: skip
    parser.add_argument(
        "--focus", action="store_true",
        help="with --mutants: draw the steps that meet the mutant's fault more often",
    )  # fmt: skip
    return parser


def _minutes(text: str) -> float:
    minutes = float(text)
    if not 0 < minutes < float("inf"):
        raise argparse.ArgumentTypeError(f"expected minutes above 0, not {text}")
    return minutes


@contextmanager
def _collect_interrupts() -> Iterator[list[int]]:
    """Collect Ctrl-C in a list, which the run reads between two steps so that it ends in good order."""
    interrupts: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: interrupts.append(number))
    try:
        yield interrupts
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _open_environment(browser_name: str, launch: dict[str, Any]) -> Iterator[Environment]:
    with ExitStack() as ends:
        folder = ends.enter_context(tempfile.TemporaryDirectory(prefix="chaos-"))
        loop_thread, control = ends.enter_context(start_control_server())
        server = ChaosServer(Path(folder))
        ends.callback(server.stop)
        playwright = ends.enter_context(start_playwright())
        browser = getattr(playwright, browser_name).launch(**launch)
        ends.callback(browser.close)
        yield Environment(browser, loop_thread, control, server)
