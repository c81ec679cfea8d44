"""What the commands that read a store have in common."""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from reference_server.errors import ReferenceServerError

PROGRAM = "python -m reference_server"
WRONG_USE = 2
"""The exit status for wrong use, and for a port, a database or a file that cannot be had."""

BROKEN_PIPE = 1
"""The exit status where nobody read to the end, as with `| head`."""


def new_parser(command: str, description: str, epilog: str | None = None) -> argparse.ArgumentParser:
    """Give the parser of one command, which takes no abbreviations; `command` is empty for the default."""
    return argparse.ArgumentParser(
        prog=f"{PROGRAM} {command}".rstrip(),
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def add_database(parser: argparse.ArgumentParser) -> None:
    """Add the option for the file to read."""
    parser.add_argument(
        "--database",
        type=Path,
        required=True,
        metavar="FILE",
        help="the SQLite file of a server, which may run meanwhile",
    )


def fail(message: str) -> int:
    """Say in one line why it cannot be done; give the exit status."""
    print(f"{PROGRAM}: error: {message}", file=sys.stderr)
    return WRONG_USE


def run(work: Callable[[], None]) -> int:
    """Do a command's work, telling what goes wrong in one line; give the exit status."""
    try:
        work()
        sys.stdout.flush()
    except BrokenPipeError:
        # The interpreter flushes once more at its end, and would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except (ReferenceServerError, OSError) as error:
        return fail(str(error))
    return 0
