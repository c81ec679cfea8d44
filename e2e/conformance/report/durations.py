"""What the cases cost: the slowest ones, and each family's total, as lines of text."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from e2e.conformance.case import get_family
from e2e.conformance.report.results import Results

SLOWEST = 10


def costs(book: Results) -> Iterator[str]:
    """Two small tables; seconds are those of the cases themselves, added up over parallel processes."""
    judged = sorted(book, key=lambda each: -each.seconds)
    yield f"the slowest {min(SLOWEST, len(judged))} of {len(judged)} cases:"
    width = max((len(each.id) for each in judged[:SLOWEST]), default=0)
    for each in judged[:SLOWEST]:
        yield f"{each.seconds:9.2f} s  {each.id:<{width}}  {each.implementation}"
    families: dict[str, list[float]] = defaultdict(list)
    for each in judged:
        families[get_family(each.id)].append(each.seconds)
    yield "the families:"
    for family, seconds in sorted(families.items(), key=lambda pair: -sum(pair[1])):
        yield f"{sum(seconds):9.2f} s  {family} ({len(seconds)})"
    yield f"{sum(each.seconds for each in judged):9.2f} s  all ({len(judged)})"
