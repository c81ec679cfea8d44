"""The pytest plugin: options, markers and fixtures, on top of pytest-playwright's."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import pytest
from playwright.sync_api import BrowserContext, BrowserType

from pytest_sharedworker.browsers import launch_options
from pytest_sharedworker.browsers.capabilities import get_capabilities, list_browsers_with
from pytest_sharedworker.clock.base import Clock, ClockKind
from pytest_sharedworker.control.server import ControlServer
from pytest_sharedworker.coverage import plugin as coverage_plugin
from pytest_sharedworker.errors import ClockError, SharedWorkerError, UnusedFaultError, UnusedFaultWarning
from pytest_sharedworker.gateway.gateway import Gateway
from pytest_sharedworker.gateway.origins.certificates import CertificateAuthority
from pytest_sharedworker.integration import interrupts, xdist_output
from pytest_sharedworker.integration.event_loop_thread import LoopThread
from pytest_sharedworker.reporting import artifacts
from pytest_sharedworker.tabs.console import TabConsole
from pytest_sharedworker.webkitgtk import plugin as webkitgtk_plugin
from pytest_sharedworker.workers.manager import WorkerManager
from pytest_sharedworker.workers.persistent_browser import PersistentBrowser
from pytest_sharedworker.workers.shared_workers import Pause, SharedWorkers

if TYPE_CHECKING:
    from pytest_sharedworker.inspector.inspector import Inspector

CLOCK_KINDS = get_args(ClockKind)
CLOCK_FIXTURE = "worker_clock"
WATCHING_FIXTURE = "shared_workers"
INSPECTOR_OPTION = "--worker-inspector"

T = TypeVar("T")

_BLANK = "about:blank"
"""Where a page is before it is opened."""

CONTEXT = pytest.StashKey[BrowserContext]()
GATEWAY = pytest.StashKey[Gateway]()
MANAGER = pytest.StashKey[WorkerManager]()
TAB_CONSOLE = pytest.StashKey[TabConsole]()
PAUSE = pytest.StashKey[Pause]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the plugin's options."""
    group = parser.getgroup("sharedworker", "SharedWorkers under Playwright")
    group.addoption(
        "--worker-clock",
        choices=CLOCK_KINDS,
        help="the clock of SharedWorkers in every test: real, virtual (passes only when the test moves it),"
        " or devtools (Chromium's own virtual time, which leaves worker scripts untouched)."
        f" Default: virtual in tests with the fixture {CLOCK_FIXTURE}, real in others",
    )
    group.addoption(
        "--strict-toxics",
        action="store_true",
        help="fail a test whose toxics or routes matched no request, instead of a warning",
    )
    group.addoption(
        INSPECTOR_OPTION,
        action="store_true",
        help="show what tabs, workers, gateway and server do in a page beside the app, and pause each test"
        " with shared_workers at its end; with --headed in a window, else at the URL that is printed",
    )
    launch_options.add_options(group)
    coverage_plugin.add_options(group)


def pytest_configure(config: pytest.Config) -> None:
    """Register the plugin's markers and its other parts."""
    config.pluginmanager.register(artifacts, "sharedworker-artifacts")
    launch_options.check_options(config)
    _check_clock(config)
    if config.getoption(INSPECTOR_OPTION) and config.getoption("numprocesses", default=None):
        raise pytest.UsageError(f"{INSPECTOR_OPTION} needs a run in one process: leave out -n, or give -n 0")
    coverage_plugin.install(config)
    config.pluginmanager.register(launch_options, "sharedworker-launch-options")
    config.pluginmanager.register(webkitgtk_plugin, "sharedworker-webkitgtk")
    xdist_output.install(config)
    interrupts.install(config)
    config.pluginmanager.register(interrupts, "sharedworker-interrupts")
    config.addinivalue_line(
        "markers", "virtual_tabs: the timers and dates of tabs are virtual too and move with their worker's"
    )
    config.addinivalue_line(
        "markers",
        f"{launch_options.PROXY_MARKER}: the contexts of this test send all requests through its gateway, so"
        " that gateway.origin() works at any time",
    )
    config.addinivalue_line(
        "markers",
        f"worker_clock(kind): run this test on a worker clock of this kind ({', '.join(CLOCK_KINDS)}),"
        " whatever option and fixtures say",
    )


def _check_clock(config: pytest.Config) -> None:
    browsers = config.getoption("--browser", default=None) or []
    able = list_browsers_with("has_devtools_clock")
    if config.getoption("--worker-clock") == "devtools" and any(browser not in able for browser in browsers):
        raise pytest.UsageError(f"--worker-clock devtools needs --browser {' or '.join(able)}")


@pytest.fixture(scope="session")
def sharedworker_loop() -> Iterator[LoopThread]:
    """Run the plugin's servers in a thread."""
    loop_thread = LoopThread()
    yield loop_thread
    loop_thread.close()


@pytest.fixture(scope="session")
def sharedworker_certificates() -> CertificateAuthority:
    """Return what issues the certificates of the gateway's https origins."""
    return CertificateAuthority()


