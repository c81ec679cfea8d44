"""Which levels a run is about, and in which order its cases come: two options of the command line."""

from __future__ import annotations

import random
from collections.abc import Mapping

import pytest

from e2e.conformance.case import Case, Level

NO_CASE_OF_LEVEL = "--level {level}: none of the cases asked for is that binding"
LEVEL_HELP = "run only the cases of this level and the more binding ones (default: may, which is all)"
SHUFFLE_HELP = "run the cases in the random order that belongs to this number"

LEVEL_NAMES = tuple(level.value.lower() for level in Level)


def add_options(group: pytest.OptionGroup) -> None:
    """Add --level, --shuffle and --case-durations."""
    group.addoption("--level", choices=LEVEL_NAMES, help=LEVEL_HELP)
    group.addoption("--shuffle", type=int, metavar="SEED", help=SHUFFLE_HELP)
    group.addoption(
        "--case-durations",
        action="store_true",
        help="with --report, show what the slowest cases and each family cost",
    )


def of_another_level(
    config: pytest.Config, items: list[pytest.Item], cases: Mapping[int, Case]
) -> list[pytest.Item]:
    """The items that --level leaves out; `cases` has the case of an item by the item's id().

    Raises pytest.UsageError where it would leave none of the cases.
    """
    name: str | None = config.getoption("level", None)
    if name is None:
        return []
    binding = LEVEL_NAMES[: LEVEL_NAMES.index(name) + 1]
    wanted = {item for item in cases if cases[item].level.value.lower() in binding}
    if cases and not wanted & {id(item) for item in items}:
        raise pytest.UsageError(NO_CASE_OF_LEVEL.format(level=name))
    return [item for item in items if id(item) not in wanted]


def shuffle(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the items into the order of --shuffle; parallel processes, which must agree, come to the same.

    pytest still keeps the cases of one implementation together.
    """
    seed: int | None = config.getoption("shuffle", None)
    if seed is not None:
        items.sort(key=lambda item: item.nodeid)
        random.Random(seed).shuffle(items)
