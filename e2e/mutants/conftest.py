"""Fixtures of the tests of mutants: the ids of all cases, and what the cases say about a mutant."""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import asdict

import pytest

from e2e.mutants.case_runner import Cases, Collectors, collect_cases, get_collectors, run_cases
from e2e.mutants.model import MUTANTS_FOLDER, Mutant, MutantResult

RESULTS_PROPERTY = "mutant_results"
"""Name of the property of a report that holds the results; `python -m e2e.mutants` reads it."""

_collectors_key = pytest.StashKey[Collectors]()
_cases_key = pytest.StashKey[Cases]()
_results_key = pytest.StashKey[list[MutantResult]]()
_seconds_key = pytest.StashKey[float]()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(session: pytest.Session, items: list[pytest.Item]) -> None:
    """Keep the collectors of all items, before options leave some of the items out."""
    session.stash[_collectors_key] = get_collectors(items)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> None:
    """Collect the cases for a test that needs them, and run those of its mutant.

    This cannot be done in a fixture: the cases are items too, and pytest sets up one item at a time.
    """
    fixtures: list[str] = getattr(item, "fixturenames", [])
    if item.path.parent != MUTANTS_FOLDER or not {"case_ids", "mutant_results"} & set(fixtures):
        return
    stash = item.session.stash
    if _cases_key not in stash:
        stash[_cases_key] = collect_cases(_get_e2e_node(item), stash[_collectors_key])
    if isinstance(item, pytest.Function) and "mutant_results" in fixtures:
        mutant = item.callspec.params["mutant"]
        assert isinstance(mutant, Mutant)
        began = time.perf_counter()
        item.stash[_results_key] = run_cases(item, mutant, stash[_cases_key])
        item.stash[_seconds_key] = time.perf_counter() - began


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Count the time of a mutant's cases as time of its test."""
    report = yield
    if report.when == "call":
        report.duration += item.stash.get(_seconds_key, 0.0)
    return report


def _get_e2e_node(item: pytest.Item) -> pytest.Collector:
    return next(
        node
        for node in item.listchain()
        if isinstance(node, pytest.Collector) and node.path == MUTANTS_FOLDER.parent
    )


@pytest.fixture
def case_ids(request: pytest.FixtureRequest) -> list[str]:
    """Return the ids of all cases of the suite."""
    cases: Cases = request.session.stash[_cases_key]
    return list(cases)


@pytest.fixture
def mutant_results(request: pytest.FixtureRequest) -> list[MutantResult]:
    """Return what each case that must kill the test's mutant says about it, and add it to the report."""
    results: list[MutantResult] = request.node.stash[_results_key]
    request.node.user_properties.append((RESULTS_PROPERTY, [asdict(result) for result in results]))
    return results
