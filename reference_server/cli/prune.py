"""The command `python -m reference_server prune`: delete records by age, or of one installation."""

import sys
from collections.abc import Sequence
from pathlib import Path

from reference_server.cli.arguments import parse_duration, parse_id
from reference_server.cli.common import FINDINGS, PROGRAM, add_database_option, create_parser, run
from reference_server.storage.erasure import Erasure, open_erasure
from reference_server.storage.retention import IDENTITY_DAYS

DESCRIPTION = """\
Delete records, and the dead letters of the same kind, and print how many. The server may be running; batches
that arrive are stored meanwhile. What is deleted is overwritten in the file, and removed from its write-ahead
log.
"""
EPILOG = f"""\
Ages are counted from the arrival at the server: a client's clock may be wrong. Records that arrived before
the database was migrated from a version without times of arrival count as received at the migration.

--installation also deletes dead letters that cannot be read, since they may be of that installation, and
verifies that its id is in none of the files. It does not reach exports and backups.

The random id of a tab, and the numbers of its deleted events, remain for {IDENTITY_DAYS} days: if a worker
sends one of them again, the server does not store it again. They do not count as missing. Random ids of
sessions remain with their counts of dropped events.

exit status: 0 if everything is deleted, 1 if traces may remain in the files, 2 for an error, 130 after
Ctrl-C: what is deleted by then stays deleted, and the next run deletes the rest.
"""

LOG_IN_USE = (
    "a program that reads the database keeps its write-ahead log in use: what was deleted is still in that "
    "file; run prune again"
)
ARRIVED_SINCE = "records of the installation have arrived since; run prune again when it sends no more"
MENTIONED = "the id still occurs in the content of other records"


def main(arguments: Sequence[str]) -> int:
    """Delete the records and return the exit status."""
    parser = create_parser("prune", DESCRIPTION, EPILOG)
    add_database_option(parser)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--older-than",
        type=parse_duration,
        metavar="AGE",
        help="delete what arrived earlier, such as 90d, 12h, 30m",
    )
    what.add_argument(
        "--installation", type=parse_id, metavar="UUID", help="delete everything of this installation_id"
    )
    parser.add_argument(
        "--rewrite",
        action="store_true",
        help="then rewrite the file without free pages, which makes it smaller; the server's batches wait "
        "for it, or are refused with Retry-After. After --installation a small file is always rewritten",
    )
    options = parser.parse_args(arguments)
    return run(lambda: _prune(options.database, options.older_than, options.installation, options.rewrite))


def _prune(database: Path, age: float | None, installation_id: str | None, rewrite: bool) -> int:
    with open_erasure(database) as erasure:
        try:
            if installation_id is not None:
                erasure.delete_installation(installation_id)
            elif age is not None:
                erasure.delete_older_than(age)
        finally:
            _print_deleted(erasure)
        if rewrite or (installation_id is not None and erasure.is_small()):
            erasure.rewrite()
        is_clear = erasure.clear_log()
        if installation_id is None:
            return _report(LOG_IN_USE) if not is_clear else 0
        if erasure.has_records(installation_id):
            return _report(ARRIVED_SINCE)
        if is_clear and erasure.has_trace(installation_id):
            erasure.rewrite()
            is_clear = erasure.clear_log()
        if not is_clear:
            return _report(LOG_IN_USE)
        return _report(MENTIONED) if erasure.has_trace(installation_id) else 0


def _print_deleted(erasure: Erasure) -> None:
    deleted = erasure.deleted
    print(f"deleted {deleted.records:,} records and {deleted.dead_letters:,} dead letters", flush=True)


def _report(message: str) -> int:
    print(f"{PROGRAM}: {message}", file=sys.stderr)
    return FINDINGS
