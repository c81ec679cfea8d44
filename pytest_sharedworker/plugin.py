"""The pytest plugin: options and fixtures, on top of pytest-playwright's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_args

import pytest
from playwright.sync_api import BrowserContext, BrowserType

from pytest_sharedworker.browsers import launch_options
from pytest_sharedworker.control.server import ControlServer
from pytest_sharedworker.coverage import plugin as coverage_plugin
from pytest_sharedworker.gateway.gateway import Gateway
from pytest_sharedworker.integration import interrupts, xdist_output
from pytest_sharedworker.integration.event_loop_thread import LoopThread
from pytest_sharedworker.reporting import artifacts
from pytest_sharedworker.workers.persistent_browser import PersistentBrowser
from pytest_sharedworker.workers.shared_workers import ClockKind, SharedWorkers

CLOCK_KINDS = get_args(ClockKind)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the plugin's options."""
    group = parser.getgroup("sharedworker", "SharedWorkers under Playwright")
    group.addoption(
        "--worker-clock",
        choices=CLOCK_KINDS,
        default="virtual",
        help="the time of SharedWorkers: virtual moves only when a test moves it, real waits, policy is"
        " Chromium's own virtual time, for scripts that must not be touched (default: %(default)s)",
    )
    launch_options.add_options(group)
    coverage_plugin.add_options(group)


def pytest_configure(config: pytest.Config) -> None:
    """Register the plugin's markers and its other parts."""
    config.pluginmanager.register(artifacts, "sharedworker-artefacts")
    launch_options.check_options(config)
    _check_clock(config)
    coverage_plugin.install(config)
    config.pluginmanager.register(launch_options, "sharedworker-launching")
    xdist_output.install(config)
    interrupts.install(config)
    config.pluginmanager.register(interrupts, "sharedworker-interrupt")
    config.addinivalue_line(
        "markers", "virtual_tabs: the timers and dates of tabs are virtual too and move with their worker's"
    )
    config.addinivalue_line(
        "markers",
        "worker_clock(kind): run this test on a 'virtual', 'real' or 'policy' worker clock, whatever the"
        " option says",
    )


def _check_clock(config: pytest.Config) -> None:
    browsers = config.getoption("--browser", default=None) or []
    if config.getoption("--worker-clock") == "policy" and any(browser != "chromium" for browser in browsers):
        raise pytest.UsageError(
            "only Chromium has its own virtual time: use --browser chromium for --worker-clock policy"
        )


@pytest.fixture(scope="session")
def sharedworker_loop() -> Iterator[LoopThread]:
    """The thread in which the plugin's servers run."""
    loop_thread = LoopThread()
    yield loop_thread
    loop_thread.close()


@pytest.fixture(scope="session")
def sharedworker_control(sharedworker_loop: LoopThread) -> Iterator[ControlServer]:
    """The control server, to which workers with a prologue report."""
    control = ControlServer(sharedworker_loop)
    sharedworker_loop.run(control.start())
    yield control
    sharedworker_loop.run(control.stop())


@pytest.fixture
def gateway_upstream() -> str | None:
    """The origin of the server behind the gateway; override it. None: only what a test mounts."""
    return None


@pytest.fixture
def gateway(
    sharedworker_loop: LoopThread,
    sharedworker_control: ControlServer,
    gateway_upstream: str | None,
    output_path: str,
    request: pytest.FixtureRequest,
) -> Iterator[Gateway]:
    """A gateway of this test's own: an origin in front of `gateway_upstream`, its journal and its toxics."""
    gateway = Gateway(sharedworker_loop, sharedworker_control, gateway_upstream)
    gateway.start()
    request.node.stash[artifacts.TEST_ARTIFACTS] = artifacts.TestArtifacts(gateway, Path(output_path))
    yield gateway
    gateway.stop()
    gateway.raise_handler_error()  # Of a handler that was called after the test's own end.


@pytest.fixture
def worker_clock_kind(request: pytest.FixtureRequest) -> ClockKind:
    """Whether this test's workers run on virtual or real time (marker `worker_clock`, else the option)."""
    marker = request.node.get_closest_marker("worker_clock")
    kind: ClockKind = marker.args[0] if marker else request.config.getoption("--worker-clock")
    if kind not in CLOCK_KINDS:
        raise pytest.UsageError(
            f"the marker worker_clock takes {' or '.join(map(repr, CLOCK_KINDS))}, not {kind!r}"
        )
    if kind == "policy" and request.getfixturevalue("browser_name") != "chromium":
        pytest.skip("only Chromium has the virtual time of the clock 'policy'")
    return kind


@pytest.fixture
def shared_workers(
    context: BrowserContext,
    gateway: Gateway,
    sharedworker_control: ControlServer,
    sharedworker_loop: LoopThread,
    worker_clock_kind: ClockKind,
    request: pytest.FixtureRequest,
) -> Iterator[SharedWorkers]:
    """The SharedWorkers of pytest-playwright's `context`, and of further contexts given to `watch`."""
    browser = context.browser
    assert browser is not None
    workers = SharedWorkers(
        browser,
        gateway,
        sharedworker_control,
        sharedworker_loop,
        worker_clock_kind,
        virtual_tabs=request.node.get_closest_marker("virtual_tabs") is not None,
        coverage=coverage_plugin.recorder(request.config),
    )
    workers.watch(context)
    request.node.stash[artifacts.TEST_ARTIFACTS].workers = workers
    yield workers
    workers.close()


@pytest.fixture
def persistent_browser(
    browser_type: BrowserType,
    browser_type_launch_args: dict[str, Any],
    browser_context_args: dict[str, Any],
    shared_workers: SharedWorkers,
) -> Iterator[PersistentBrowser]:
    """A browser of this test's own, on a profile that outlives `kill()` and is removed at the end."""
    with TemporaryDirectory(prefix="pytest-sharedworker-", ignore_cleanup_errors=True) as profile:
        browser = PersistentBrowser(
            browser_type,
            Path(profile),
            shared_workers,
            launch_arguments=browser_type_launch_args,
            context_arguments=browser_context_args,
        )
        yield browser
        browser.close()
