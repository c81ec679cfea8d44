"""The command `python -m reference_server export`: write the records as JSON lines, CSV or Parquet."""

from collections.abc import Sequence
from pathlib import Path

from reference_server.cli.common import add_database_option, create_parser, run
from reference_server.cli.output import add_output_option, open_output
from reference_server.storage.export import read_pages
from reference_server.storage.export_formats import FORMATS
from reference_server.storage.readonly import open_readonly

DESCRIPTION = """\
Write all records of a database, in order of arrival, to standard output or a file. Memory use is bounded.
Records that the server stores during the export are left out, and so may be those that it deletes.
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
    add_output_option(parser)
    options = parser.parse_args(arguments)
    return run(lambda: _export(options.database, options.format, options.output))


def _export(database: Path, format_name: str, output: Path) -> None:
    with open_readonly(database) as connection, open_output(output, database) as file:
        FORMATS[format_name](read_pages(connection), file)
