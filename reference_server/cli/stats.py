"""The command `python -m reference_server stats`: print what is stored and what is missing."""

from collections.abc import Sequence
from pathlib import Path

from reference_server.cli.common import add_database_option, create_parser, run
from reference_server.model.losses import Totals
from reference_server.storage.readonly import open_readonly
from reference_server.storage.stats import read_largest_gaps, read_totals

GAPS_SHOWN = 10

DESCRIPTION = """\
Print how many events a database holds and how many are missing. Each tab numbers its events; a missing number
is an event that was lost, was filtered, or has not arrived yet. Deleted events are not missing.
"""


def main(arguments: Sequence[str]) -> int:
    """Print the statistics and return the exit status."""
    parser = create_parser("stats", DESCRIPTION)
    add_database_option(parser)
    options = parser.parse_args(arguments)
    return run(lambda: _print_stats(options.database))


def _print_stats(database: Path) -> None:
    with open_readonly(database) as connection:
        connection.execute("BEGIN")  # one snapshot for all figures, while the server writes
        totals = read_totals(connection)
        gaps = read_largest_gaps(connection, GAPS_SHOWN)
    for name, figure in _list_figures(totals):
        print(f"{name:<48}{figure:>14,}")
    for tab_id, missing in gaps:
        print(f"  tab {tab_id!a} misses {missing:,}")
    if totals.tabs_with_gaps > len(gaps):
        print(f"  and {totals.tabs_with_gaps - len(gaps):,} more tabs")


def _list_figures(totals: Totals) -> list[tuple[str, int]]:
    return [
        ("sessions", totals.sessions),
        ("events stored", totals.events),
        ("  of them without an identity", totals.events - totals.identified),
        ("tabs", totals.tabs),
        ("dropped, as sessions reported", totals.dropped),
        ("filtered, as sessions reported", totals.filtered),
        ("missing by gap", totals.missing),
        ("  of them unexplained", totals.unexplained),
        ("tabs with gaps", totals.tabs_with_gaps),
        ("  of them implausible, not counted as missing", totals.implausible_tabs),
        ("accepted, including duplicates", totals.accepted),
        ("  of them duplicates", totals.duplicates),
        ("rejected", totals.rejected),
        ("deleted", totals.deleted),
        ("dead letters", totals.dead_letters),
    ]
