"""What the cases work with: the implementation's worker, the gateway, and the reference server behind it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext

from e2e.implementation import Implementation
from e2e.report.observed import Observed
from e2e.stored import StoreReader
from e2e.telemetry import Telemetry
from pytest_sharedworker.gateway.gateway import Gateway
from pytest_sharedworker.integration.event_loop_thread import LoopThread
from pytest_sharedworker.workers.shared_workers import SharedWorkers
from reference_server import ReferenceServer

_PASSED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember whether the case passed, for the fixtures that end after it."""
    report = yield
    if report.when == "call":
        item.stash[_PASSED] = report.passed
    return report


@pytest.fixture
def needs_devtools(browser_name: str) -> None:
    """Skip the test where no DevTools reach a worker."""
    if browser_name != "chromium":
        pytest.skip("only Chromium has DevTools that reach a SharedWorker")


@pytest.fixture
def needs_crash(browser_name: str) -> None:
    """Skip the test where a tab's renderer cannot be crashed."""
    if browser_name != "chromium":
        pytest.skip("only Chromium crashes a tab's renderer on demand")


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    """The file from which this case's server reads its configuration."""
    return tmp_path / "config.json"


@pytest.fixture
def database_file(tmp_path: Path) -> Path:
    """The database in which this case's server stores."""
    return tmp_path / "telemetry.sqlite"


@pytest.fixture
def reference_server(
    config_file: Path, database_file: Path, sharedworker_loop: LoopThread
) -> Iterator[ReferenceServer]:
    """A server of this case's own. Its environment is empty: a CI machine's must not silence it."""
    server = ReferenceServer(config=config_file, database=database_file, environ={})
    sharedworker_loop.run(server.start())
    yield server
    sharedworker_loop.run(server.stop())


@pytest.fixture
def gateway_upstream(reference_server: ReferenceServer) -> str:
    """The server behind the gateway."""
    return str(reference_server.url)


@pytest.fixture
def telemetry(
    implementation: Implementation,
    gateway: Gateway,
    shared_workers: SharedWorkers,
    context: BrowserContext,
    config_file: Path,
    database_file: Path,
    observed: Observed,
    request: pytest.FixtureRequest,
) -> Iterator[Telemetry]:
    """The system under test. A case that ends without its accounting is a defect of the case."""
    store = StoreReader(database_file)
    telemetry = Telemetry(implementation, gateway, shared_workers, context, config_file, store, observed)
    observed.at_end(timeline=telemetry.recorder.timeline, if_not_held=gateway.journal.tail)
    yield telemetry
    if request.node.stash.get(_PASSED, False) and not telemetry.accounted:
        pytest.fail(f"{request.node.nodeid} ended without telemetry.account()", pytrace=False)


@pytest.fixture
def second_context(
    new_context: Callable[[], BrowserContext], shared_workers: SharedWorkers
) -> BrowserContext:
    """A second browser context: another person, or a private window."""
    context = new_context()
    shared_workers.watch(context)
    return context
