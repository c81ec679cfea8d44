"""The command `python -m reference_server backup`: a verified copy of a database that may be in use."""

from collections.abc import Sequence
from pathlib import Path

from reference_server.cli.arguments import parse_file
from reference_server.cli.common import add_database_option, create_parser, run
from reference_server.storage.backup import back_up

DESCRIPTION = """\
Copy a database to a single file while the server goes on storing records. The copy holds the records of one
moment. It is verified, and written to disk, before it takes its name: after an error there is no file.
"""
EPILOG = """\
To restore a backup, copy it back with the server stopped:

  mv telemetry.sqlite* /some/other/folder/    # -wal and -shm too: SQLite would apply them to the copy
  python -m reference_server backup --database backup.sqlite --output telemetry.sqlite
  python -m reference_server check --database telemetry.sqlite
  python -m reference_server serve --database telemetry.sqlite ...

A worker repeats only batches without a response, so events that were stored after the backup do not come
again. An erasure by `prune --installation` does not reach backups: delete older ones, or repeat it on them.
"""


def main(arguments: Sequence[str]) -> int:
    """Write the copy and return the exit status."""
    parser = create_parser("backup", DESCRIPTION, EPILOG)
    add_database_option(parser)
    parser.add_argument(
        "--output",
        type=parse_file,
        required=True,
        metavar="FILE",
        help="the file to write; it must not exist",
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="replace an existing file, which must not be the database itself, nor in use by a server",
    )
    options = parser.parse_args(arguments)
    return run(lambda: _back_up(options.database, options.output, options.force))


def _back_up(database: Path, output: Path, overwrite: bool) -> None:
    count = back_up(database, output, overwrite=overwrite)
    print(f"{output}: {count:,} records, verified")
