"""Which implementations and which cases a run is about: the command line and what collection does with it.

The functions are called by the root conftest from the pytest hooks of similar names.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from e2e.conformance import arrangement, server_selection
from e2e.conformance.case import Case, case_of, get_family, sort_key
from e2e.conformance.targets.loading import load_targets
from e2e.conformance.targets.server import ServerImplementation
from e2e.conformance.targets.worker import Implementation, load_implementation

DEFAULT_WORKER = "reference"
DEFAULT_ROLLOUT_SAMPLES = 200
IMPLEMENTATION_ARGUMENT = "implementation"
USAGE_ERROR = "conformance_usage_error"

System = Implementation | ServerImplementation

_implementations_key = pytest.StashKey[list[Implementation]]()

CASE_MATCHES_NOTHING = "--case {prefix}: no case is called so; the families are {families}"
DUPLICATE_CASE = "case id {id} is used twice, by {first} and {second}: an id belongs to one case for ever"
UNKNOWN_DEVIATION = "known_deviations of {name}: there is no case {id}; remove it or correct the id"


def positive_integer(text: str) -> int:
    """Type of a command-line number that has to be 1 or more."""
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number above 0, not {text!r}")
    return int(text)


def add_options(parser: pytest.Parser) -> None:
    """Add the options of the group "conformance"."""
    group = parser.getgroup("conformance", "conformance cases")
    group.addoption(
        "--worker",
        action="append",
        metavar="NAME|FILE.toml|FILE.js",
        help=f"implementation to run the cases on; may be repeated (default: {DEFAULT_WORKER})",
    )
    server_selection.add_option(group)
    group.addoption(
        "--case",
        action="append",
        metavar="PREFIX",
        help="run only the cases whose id begins so (flush, flush/2, flush/2/1); may be repeated",
    )
    arrangement.add_options(group)
    group.addoption(
        "--rollout-samples",
        type=positive_integer,
        default=DEFAULT_ROLLOUT_SAMPLES,
        metavar="N",
        help="workers that the statistical sampling case starts (default: %(default)s)",
    )
    group.addoption(
        "--report",
        metavar="DIR",
        help="print a verdict a case; write results.json, junit.xml and index.html into this folder",
    )


def implementations(config: pytest.Config) -> list[Implementation]:
    """The implementations of this run, loaded once.

    Call it from pytest_configure, so that wrong use ends the run before it begins.
    Raises pytest.UsageError.
    """
    if _implementations_key not in config.stash:
        specs: list[str] = config.getoption("worker", None) or [DEFAULT_WORKER]
        config.stash[_implementations_key] = load_targets("--worker", specs, load_implementation)
    return config.stash[_implementations_key]


def generate(metafunc: pytest.Metafunc) -> None:
    """Run a test that wants `implementation`, itself or through a fixture, once for each of them.

    So too with a server's test and `server_implementation`.
    """
    server_selection.generate(metafunc)
    if IMPLEMENTATION_ARGUMENT in metafunc.fixturenames:
        chosen = implementations(metafunc.config)
        metafunc.parametrize(
            IMPLEMENTATION_ARGUMENT,
            chosen,
            ids=[implementation.name for implementation in chosen],
            scope="session",
        )


def systems(config: pytest.Config) -> list[System]:
    """All that this run may judge: workers, then servers. Raises pytest.UsageError."""
    return [*implementations(config), *server_selection.servers(config)]


def system_of(item: pytest.Item) -> System | None:
    """The worker's or server's implementation that this item runs on, or None where it asks for none."""
    return implementation_of(item) or server_selection.server_of(item)


def implementation_of(item: pytest.Item) -> Implementation | None:
    """The worker's implementation that this item runs on, or None where it does not ask for one."""
    callspec = getattr(item, "callspec", None)
    value = callspec.params.get(IMPLEMENTATION_ARGUMENT) if callspec else None
    return value if isinstance(value, Implementation) else None


def _is_asked_for(config: pytest.Config, item: pytest.Item) -> bool:
    on_worker = implementation_of(item) is not None
    return server_selection.is_asked_for(config, item, on_worker=on_worker)


