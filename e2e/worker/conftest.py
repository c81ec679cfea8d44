"""Fixtures of the worker's cases: the worker under test behind a gateway, in front of a reference server."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext

from e2e.conformance.report.observations import Observations
from e2e.conformance.targets.worker import Implementation
from e2e.worker.driver.handshake import probe_handshake, require_handshake
from e2e.worker.driver.store_reader import StoreReader
from e2e.worker.driver.system import Telemetry
from e2e.worker.driver.tab import HandshakeError
from pytest_sharedworker import Clock, Gateway, SharedWorkers
from reference_server.api.telemetry import ENDPOINT

_PASSED = pytest.StashKey[bool]()
_GOT_NO_READY = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Store whether the case passed, for the teardown of its fixtures."""
    report = yield
    if report.when == "call":
        item.stash[_PASSED] = report.passed
        item.stash[_GOT_NO_READY] = call.excinfo is not None and isinstance(
            call.excinfo.value, HandshakeError
        )
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Do not begin a case on a worker that does not answer tabs."""
    require_handshake(item)


@pytest.fixture
def telemetry(
    implementation: Implementation,
    gateway: Gateway,
    shared_workers: SharedWorkers,
    context: BrowserContext,
    worker_clock: Clock,
    config_file: Path,
    database_file: Path,
    observations: Observations,
    request: pytest.FixtureRequest,
) -> Iterator[Telemetry]:
    """Set up the system under test; fail a passed case that did not call `telemetry.account()`.

    `worker_clock` makes the clock of the workers virtual, unless an option or a marker names another kind.
    """
    store = StoreReader(database_file)
    telemetry = Telemetry(
        implementation, gateway, shared_workers, context, ENDPOINT, config_file, store, observations
    )
    observations.build_at_end(
        timeline=telemetry.recorder.build_timeline, details_if_failed=gateway.journal.tail
    )
    yield telemetry
    if request.node.stash.get(_GOT_NO_READY, False):
        probe_handshake(telemetry, request.config)
    if request.node.stash.get(_PASSED, False) and not telemetry.accounted:
        pytest.fail(f"{request.node.nodeid} ended without telemetry.account()", pytrace=False)


@pytest.fixture
def second_context(
    new_context: Callable[[], BrowserContext], shared_workers: SharedWorkers
) -> BrowserContext:
    """Open a second browser context, like another user or a private window."""
    context = new_context()
    shared_workers.watch(context)
    return context
