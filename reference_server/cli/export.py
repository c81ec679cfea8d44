"""`python -m reference_server export`: what is stored, as JSON lines, CSV or Parquet."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from reference_server.cli.common import add_database, new_parser, run
from reference_server.storage.export import exported_rows
from reference_server.storage.export_formats import FORMATS
from reference_server.storage.readonly import open_readonly

STANDARD_OUTPUT = "-"

DESCRIPTION = """\
Write what a database holds, in order of arrival, to standard output or a file. It takes little memory
however much there is, and what the server stores meanwhile is left out.
"""
EPILOG = """\
jsonl    one record a line, as on the wire; tab_id and seq where it has them
csv      RFC 4180, with a head line; params as JSON. The texts are those that clients sent: a spreadsheet
         may take one that begins with = + - @ for a formula
parquet  one column a field, params as JSON; needs pyarrow: pip install pyarrow
"""


def main(arguments: Sequence[str]) -> int:
    """Write the records; give the exit status."""
    parser = new_parser("export", DESCRIPTION, EPILOG)
    add_database(parser)
    parser.add_argument("--format", choices=sorted(FORMATS), required=True, help="how to write them")
    parser.add_argument(
        "--output",
        default=STANDARD_OUTPUT,
        metavar="FILE",
        help="where to write them, replacing what is there (default: standard output)",
    )
    options = parser.parse_args(arguments)
    return run(lambda: _export(options.database, options.format, options.output))


def _export(database: Path, format_name: str, output: str) -> None:
    with open_readonly(database) as connection, _opened(output) as file:
        FORMATS[format_name](exported_rows(connection), file)


@contextmanager
def _opened(output: str) -> Iterator[BinaryIO]:
    if output == STANDARD_OUTPUT:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    with open(output, "wb") as file:
        yield file
