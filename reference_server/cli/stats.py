"""`python -m reference_server stats`: what is stored and what is missing, for a person."""

from collections.abc import Sequence
from pathlib import Path

from reference_server.cli.common import add_database, new_parser, run
from reference_server.storage.readonly import open_readonly
from reference_server.storage.stats import Summary, largest_gaps, read_summary

GAPS_SHOWN = 10

DESCRIPTION = """\
Print what a database holds, and what it lacks: each tab numbers its events, so that every number that is
missing is an event that was lost, or left out on purpose, or is still on its way.
"""


def main(arguments: Sequence[str]) -> int:
    """Print the figures; give the exit status."""
    parser = new_parser("stats", DESCRIPTION)
    add_database(parser)
    options = parser.parse_args(arguments)
    return run(lambda: _print(options.database))


def _print(database: Path) -> None:
    with open_readonly(database) as connection:
        connection.execute("BEGIN")  # all figures are of one moment, though the server goes on
        summary = read_summary(connection)
        gaps = largest_gaps(connection, GAPS_SHOWN)
    for name, figure in _figures(summary):
        print(f"{name:<42}{figure:>14,}")
    for tab_id, missing in gaps:
        print(f"  tab {tab_id!r} misses {missing:,}")
    if summary.tabs_with_gaps > len(gaps):
        print(f"  and {summary.tabs_with_gaps - len(gaps):,} tabs more")


def _figures(summary: Summary) -> list[tuple[str, int]]:
    return [
        ("sessions", summary.sessions),
        ("events stored", summary.events),
        ("  of them without an identity", summary.events - summary.identified),
        ("tabs", summary.tabs),
        ("dropped, as sessions reported", summary.dropped),
        ("filtered, as sessions reported", summary.filtered),
        ("missing by gap", summary.missing),
        ("  of them unexplained", summary.unexplained),
        ("tabs with gaps", summary.tabs_with_gaps),
    ]
