"""How long the cases took: the slowest cases and the total of each family, as lines of text."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from e2e.conformance.case import get_family
from e2e.conformance.report.results import Results

SLOWEST = 10


def format_durations(results: Results) -> Iterator[str]:
    """Yield two small tables. Seconds are those of the cases, added up over parallel processes."""
    slowest = sorted(results, key=lambda result: -result.seconds)
    yield f"the slowest {min(SLOWEST, len(slowest))} of {len(slowest)} cases:"
    width = max((len(result.id) for result in slowest[:SLOWEST]), default=0)
    for result in slowest[:SLOWEST]:
        yield f"{result.seconds:9.2f} s  {result.id:<{width}}  {result.implementation}"
    families: dict[str, list[float]] = defaultdict(list)
    for result in slowest:
        families[get_family(result.id)].append(result.seconds)
    yield "the families:"
    for family, seconds in sorted(families.items(), key=lambda pair: -sum(pair[1])):
        yield f"{sum(seconds):9.2f} s  {family} ({len(seconds)})"
    yield f"{sum(result.seconds for result in slowest):9.2f} s  all ({len(slowest)})"
