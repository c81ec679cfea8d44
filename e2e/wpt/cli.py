"""The command `scripts/wpt`: compare the results of web-platform-tests with and without the plugin."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from multiprocessing.queues import Queue
from pathlib import Path

from e2e.wpt import known_differences
from e2e.wpt.comparison import PLUGIN_MODES, Comparison
from e2e.wpt.known_differences import Known, judge
from e2e.wpt.pages import Page, find_pages
from e2e.wpt.runner import open_runner
from pytest_sharedworker.errors import BrowserNotFoundError

EXIT_DIFFERENT = 1
EXIT_WRONG_USE = 2
EXIT_INTERRUPTED = 130
PAGE_TIMEOUT_SECONDS = 20.0
SHOWN_SUBTESTS = 8

DESCRIPTION = """\
Run the web-platform-tests of SharedWorkers three times: each page directly, through the gateway on real time,
and through the gateway on virtual time. The plugin must not change the result of any subtest.

PATH is a checkout of https://github.com/web-platform-tests/wpt, or a part of it: tools/, resources/, common/
and the folders to run. Its own server, wptserve, serves the pages; it must run with this Python.

A page that differs is repeated: what also varies without the plugin is no difference.
"""
EPILOG = """\
exit status:
  0    every difference is in e2e/wpt/known_differences.toml, and everything there still differs,
       except for pages that are marked there as varying
  1    otherwise
  2    wrong use, no browser, no server
  130  stopped
"""

_Message = list[Comparison] | str


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = _make_parser()
    options = parser.parse_intermixed_args(arguments)
    checkout = Path(options.path).expanduser().absolute()
    if not (checkout / "tools" / "serve").is_dir():
        parser.error(f"{checkout} has no tools/serve: it is no checkout of web-platform-tests")
    known = known_differences.load()
    pages = find_pages(checkout, options.select)
    if not pages:
        parser.error("no page that runs tests in a SharedWorker is selected")
    started = time.monotonic()
    print(f"{len(pages)} pages, --browser {options.browser}, {options.n} at a time", flush=True)
    comparisons: list[Comparison] = []
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(EXIT_INTERRUPTED))
    try:
        for result in _run_all(checkout, pages, options):
            for comparison in result:
                comparisons.append(comparison)
                if comparison.differences:
                    print(_describe(comparison), flush=True)
    except _RunFailedError as error:
        print(error, file=sys.stderr)
        return EXIT_WRONG_USE
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    if options.json:
        Path(options.json).write_text(json.dumps([asdict(each) for each in comparisons], indent=1), "utf-8")
    return _conclude(comparisons, known, options.browser, time.monotonic() - started)


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/wpt",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("path", metavar="PATH", help="the checkout")
    parser.add_argument(
        "select",
        metavar="PAGE",
        nargs="*",
        help="only pages whose path begins so, for example workers/ or xhr",
    )
    parser.add_argument("-n", type=int, default=2, metavar="N", help="pages at a time (default: %(default)s)")
    parser.add_argument("--browser", choices=("chromium", "firefox"), default="chromium")
    parser.add_argument(
        "--timeout",
        type=float,
        default=PAGE_TIMEOUT_SECONDS,
        metavar="SECONDS",
        help="how long a page may take; three times that if it asks for a long one (default: %(default)g)",
    )
    parser.add_argument("--json", metavar="FILE", help="write all comparisons to a file")
    return parser


class _RunFailedError(Exception):
    """A process of the run has ended early."""


def _run_all(
    checkout: Path, pages: Sequence[Page], options: argparse.Namespace
) -> Iterator[list[Comparison]]:
    """Yield the comparisons of each page, as they are ready. Raise _RunFailedError."""
    context = multiprocessing.get_context("spawn")
    todo: Queue[Page | None] = context.Queue()
    done: Queue[_Message] = context.Queue()
    processes = [
        context.Process(target=_work, args=(checkout, options.browser, options.timeout, todo, done))
        for _ in range(min(options.n, len(pages)))
    ]
    for page in [*pages, *[None] * len(processes)]:
        todo.put(page)
    for process in processes:
        process.start()
    try:
        for _ in pages:
            message = done.get()
            if isinstance(message, str):
                raise _RunFailedError(message)
            yield message
        for process in processes:
            process.join()
    finally:
        for process in processes:
            process.terminate()


def _work(
    checkout: Path, browser: str, timeout: float, todo: Queue[Page | None], done: Queue[_Message]
) -> None:
    """Compare pages until there are no more (in a process of its own)."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        with open_runner(checkout, browser, timeout) as runner:
            while (page := todo.get()) is not None:
                done.put(runner.compare(page))
    except BrowserNotFoundError as error:
        done.put(str(error))
    except Exception:
        done.put(traceback.format_exc())


def _end_with_parent() -> None:
    """End this process when the command is killed; browser and servers end with it."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(EXIT_INTERRUPTED)


def _describe(comparison: Comparison) -> str:
    lines = [f"{comparison.page} ({comparison.mode}): {len(comparison.differences)} of {comparison.subtests}"]
    for each in comparison.differences[:SHOWN_SUBTESTS]:
        lines.append(f"    {each.direct} -> {each.plugin}: {each.name[:150]}")
    lines += [f"    clock: {note[:200]}" for note in comparison.notes]
    return "\n".join(lines)


def _conclude(comparisons: Sequence[Comparison], known: Sequence[Known], browser: str, seconds: float) -> int:
    """Print the summary and return the exit status."""
    for mode in PLUGIN_MODES:
        pages = [each for each in comparisons if each.mode == mode]
        agree = [each for each in pages if not each.differences]
        repeated = sum(each.varies for each in agree)
        print(f"{mode}: {len(agree)} of {len(pages)} pages agree, {repeated} of them when repeated")
    verdict = judge(comparisons, known, browser)
    print(f"{len(verdict.known)} differences are known; {seconds:.0f} s")
    for path, where in verdict.new:
        print(f"differs: {path} ({where})")
    for path, where in verdict.gone:
        print(f"no longer differs, remove it from known_differences.toml: {path} ({where})")
    return 0 if verdict.is_ok else EXIT_DIFFERENT
