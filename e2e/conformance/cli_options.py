"""The command line of the main job."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from e2e.conformance import arrangement, selection, server_selection
from e2e.conformance.paths import CHECKOUT
from e2e.conformance.targets.worker import get_known_workers

DEFAULT_PROCESSES = 2
CLOCKS = ("virtual", "real")
BROWSERS = ("chromium", "firefox", "webkit")

DESCRIPTION = "Run the conformance cases and write index.html, results.json and junit.xml into report/."
EPILOG = """\
exit status:
  0    every MUST holds
  1    a MUST fails (a known deviation too), a known deviation holds by now, a case could not be run,
       or nothing could be judged
  2    wrong use
  130  interrupted; what was judged until then is in the report

examples:
  scripts/verify
  scripts/verify --worker reference --worker mlflow-3.18.0
  scripts/verify --worker my-worker.js --case flush --case batch/1
  scripts/verify --server http://127.0.0.1:8080/prefix/
  scripts/verify --case flush/2/1 --headed --slowmo 200 --worker-clock real -n 0
"""


def parser() -> argparse.ArgumentParser:
    """The command line of scripts/verify."""
    result = argparse.ArgumentParser(
        prog="scripts/verify",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    result.add_argument(
        "--worker",
        action="append",
        metavar="NAME|FILE.toml|FILE.js",
        help="implementation to run the cases on: a name that is known "
        f"({', '.join(get_known_workers())}), a TOML file that describes one, or the script of a classic worker "
        f"that speaks the protocol; may be repeated (default: {selection.DEFAULT_WORKER})",
    )
    result.add_argument(
        "--server",
        action="append",
        metavar=server_selection.SERVER_METAVAR,
        help=server_selection.SERVER_HELP,
    )
    result.add_argument(
        "--case",
        action="append",
        metavar="PREFIX",
        help="run only the cases whose id begins so (flush, flush/2, flush/2/1); may be repeated",
    )
    result.add_argument("--level", choices=arrangement.LEVEL_NAMES, help=arrangement.LEVEL_HELP)
    result.add_argument("--shuffle", type=int, metavar="SEED", help=arrangement.SHUFFLE_HELP)
    result.add_argument("--list", action="store_true", help="print id, level and requirement; run nothing")
    result.add_argument(
        "--report", type=Path, metavar="DIR", help="folder for the report (default: report/ in the checkout)"
    )
    result.add_argument(
        "--rollout-samples",
        type=selection.positive_integer,
        metavar="N",
        help="workers that the statistical sampling case starts "
        f"(default: {selection.DEFAULT_ROLLOUT_SAMPLES})",
    )
    result.add_argument(
        "--worker-clock",
        choices=CLOCKS,
        help="time that the worker sees (default: virtual, where a case may)",
    )
    result.add_argument(
        "--durations",
        action="store_true",
        help="show at the end what the slowest cases and each family cost",
    )
    result.add_argument(
        "--browser", choices=BROWSERS, help=f"the browser that cases run in (default: {BROWSERS[0]})"
    )
    result.add_argument("--headed", action="store_true", help="show the browser")
    result.add_argument(
        "--slowmo",
        type=selection.positive_integer,
        metavar="MS",
        help="slow every step of the browser down, in milliseconds",
    )
    result.add_argument(
        "-n",
        dest="processes",
        type=_natural_number,
        default=min(DEFAULT_PROCESSES, os.cpu_count() or 1),
        metavar="N",
        help="processes that run cases at the same time; 0: none but this one (default: %(default)s)",
    )
    result.add_argument(
        "--cases-dir",
        type=Path,
        default=CHECKOUT / "e2e",
        metavar="DIR",
        help="folder of the cases (default: e2e in the checkout)",
    )
    result.add_argument(
        "--invoked-from",
        type=Path,
        default=Path(),
        metavar="DIR",
        help="folder that relative paths start from (default: the current one)",
    )
    return result


def _natural_number(text: str) -> int:
    return 0 if text == "0" else selection.positive_integer(text)