def select(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the cases that --case names, and expect the known deviations to fail, strictly.

    Raises pytest.UsageError for an id used twice, a prefix without a case, and, where the whole suite
    was collected, for a known deviation without a case.
    """
    output: dict[str, object] | None = getattr(config, "workeroutput", None)
    try:
        _select(config, items)
    except pytest.UsageError as error:
        if output is None:
            raise
        # pytest-xdist takes an error in one of its processes for a crash: send the sentence home instead.
        output[USAGE_ERROR] = str(error)
        items.clear()


def raise_sent_home(output: Mapping[str, object]) -> None:
    """Raise the pytest.UsageError that `select` left in the output of a pytest-xdist process."""
    if USAGE_ERROR in output:
        raise pytest.UsageError(str(output[USAGE_ERROR]))


def _select(config: pytest.Config, items: list[pytest.Item]) -> None:
    cases = [(item, found) for item in items if (found := case_of(item)) is not None]
    _refuse_duplicates(cases)
    _deselect(config, items, [item for item, _ in cases if not _is_asked_for(config, item)])
    cases = [(item, found) for item, found in cases if _is_asked_for(config, item)]
    if cases and _is_whole_suite(config, [item for item, _ in cases]):
        _refuse_unknown_deviations(cases)
    for item, found in cases:
        system = system_of(item)
        reason = system.known_deviations.get(found.id) if system else None
        if reason is not None:
            # A case that breaks off says nothing about the requirement: no deviation excuses it.
            item.add_marker(pytest.mark.xfail(strict=True, raises=AssertionError, reason=reason))
    _deselect(config, items, [item for item, found in cases if not _runs_on(item, found)])
    prefixes: list[str] = config.getoption("case", None) or []
    by_item = {id(item): found for item, found in cases}
    if prefixes:
        _keep_prefixes(config, items, prefixes, by_item)
    _deselect(config, items, arrangement.of_another_level(config, items, by_item))
    arrangement.shuffle(config, items)


def _runs_on(item: pytest.Item, case: Case) -> bool:
    system = system_of(item)
    return system is None or not system.only_cases or case.id in system.only_cases


def _deselect(config: pytest.Config, items: list[pytest.Item], unwanted: list[pytest.Item]) -> None:
    if unwanted:
        config.hook.pytest_deselected(items=unwanted)
        dropped = set(map(id, unwanted))
        items[:] = [item for item in items if id(item) not in dropped]


def _keep_prefixes(
    config: pytest.Config, items: list[pytest.Item], prefixes: list[str], cases: dict[int, Case]
) -> None:
    ids = {found.id for found in cases.values()}
    for prefix in prefixes:
        if not any(matches(case_id, prefix) for case_id in ids):
            families = (
                ", ".join(sorted({get_family(case_id) for case_id in ids})) or "none: no case was collected"
            )
            raise pytest.UsageError(CASE_MATCHES_NOTHING.format(prefix=prefix, families=families))
    unwanted = []
    for item in items:
        found = cases.get(id(item))
        if found is None or not any(matches(found.id, prefix) for prefix in prefixes):
            unwanted.append(item)
    _deselect(config, items, unwanted)


def matches(case_id: str, prefix: str) -> bool:
    """Whether the id begins with the prefix, whole path segments at a time."""
    return f"{case_id}/".startswith(f"{prefix.rstrip('/')}/")


def _refuse_duplicates(cases: Iterable[tuple[pytest.Item, Case]]) -> None:
    seen: dict[tuple[str, str | None], pytest.Item] = {}
    for item, found in cases:
        system = system_of(item)
        first = seen.setdefault((found.id, system.name if system else None), item)
        # A node id that comes again is the same test, asked for twice on the command line.
        if first.nodeid != item.nodeid:
            raise pytest.UsageError(
                DUPLICATE_CASE.format(id=found.id, first=first.nodeid, second=item.nodeid)
            )


def _is_whole_suite(config: pytest.Config, items: list[pytest.Item]) -> bool:
    """Whether the command line named folders only, one of them above every case collected."""
    paths = [Path(config.invocation_params.dir, argument) for argument in config.args]
    folders = [path.resolve() for path in paths if path.is_dir()]
    if len(folders) < len(paths) or config.getoption("ignore", None) or config.getoption("lf", False):
        return False
    return any(all(item.path.is_relative_to(folder) for item in items) for folder in folders)


def _refuse_unknown_deviations(cases: Iterable[tuple[pytest.Item, Case]]) -> None:
    """Only systems that some case runs on: a folder of server cases says nothing about workers."""
    case_ids: set[str] = set()
    tried: dict[str, System] = {}
    for item, found in cases:
        case_ids.add(found.id)
        system = system_of(item)
        if system is not None:
            tried[system.name] = system
    for system in tried.values():
        unknown = set(system.known_deviations) - case_ids
        if unknown:
            first = min(unknown, key=sort_key)
            raise pytest.UsageError(UNKNOWN_DEVIATION.format(name=system.name, id=first))
