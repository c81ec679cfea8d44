"""pytest's options that select targets and cases, with the texts that the main job's command line shares."""

from __future__ import annotations

import argparse

import pytest

from e2e.conformance.case import Level
from e2e.conformance.selection.targets import SERVERS, WORKERS
from e2e.conformance.targets.server import get_known_servers
from e2e.conformance.targets.worker import get_known_workers

LEVEL_NAMES = tuple(level.value.lower() for level in Level)
DEFAULT_ROLLOUT_SAMPLES = 200

WORKER_METAVAR = "NAME|FILE.toml|FILE.js"
WORKER_HELP = (
    f"worker to run the cases on: a known name ({', '.join(get_known_workers())}), a TOML file that "
    "describes a worker, or the script of a classic worker that speaks the protocol; may be repeated "
    f"(default: {WORKERS.default})"
)
SERVER_METAVAR = "NAME|FILE.toml|URL"
SERVER_HELP = (
    f"server to run the cases server/… on: a known name ({', '.join(get_known_servers())}), a TOML file "
    "that describes a server, or the base URL of a running server, whose configuration and store are out "
    "of reach: cases that need them are unimplemented; may be repeated "
    f"(default: {SERVERS.default}). With --worker alone no server case runs, with --server alone no worker "
    "case runs; with both or neither, all of them run"
)
CASE_HELP = "run only the cases whose id begins with this prefix (flush, flush/2, flush/2/1); may be repeated"
LEVEL_HELP = "run only the cases of this level and of the more binding levels (default: may, which is all)"
SHUFFLE_HELP = "run the cases in random order; the same seed gives the same order"
COMPARE_HELP = (
    "show what has become better or worse, is new or gone since this results.json, on the terminal and in "
    "index.html; the comparison does not change the exit status"
)
ROLLOUT_SAMPLES_HELP = (
    f"number of workers that the statistical sampling case starts (default: {DEFAULT_ROLLOUT_SAMPLES})"
)


def add_options(parser: pytest.Parser) -> None:
    """Add the options of the group "conformance"."""
    group = parser.getgroup("conformance", "conformance cases")
    group.addoption(WORKERS.option, action="append", metavar=WORKER_METAVAR, help=WORKER_HELP)
    group.addoption(SERVERS.option, action="append", metavar=SERVER_METAVAR, help=SERVER_HELP)
    group.addoption("--case", action="append", metavar="PREFIX", help=CASE_HELP)
    group.addoption("--level", choices=LEVEL_NAMES, help=LEVEL_HELP)
    group.addoption("--shuffle", type=int, metavar="SEED", help=SHUFFLE_HELP)
    group.addoption(
        "--rollout-samples",
        type=parse_positive_integer,
        default=DEFAULT_ROLLOUT_SAMPLES,
        metavar="N",
        help=ROLLOUT_SAMPLES_HELP,
    )
    group.addoption(
        "--report",
        metavar="DIR",
        help="print one line for each verdict; write index.html, results.json, junit.xml and a badge into "
        "this folder",
    )
    group.addoption("--compare", metavar="FILE", help=f"with --report, {COMPARE_HELP}")
    group.addoption(
        "--case-durations",
        action="store_true",
        help="with --report, show the slowest cases and the total time of each family",
    )


def parse_positive_integer(text: str) -> int:
    """Return a command-line number of 1 or more. Raise argparse.ArgumentTypeError."""
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number above 0, not {text!r}")
    return int(text)
