"""The command `python -m reference_server export`: write the records as JSON lines, CSV or Parquet."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from reference_server.cli.common import add_database_option, create_parser, run
from reference_server.storage.export import read_pages
from reference_server.storage.export_formats import FORMATS
from reference_server.storage.readonly import open_readonly

STANDARD_OUTPUT = "-"

DESCRIPTION = """\
Write all records of a database, in order of arrival, to standard output or a file. Memory use is bounded.
Records that the server stores during the export are left out.
"""
EPILOG = """\
jsonl    one record per line, as on the wire; tab_id and seq only if the record has them
csv      RFC 4180 with a header line; params as JSON. Texts are written as clients sent them: a spreadsheet
         may interpret a text that begins with = + - @ as a formula
parquet  one column per field, params as JSON; needs pyarrow: pip install pyarrow
"""


def main(arguments: Sequence[str]) -> int:
    """Write the records and return the exit status."""
    parser = create_parser("export", DESCRIPTION, EPILOG)
    add_database_option(parser)
    parser.add_argument("--format", choices=sorted(FORMATS), required=True, help="the output format")
    parser.add_argument(
        "--output",
        default=STANDARD_OUTPUT,
        metavar="FILE",
        help="the file to write, which is replaced if it exists (default: standard output)",
    )
    options = parser.parse_args(arguments)
    return run(lambda: _export(options.database, options.format, options.output))


def _export(database: Path, format_name: str, output: str) -> None:
    with open_readonly(database) as connection, _open_output(output) as file:
        FORMATS[format_name](read_pages(connection), file)


@contextmanager
def _open_output(output: str) -> Iterator[BinaryIO]:
    if output == STANDARD_OUTPUT:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    with open(output, "wb") as file:
        yield file
