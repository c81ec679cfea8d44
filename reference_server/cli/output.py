"""Where a command writes: standard output, or a file that is replaced only when all of it is written."""

import argparse
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from reference_server.cli.arguments import parse_file
from reference_server.storage.atomic_file import write_file
from reference_server.storage.store_files import require_no_store_file

STANDARD_OUTPUT = Path("-")
_OPEN_OUTPUT = Path("/dev/fd/1")
"""The name of standard output in Linux and macOS; in Linux a link to the file."""


def add_output_option(parser: argparse.ArgumentParser) -> None:
    """Add the option for the file to write."""
    parser.add_argument(
        "--output",
        type=parse_file,
        default=STANDARD_OUTPUT,
        metavar="FILE",
        help="the file to write; an existing one is replaced when the new one is complete, and kept after an "
        "error. A file of an SQLite database is refused (default: standard output)",
    )


@contextmanager
def open_output(output: Path, database: Path) -> Iterator[BinaryIO]:
    """Open the file to write. Raise StoreFileError for a file of a store, and OutputError."""
    if output != STANDARD_OUTPUT:
        require_no_store_file(output, database)
        with write_file(output) as file:
            yield file
        return
    with suppress(OSError):
        if stat.S_ISREG(
            os.fstat(sys.stdout.fileno()).st_mode
        ):  # `>> FILE`; a `> FILE` has emptied it already
            require_no_store_file(_OPEN_OUTPUT, database)
    yield sys.stdout.buffer
    sys.stdout.buffer.flush()
