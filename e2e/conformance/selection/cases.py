"""Which cases a run is about, and in which order they run: what collection does with the command line."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import pytest

from e2e.conformance.case import Case, Level, get_case, get_family, sort_key
from e2e.conformance.selection.options import LEVEL_NAMES
from e2e.conformance.selection.targets import Target, get_column, get_target, runs_on_named_kind

UNKNOWN_PREFIX = "--case {prefix}: no case has this prefix; the families are {families}"
NO_CASE_OF_LEVEL = "--level {level}: none of the selected cases has this level or a more binding one"
DUPLICATE_CASE = "case id {id} is used twice, by {first} and {second}: an id belongs to one case forever"
UNKNOWN_DEVIATION = "known_deviations of {name}: case {id} does not exist; remove it or correct the id"

_FORWARDED_ERROR = "conformance_usage_error"


def select_cases(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the cases that the command line names, in its order; mark known deviations as strict xfail.

    Raise pytest.UsageError for an id used twice, a prefix or level without a case, and, where the whole
    suite was collected, for a known deviation without a case.
    """
    output: dict[str, object] | None = getattr(config, "workeroutput", None)
    try:
        _select(config, items)
    except pytest.UsageError as error:
        if output is None:
            raise
        # pytest-xdist treats an error in one of its processes as a crash: send the message to the main
        # process instead, which raises it (`raise_forwarded_error`).
        output[_FORWARDED_ERROR] = str(error)
        items.clear()


def raise_forwarded_error(output: Mapping[str, object]) -> None:
    """Raise the pytest.UsageError that `select_cases` left in the output of a pytest-xdist process."""
    if _FORWARDED_ERROR in output:
        raise pytest.UsageError(str(output[_FORWARDED_ERROR]))


def matches_prefix(case_id: str, prefix: str) -> bool:
    """Whether the id begins with the prefix, by whole path segments."""
    return f"{case_id}/".startswith(f"{prefix.rstrip('/')}/")


def is_selected(config: pytest.Config, case_id: str, level: Level) -> bool:
    """Whether --case and --level select a case of this id and level."""
    prefixes: list[str] = config.getoption("case", None) or []
    name: str | None = config.getoption("level", None)
    is_named = not prefixes or any(matches_prefix(case_id, prefix) for prefix in prefixes)
    return is_named and (name is None or level.value.lower() in _list_levels(name))


def _list_levels(name: str) -> tuple[str, ...]:
    """Return a level and the more binding ones."""
    return LEVEL_NAMES[: LEVEL_NAMES.index(name) + 1]


def _select(config: pytest.Config, items: list[pytest.Item]) -> None:
    cases = {item: case for item in items if (case := get_case(item)) is not None}
    _refuse_duplicates(cases)
    _keep(config, items, lambda item: item not in cases or runs_on_named_kind(config, item))
    cases = {item: cases[item] for item in items if item in cases}
    if cases and _is_whole_suite(config, cases):
        _refuse_unknown_deviations(cases)
    _expect_known_deviations(cases)
    _keep(config, items, lambda item: item not in cases or _is_for_target(item, cases[item]))
    _keep_prefixes(config, items, cases)
    _keep_level(config, items, cases)
    _shuffle(config, items)


def _keep(config: pytest.Config, items: list[pytest.Item], is_wanted: Callable[[pytest.Item], bool]) -> None:
    """Deselect all other items."""
    unwanted = [item for item in items if not is_wanted(item)]
    if unwanted:
        config.hook.pytest_deselected(items=unwanted)
        items[:] = [item for item in items if item not in set(unwanted)]


def _is_for_target(item: pytest.Item, case: Case) -> bool:
    target = get_target(item)
    return target is None or not target.only_cases or case.id in target.only_cases


def _expect_known_deviations(cases: Mapping[pytest.Item, Case]) -> None:
    for item, case in cases.items():
        target = get_target(item)
        reason = target.known_deviations.get(case.id) if target else None
        if reason is not None:
            # Any other exception says nothing about the requirement: no known deviation excuses it.
            item.add_marker(pytest.mark.xfail(strict=True, raises=AssertionError, reason=reason))


def _keep_prefixes(
    config: pytest.Config, items: list[pytest.Item], cases: Mapping[pytest.Item, Case]
) -> None:
    """Keep the cases that --case names."""
    prefixes: list[str] = config.getoption("case", None) or []
    ids = {case.id for case in cases.values()}
    for prefix in prefixes:
        if not any(matches_prefix(case_id, prefix) for case_id in ids):
            families = ", ".join(sorted(set(map(get_family, ids)))) or "none: no case was collected"
            raise pytest.UsageError(UNKNOWN_PREFIX.format(prefix=prefix, families=families))
    if prefixes:
        wanted = {case_id for case_id in ids if any(matches_prefix(case_id, prefix) for prefix in prefixes)}
        _keep(config, items, lambda item: item in cases and cases[item].id in wanted)


def _keep_level(config: pytest.Config, items: list[pytest.Item], cases: Mapping[pytest.Item, Case]) -> None:
    """Keep the cases of the level that --level names and of the more binding ones."""
    name: str | None = config.getoption("level", None)
    if name is None:
        return
    wanted = _list_levels(name)
    _keep(config, items, lambda item: item in cases and cases[item].level.value.lower() in wanted)
    if cases and not items:
        raise pytest.UsageError(NO_CASE_OF_LEVEL.format(level=name))


def _shuffle(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the items into the order that belongs to the seed of --shuffle, the same in parallel processes.

    pytest still keeps the cases of one target together.
    """
    seed: int | None = config.getoption("shuffle", None)
    if seed is not None:
        items.sort(key=lambda item: item.nodeid)
        random.Random(seed).shuffle(items)


def _refuse_duplicates(cases: Mapping[pytest.Item, Case]) -> None:
    seen: dict[tuple[str, str | None], pytest.Item] = {}
    for item, case in cases.items():
        first = seen.setdefault((case.id, get_column(item)), item)
        # The same node id again is the same test, named twice on the command line.
        if first.nodeid != item.nodeid:
            raise pytest.UsageError(DUPLICATE_CASE.format(id=case.id, first=first.nodeid, second=item.nodeid))


def _is_whole_suite(config: pytest.Config, items: Collection[pytest.Item]) -> bool:
    """Whether the command line named folders only, one of which contains every case collected."""
    paths = [Path(config.invocation_params.dir, argument) for argument in config.args]
    folders = [path.resolve() for path in paths if path.is_dir()]
    if len(folders) < len(paths) or config.getoption("ignore", None) or config.getoption("lf", False):
        return False
    return any(all(item.path.is_relative_to(folder) for item in items) for folder in folders)


def _refuse_unknown_deviations(cases: Mapping[pytest.Item, Case]) -> None:
    """Check only targets that some case runs on: a folder of server cases says nothing about workers."""
    ids = {case.id for case in cases.values()}
    targets: dict[str, Target] = {}
    for item in cases:
        target = get_target(item)
        if target is not None:
            targets[target.name] = target
    for target in targets.values():
        unknown = set(target.known_deviations) - ids
        if unknown:
            first = min(unknown, key=sort_key)
            raise pytest.UsageError(UNKNOWN_DEVIATION.format(name=target.name, id=first))
