"""Run the suite's cases on mutants, inside the pytest session that tests the mutants.

A case is an ordinary pytest item, cloned with the mutant as its implementation. So all mutants of a process
share one browser. A clone is expected to fail with an assertion: pytest then keeps no artifacts of it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import reduce
from itertools import pairwise
from pathlib import Path

import pytest
from _pytest.runner import runtestprotocol

from e2e.conformance.case import Verdict, get_case
from e2e.conformance.report.reporter import get_result
from e2e.conformance.report.verdicts import CaseResult
from e2e.conformance.selection.targets import SERVERS, WORKERS
from e2e.conformance.targets.server import ServerImplementation
from e2e.conformance.targets.worker import Implementation
from e2e.mutants.model import Mutant, MutantResult, StaleMutantError, Target, build_implementation

CASE_FOLDERS = ("worker", "server")

Cases = Mapping[str, pytest.Function]
"""The item of each case, by the id of the case."""

Collectors = Mapping[Path, pytest.Collector]
"""Nodes of files and folders, by their paths."""


def get_collectors(items: Iterable[pytest.Item]) -> Collectors:
    """Return the files and folders that were collected for these items, by their paths."""
    return {
        node.path: node
        for item in items
        for node in item.listchain()
        if isinstance(node, (pytest.File, pytest.Directory)) and not isinstance(node, pytest.Session)
    }


def collect_cases(e2e: pytest.Collector, collectors: Collectors) -> Cases:
    """Collect all cases below the node of the folder e2e. The session does not run these items itself.

    `collectors` are those of the session, which are used again: pytest shows a fixture of a conftest or a
    module only to the node for which it has first seen it.
    """
    cases: dict[str, pytest.Function] = {}
    for folder in CASE_FOLDERS:
        path = e2e.path / folder
        directory = collectors.get(path) or e2e.ihook.pytest_collect_directory(path=path, parent=e2e)
        for item in _collect_items(directory, collectors):
            case = get_case(item)
            if case is not None and isinstance(item, pytest.Function):
                cases.setdefault(case.id, item)
    return cases


def _collect_items(node: pytest.Collector, collectors: Collectors) -> Iterator[pytest.Item]:
    # The hook also loads the conftest files of a folder.
    report = node.ihook.pytest_make_collect_report(collector=node)
    if report.failed:
        pytest.exit(f"The cases in {node.nodeid} cannot be collected:\n{report.longreprtext}")
    for child in report.result:
        if isinstance(child, pytest.Item):
            yield child
        else:
            yield from _collect_items(_reuse(child, collectors), collectors)


def _reuse(node: pytest.Collector, collectors: Collectors) -> pytest.Collector:
    is_file_or_folder = isinstance(node, (pytest.File, pytest.Directory))
    return collectors.get(node.path, node) if is_file_or_folder else node


def run_cases(item: pytest.Item, mutant: Mutant, cases: Cases) -> list[MutantResult]:
    """Run the cases that must kill the mutant, before `item`, the test of the mutant, is set up."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        try:
            implementation = build_implementation(mutant, Path(folder))
        except StaleMutantError as error:
            return [
                MutantResult(mutant.name, each, False, str(error), stale=True) for each in mutant.killed_by
            ]
        clones = {
            case_id: _clone(cases[case_id], mutant, implementation)
            for case_id in mutant.killed_by
            if case_id in cases
        }
        results = dict(zip(clones, _run(list(clones.values()), item), strict=True))
    return [_judge(mutant.name, case_id, results.get(case_id)) for case_id in mutant.killed_by]


def _clone(
    case: pytest.Function, mutant: Mutant, implementation: Implementation | ServerImplementation
) -> pytest.Function:
    """Return the case as an item that runs on the mutant."""
    argument = (WORKERS if mutant.target is Target.WORKER else SERVERS).argument
    callspec = case.callspec
    name = getattr(callspec.params[argument], "name", None)
    ids = [mutant.name if each == name else each for each in callspec._idlist]
    clone = type(case).from_parent(
        case.parent,
        name=f"{case.originalname}[{'-'.join(ids)}]",
        callspec=replace(callspec, params={**callspec.params, argument: implementation}, _idlist=ids),
        fixtureinfo=case._fixtureinfo,
        originalname=case.originalname,
    )
    clone.add_marker(pytest.mark.xfail(strict=True, raises=AssertionError, reason="the mutant is killed"))
    return clone


def _run(clones: list[pytest.Function], item: pytest.Item) -> Iterator[CaseResult | None]:
    """Run the clones one after the other and return what the suite says about each."""
    if clones:
        # pytest has kept the collectors of `item` since the item before.
        item.session._setupstate.teardown_exact(clones[0])
    for clone, following in pairwise([*clones, item]):
        reports = runtestprotocol(clone, log=False, nextitem=following)
        phases = [result for report in reports if (result := get_result(report)) is not None]
        yield reduce(CaseResult.add_phase, phases) if phases else None


def _judge(mutant: str, case_id: str, result: CaseResult | None) -> MutantResult:
    """Return whether the case killed the mutant.

    A case that raised another error says nothing about its requirement: it kills nothing.
    """
    if result is None:
        return MutantResult(mutant, case_id, False, "the case does not exist, or was not judged")
    failed = result.verdict in (Verdict.FAILED, Verdict.NON_STRICT)
    return MutantResult(mutant, case_id, failed and not result.aborted, result.actual)
