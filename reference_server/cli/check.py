"""The command `python -m reference_server check`: is a database sound?"""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from reference_server.cli.common import FINDINGS, add_database_option, create_parser, run
from reference_server.storage.check import find_problems
from reference_server.storage.readonly import open_readonly
from reference_server.storage.schema import SCHEMA_VERSION, read_version

DESCRIPTION = """\
Read a whole database and print what is wrong with it, one line each: damaged pages, missing tables, indexes
and triggers, counters that disagree with the records, records that are stored twice or are not JSON.
"""
EPILOG = """\
exit status: 0 if the database is sound, 1 if something is wrong with it, 2 if it cannot be checked: it is
missing, not readable, or not a store of this server.

The server may be running. Of a database of an earlier version only the pages are checked. A damaged database
cannot be repaired: restore a backup, see `backup --help`.
"""


def main(arguments: Sequence[str]) -> int:
    """Print the problems and return the exit status."""
    parser = create_parser("check", DESCRIPTION, EPILOG)
    add_database_option(parser)
    options = parser.parse_args(arguments)
    return run(lambda: _check(options.database))


def _check(database: Path) -> int:
    found = 0
    with open_readonly(database, any_version=True) as connection:
        try:
            version = read_version(connection, str(database))
            for problem in find_problems(connection):
                found += 1
                print(f"{database}: {problem}")
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):  # such as a lock: it says nothing about the store
                raise
            found += 1
            print(f"{database}: {error}")
    if not found:
        older = f", schema version {version}: a server migrates it at its start"
        print(f"{database}: sound{'' if version == SCHEMA_VERSION else older}")
    return FINDINGS if found else 0