@pytest.fixture(scope="session")
def sharedworker_certificate_hash(
    sharedworker_certificates: CertificateAuthority, browser_name: str
) -> str | None:
    """Return the hash by which Chromium trusts these certificates."""
    return sharedworker_certificates.key_hash if browser_name == "chromium" else None


@pytest.fixture(scope="session")
def sharedworker_control(sharedworker_loop: LoopThread) -> Iterator[ControlServer]:
    """Serve the control channel, to which workers with a prologue connect."""
    control = ControlServer(sharedworker_loop)
    sharedworker_loop.run(control.start())
    yield control
    sharedworker_loop.run(control.stop())


@pytest.fixture
def gateway_upstream() -> str | None:
    """Return the origin of the server behind the gateway; override it. None: no server."""
    return None


@pytest.fixture
def gateway(
    sharedworker_loop: LoopThread,
    sharedworker_control: ControlServer,
    sharedworker_certificates: CertificateAuthority,
    gateway_upstream: str | None,
    output_path: str,
    request: pytest.FixtureRequest,
) -> Iterator[Gateway]:
    """Give this test a gateway: an origin in front of `gateway_upstream`, its journal, toxics and routes.

    Where the browser's context ignores errors of https, the server's certificate need not be valid.
    """
    gateway = Gateway(
        sharedworker_loop,
        sharedworker_control,
        gateway_upstream,
        sharedworker_certificates,
        launch_options.get_proxy_address(request.config),
    )
    if (gateway_upstream or "").startswith("https:") and _ignores_https_errors(request):
        gateway._upstream.accept_any_certificate()
    gateway._start()
    sources = artifacts.ArtifactSources(gateway, Path(output_path), tab_console=_get_tab_console(request))
    _keep(request, artifacts.ARTIFACT_SOURCES, sources)
    yield gateway
    gateway._stop()
    gateway._raise_handler_error()  # Of a handler that ran after the test's end.
    _report_unused_faults(gateway, request)


def _ignores_https_errors(request: pytest.FixtureRequest) -> bool:
    given = launch_options.get_given_options(request, request.getfixturevalue("browser_context_args"))
    return bool(given.get("ignore_https_errors"))


def _report_unused_faults(gateway: Gateway, request: pytest.FixtureRequest) -> None:
    unused = gateway._list_unused_faults()
    if unused and artifacts.has_passed(request.node):
        text = "; ".join(unused) + " in this test (optional=True says that it need not)"
        if request.config.getoption("--strict-toxics"):
            raise UnusedFaultError(text)
        warnings.warn(UnusedFaultWarning(text), stacklevel=1)


@pytest.fixture
def worker_clock_kind(request: pytest.FixtureRequest) -> ClockKind:
    """Return the kind of this test's worker clock: marker `worker_clock`, option, fixture, else real."""
    kind = _requested_clock_kind(request) or ("virtual" if CLOCK_FIXTURE in request.fixturenames else "real")
    browser_name: str = request.getfixturevalue("browser_name")
    if kind == "devtools" and not get_capabilities(browser_name).has_devtools_clock:
        pytest.skip(f"{browser_name} has no DevTools clock")
    return kind


def _requested_clock_kind(request: pytest.FixtureRequest) -> ClockKind | None:
    """Return what marker or option ask for. Raise UsageError where the marker has another value."""
    marker = request.node.get_closest_marker("worker_clock")
    kind: ClockKind | None = request.config.getoption("--worker-clock")
    if marker is not None:
        kind = marker.args[0] if marker.args else marker.kwargs.get("kind", "")
    if kind not in (None, *CLOCK_KINDS):
        raise pytest.UsageError(
            f"the marker worker_clock takes {' or '.join(map(repr, CLOCK_KINDS))}, not {kind!r}"
        )
    return kind


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[object], request: pytest.FixtureRequest
) -> Iterator[None]:
    """Follow the workers of a test with `shared_workers` as soon as it has a context and a gateway.

    An earlier fixture may already open a page, for example to log in.
    """
    result = yield
    if (
        isinstance(result, BrowserContext)
        and fixturedef.argname == "context"
        and "gateway" in request.fixturenames
    ):
        _get_tab_console(request).follow(result)
    is_watched = WATCHING_FIXTURE in request.fixturenames or request.config.getoption("--gateway-proxy")
    if fixturedef.argname in ("context", "gateway") and is_watched:
        _watch_context(request, result)
    return result


