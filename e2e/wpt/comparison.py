"""Compare the results of a page's subtests with and without the plugin."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

Mode = Literal["direct", "real", "virtual"]
PLUGIN_MODES: tuple[Mode, ...] = ("real", "virtual")

HARNESS = "(harness)"
"""The key of a page's own status among those of its subtests."""
ABSENT = "ABSENT"
NO_RESULTS = "NO RESULTS"
_TEST_STATUS = ("PASS", "FAIL", "TIMEOUT", "NOTRUN", "PRECONDITION_FAILED")
_HARNESS_STATUS = ("OK", "ERROR", "TIMEOUT", "PRECONDITION_FAILED")

_PORT = re.compile(r":\d{4,5}\b")

Results: TypeAlias = Mapping[str, str]
"""The status of each subtest, by its name."""


@dataclass(frozen=True)
class Difference:
    """A subtest whose results never agree."""

    name: str
    direct: str
    plugin: str


@dataclass
class Comparison:
    """What a page's subtests do in one mode, compared with `direct`."""

    page: str
    mode: Mode
    subtests: int = 0
    differences: list[Difference] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """Errors of the clock, for a person who looks for the reason of a difference."""
    varies: bool = False
    """Whether some results agree only with those of a repeated run."""


def read_results(raw: Any) -> dict[str, str]:
    """Return the results that a page keeps (see `serve_checkout.REPORT`); no name has a port of this run."""
    seen: Counter[str] = Counter()
    statuses = {HARNESS: _HARNESS_STATUS[raw["harness"]]}
    for given, status in raw["tests"]:
        name = _PORT.sub(":PORT", given)
        seen[name] += 1
        statuses[name if seen[name] == 1 else f"{name} #{seen[name]}"] = _TEST_STATUS[status]
    return statuses


def find_differences(direct: Sequence[Results], plugin: Sequence[Results]) -> Iterator[Difference]:
    """Yield the subtests of which no result on one side is one of the other side's."""
    names = dict.fromkeys(name for results in (*direct, *plugin) for name in results)
    for name in names:
        left = {results.get(name, ABSENT) for results in direct}
        right = {results.get(name, ABSENT) for results in plugin}
        if left.isdisjoint(right):
            yield Difference(name, "/".join(sorted(left)), "/".join(sorted(right)))
