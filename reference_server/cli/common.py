"""Helpers for all commands."""

import argparse
import io
import os
import signal
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from reference_server.cli.arguments import parse_file
from reference_server.errors import ReferenceServerError

PROGRAM = "python -m reference_server"

FINDINGS = 1
"""The exit status of `check` if something is wrong with the store, and of `prune` if traces may remain."""

USAGE_ERROR = 2
"""The exit status for wrong arguments, and for a port, a database or a file that is not available."""

BROKEN_PIPE = 1
"""The exit status if the reader closed the pipe early, as `| head` does."""

INTERRUPTED = 130
"""The exit status after Ctrl-C or SIGTERM."""


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
    """Add the option for the database to work on."""
    parser.add_argument(
        "--database",
        type=parse_file,
        required=True,
        metavar="FILE",
        help="the SQLite file of a server; the server may be running",
    )


def report_error(message: str) -> int:
    """Print an error in one line and return the exit status."""
    print(f"{PROGRAM}: error: {' '.join(message.split())}", file=sys.stderr)
    return USAGE_ERROR


def run(work: Callable[[], int | None]) -> int:
    """Run a command, report an error in one line, and return the exit status; None stands for 0.

    Ctrl-C and SIGTERM raise KeyboardInterrupt in the command, so that it cleans up.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # the name of a file may not be UTF-8
    try:
        with _interrupt_on_termination():
            status = work()
            sys.stdout.flush()
    except BrokenPipeError:
        _discard_output()
        return BROKEN_PIPE
    except KeyboardInterrupt:
        _discard_output()
        print(f"{PROGRAM}: interrupted", file=sys.stderr)
        return INTERRUPTED
    except (ReferenceServerError, OSError, sqlite3.Error) as error:
        _discard_output()
        return report_error(str(error))
    return status or 0


@contextmanager
def _interrupt_on_termination() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():  # only the main thread gets signals
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def _discard_output() -> None:
    """Discard what is left in the buffer: the interpreter flushes it at exit, and would print an error."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
