"""The command line of the main job."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from e2e.conformance.paths import CHECKOUT
from e2e.conformance.selection import options

DEFAULT_PROCESSES = 2
CLOCKS = ("real", "virtual", "devtools")
DEFAULT_CLOCK = "virtual"
"""The plugin's own default is real time, in which a run would take hours."""
BROWSERS = ("chromium", "firefox", "webkit")

DESCRIPTION = """\
Run the conformance cases and write index.html, results.json, junit.xml, badge.svg and badge.json into
report/. In GitHub Actions, what fails is shown at the commit and in the summary of the step too."""
EPILOG = """\
exit status:
  0    every MUST holds
  1    a MUST fails (also where that is a known deviation) or is inconclusive, a known deviation no longer
       occurs, a case could not be run, or no case was judged
  2    wrong use
  130  interrupted; the report has the verdicts up to then

examples:
  scripts/verify
  scripts/verify --worker reference --worker mlflow-3.18.0
  scripts/verify --worker my-worker.js --browser chromium --browser firefox --browser webkit
  scripts/verify --worker my-worker.js --case flush --case batch/1
  scripts/verify --server http://127.0.0.1:8080/prefix/
  scripts/verify --compare report/results.json
  scripts/verify --case flush/2/1 --headed --slowmo 200 --worker-clock real -n 0
"""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line of scripts/verify."""
    result = argparse.ArgumentParser(
        prog="scripts/verify",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    _add_selection(result)
    _add_run(result)
    _add_files(result)
    return result


def _add_selection(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what is tested")
    group.add_argument("--worker", action="append", metavar=options.WORKER_METAVAR, help=options.WORKER_HELP)
    group.add_argument("--server", action="append", metavar=options.SERVER_METAVAR, help=options.SERVER_HELP)
    group.add_argument("--case", action="append", metavar="PREFIX", help=options.CASE_HELP)
    group.add_argument("--level", choices=options.LEVEL_NAMES, help=options.LEVEL_HELP)
    group.add_argument(
        "--list",
        action="store_true",
        help="print id, level, file and line, and requirement of each case; run none",
    )


def _add_run(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("how it runs")
    group.add_argument(
        "-n",
        dest="processes",
        type=_parse_natural_number,
        default=min(DEFAULT_PROCESSES, os.cpu_count() or 1),
        metavar="N",
        help="number of parallel processes; 0 runs all cases in this process (default: %(default)s)",
    )
    group.add_argument("--shuffle", type=int, metavar="SEED", help=options.SHUFFLE_HELP)
    group.add_argument(
        "--rollout-samples",
        type=options.parse_positive_integer,
        metavar="N",
        help=options.ROLLOUT_SAMPLES_HELP,
    )
    group.add_argument(
        "--worker-clock",
        choices=CLOCKS,
        default=DEFAULT_CLOCK,
        help="the clock of the worker, unless a case needs a certain one (default: %(default)s)",
    )
    group.add_argument(
        "--browser",
        action="append",
        choices=BROWSERS,
        help=f"browser to run in; may be repeated, for one report of all (default: {BROWSERS[0]})",
    )
    group.add_argument("--headed", action="store_true", help="show the browser")
    group.add_argument(
        "--slowmo",
        type=options.parse_positive_integer,
        metavar="MS",
        help="delay every step of the browser by this many milliseconds",
    )
    group.add_argument(
        "--durations",
        action="store_true",
        help="show the slowest cases and the total time of each family at the end",
    )


def _add_files(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("files and folders")
    group.add_argument("--compare", type=Path, metavar="FILE", help=options.COMPARE_HELP)
    group.add_argument(
        "--report", type=Path, metavar="DIR", help="folder of the report (default: report/ in the checkout)"
    )
    group.add_argument(
        "--cases-dir",
        type=Path,
        default=CHECKOUT / "e2e",
        metavar="DIR",
        help="folder of the cases (default: e2e/ in the checkout)",
    )
    group.add_argument(
        "--invoked-from",
        type=Path,
        default=Path(),
        metavar="DIR",
        help="folder that relative paths start from (default: the current folder)",
    )


def _parse_natural_number(text: str) -> int:
    return 0 if text == "0" else options.parse_positive_integer(text)