def _watch_context(request: pytest.FixtureRequest, value: object) -> None:
    stash = request.node.stash
    if isinstance(value, BrowserContext):
        _keep(request, CONTEXT, value)
    elif isinstance(value, Gateway):
        _keep(request, GATEWAY, value)
    if CONTEXT not in stash or GATEWAY not in stash or MANAGER in stash:
        return
    context, gateway = stash[CONTEXT], stash[GATEWAY]
    assert context.browser is not None
    manager = WorkerManager(
        context.browser,
        gateway,
        request.getfixturevalue("sharedworker_control"),
        request.getfixturevalue("sharedworker_loop"),
        request.getfixturevalue("worker_clock_kind"),
        virtual_tabs=request.node.get_closest_marker("virtual_tabs") is not None,
        coverage=coverage_plugin.get_recorder(request.config),
        tab_console=_get_tab_console(request),
        reports_activity=request.config.getoption(INSPECTOR_OPTION),
    )
    request.addfinalizer(manager.close)
    manager.watch(context)
    _keep(request, MANAGER, manager)
    stash[artifacts.ARTIFACT_SOURCES].workers = manager


def _get_tab_console(request: pytest.FixtureRequest) -> TabConsole:
    _keep(request, TAB_CONSOLE, TabConsole())
    console: TabConsole = request.node.stash[TAB_CONSOLE]
    return console


def _keep(request: pytest.FixtureRequest, key: pytest.StashKey[T], value: T) -> None:
    """Keep a value in the test's stash until the fixture of this request ends.

    A test may run again; and pytest holds all tests until the end of the run, which would hold every journal.
    """
    stash = request.node.stash
    if key in stash:
        return
    stash[key] = value

    def forget() -> None:
        del stash[key]

    request.addfinalizer(forget)


@pytest.fixture
def shared_workers(
    context: BrowserContext, gateway: Gateway, request: pytest.FixtureRequest
) -> Iterator[SharedWorkers]:
    """Follow the SharedWorkers of pytest-playwright's `context`, and of contexts given to `watch`.

    Raise SharedWorkerError where it is requested by `request.getfixturevalue` alone, after pages have opened.
    """
    manager = request.node.stash.get(MANAGER, None)
    if manager is None:
        if any(page.url != _BLANK for page in context.pages):
            raise SharedWorkerError(
                "shared_workers comes too late, pages are open: name it among the arguments of the test or of"
                " one of its fixtures"
            )
        _watch_context(request, context)
        _watch_context(request, gateway)
        manager = request.node.stash[MANAGER]
    pause = _make_pause(manager, request)
    if request.config.getoption(INSPECTOR_OPTION):
        _keep(request, PAUSE, pause)
        pause.prepare()
    yield SharedWorkers(manager, pause)
    manager.close()


def _make_pause(manager: WorkerManager, request: pytest.FixtureRequest) -> Pause:
    """Return what pauses the test; the inspector is imported when it is first needed."""

    def make() -> Inspector:
        from pytest_sharedworker.inspector.plugin import start_inspector

        loop_thread = request.getfixturevalue("sharedworker_loop")
        browser = request.getfixturevalue("browser")
        return start_inspector(request, browser, manager, manager.gateway, loop_thread)

    return Pause(make)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """With --worker-inspector, pause a test when it has ended, while its tabs and workers are still there."""
    reason = "the test has ended"
    try:
        result = yield
    except (Exception, pytest.fail.Exception) as error:
        reason = f"the test has failed: {type(error).__name__}"
        raise
    finally:
        pause = item.stash.get(PAUSE, None)
        if pause is not None and not isinstance(
            sys.exc_info()[1], (KeyboardInterrupt, pytest.skip.Exception)
        ):
            pause.prepare().pause(reason=reason, actions=None, watches=None)
    return result


@pytest.fixture
def worker_clock(shared_workers: SharedWorkers, request: pytest.FixtureRequest) -> Clock:
    """Return the clock of all SharedWorkers of this test; to request it makes their time virtual.

    With the marker `virtual_tabs` it moves their tabs too. Raise ClockError where it is requested by
    `request.getfixturevalue` alone: then workers already run on real time.
    """
    if shared_workers.clock.kind == "real" and _requested_clock_kind(request) is None:
        raise ClockError(
            "worker_clock comes too late: name it among the arguments of the test or of one of its fixtures"
        )
    return shared_workers.clock


@pytest.fixture
def persistent_browser(
    browser_type: BrowserType,
    browser_type_launch_args: dict[str, Any],
    browser_context_args: dict[str, Any],
    gateway: Gateway,
    shared_workers: SharedWorkers,
    sharedworker_certificate_hash: str | None,
    request: pytest.FixtureRequest,
) -> Iterator[PersistentBrowser]:
    """Launch a separate browser on a profile that survives `kill()` and is removed at the end."""
    proxy = launch_options.get_proxy_options(gateway, request, browser_context_args)
    launch_arguments = launch_options.add_proxy_support(
        browser_type_launch_args, browser_type.name, sharedworker_certificate_hash
    )
    launch_arguments = launch_options.add_persistent_proxy(launch_arguments, browser_type.name, proxy)
    with TemporaryDirectory(prefix="pytest-sharedworker-", ignore_cleanup_errors=True) as profile:
        browser = PersistentBrowser(
            browser_type,
            Path(profile),
            shared_workers,
            launch_arguments=launch_arguments,
            context_arguments={"base_url": gateway.url, **proxy, **browser_context_args},
        )
        yield browser
        browser.close()
