"""Helpers for all commands."""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from reference_server.errors import ReferenceServerError

PROGRAM = "python -m reference_server"
USAGE_ERROR = 2
"""The exit status for wrong arguments, and for a port, a database or a file that is not available."""

BROKEN_PIPE = 1
"""The exit status if the reader closed the pipe early, as `| head` does."""


def create_parser(command: str, description: str, epilog: str | None = None) -> argparse.ArgumentParser:
    """Create the parser of one command, without abbreviations; `command` is empty for the default."""
    return argparse.ArgumentParser(
        prog=f"{PROGRAM} {command}".rstrip(),
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def add_database_option(parser: argparse.ArgumentParser) -> None:
    """Add the option for the database to read."""
    parser.add_argument(
        "--database",
        type=Path,
        required=True,
        metavar="FILE",
        help="the SQLite file of a server; the server may be running",
    )


def report_error(message: str) -> int:
    """Print an error in one line and return the exit status."""
    print(f"{PROGRAM}: error: {message}", file=sys.stderr)
    return USAGE_ERROR


def run(work: Callable[[], None]) -> int:
    """Run a command, report an error in one line, and return the exit status."""
    try:
        work()
        sys.stdout.flush()
    except BrokenPipeError:
        # The interpreter flushes standard output again at exit, and would print an error.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except (ReferenceServerError, OSError) as error:
        return report_error(str(error))
    return 0
