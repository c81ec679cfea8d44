"""Choose the browser of a run, its machine, and the base URL of its contexts.

This module overrides fixtures of pytest-playwright. If two plugins have a fixture of the same name, the one
registered last overrides the other, so this module is registered after all others. The fixtures of a
project's conftest.py override both.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, BrowserType
from playwright.sync_api import Error as PlaywrightError

from pytest_sharedworker.browsers.discovery import get_launch_arguments
from pytest_sharedworker.browsers.hints import find_hint, find_remote_hint
from pytest_sharedworker.browsers.remote import ProxyAddress, check_proxy_host, find_proxy_address
from pytest_sharedworker.errors import BrowserNotFoundError, SharedWorkerError

PROXY_MARKER = "gateway_proxy"
_PROXY_LOCALHOST = "network.proxy.allow_hijacking_localhost"
"""Firefox's preference: without it, requests to localhost go past a proxy."""
_PROXY_CONNECTIONS = "network.http.max-persistent-connections-per-proxy"
_DIRECT_CONNECTIONS = 900
"""Firefox's own limit of all connections. Through a proxy it has 32 for http, which suspended requests would
use up: the worker's control channel needs one, too."""

CONNECT_TIMEOUT_MS = 30_000
EXPOSED_NETWORK = "<loopback>"
"""The hosts that a remote browser reaches through this machine: gateway and control channel, on 127.0.0.1."""


def add_options(group: pytest.OptionGroup) -> None:
    """Add the options."""
    group.addoption(
        "--gateway-proxy",
        action="store_true",
        help="send all requests of every test's contexts through its gateway, also those to https and other"
        " origins: a suite with --base-url sees, times and breaks the SharedWorkers of a deployed app",
    )
    group.addoption(
        "--gateway-proxy-host",
        metavar="HOST",
        help="the name or address of this machine under which the browsers of --browser-ws-endpoint reach the"
        " gateway's proxy (gateway.origin, --gateway-proxy); every machine that reaches it can send requests"
        " through it while a test runs. Default: the address from which this machine connects to theirs, for"
        " their machine only",
    )
    group.addoption(
        "--installed-browser",
        action="store_true",
        help="start a browser found on this machine ($CHROMIUM or $FIREFOX, an installed browser,"
        " or Playwright's own build) instead of Playwright's own build only",
    )
    group.addoption(
        "--browser-ws-endpoint",
        metavar="URL",
        help="run browsers on a remote machine: the ws:// or wss:// address of a Playwright server"
        " (`playwright run-server`) of the same Playwright version",
    )


def check_options(config: pytest.Config) -> None:
    """Raise pytest.UsageError for an invalid option."""
    endpoint: str | None = config.getoption("--browser-ws-endpoint")
    if endpoint is not None and not _is_web_socket_url(endpoint):
        raise pytest.UsageError(
            f"--browser-ws-endpoint {endpoint}: give an address as `playwright run-server` prints it,"
            " for example ws://browsers.example:3000/"
        )
    host: str | None = config.getoption("--gateway-proxy-host")
    problem = None if host is None else check_proxy_host(host)
    if problem is not None:
        raise pytest.UsageError(
            f"--gateway-proxy-host {host}: {problem}; give the name or address of this machine under which"
            " browsers reach it"
        )


def get_proxy_address(config: pytest.Config) -> ProxyAddress:
    """Return where the gateway's proxy listens."""
    return find_proxy_address(
        config.getoption("--gateway-proxy-host"), config.getoption("--browser-ws-endpoint")
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add what to do about a browser that Playwright cannot start or drive."""
    report = yield
    if call.excinfo is not None and isinstance(call.excinfo.value, (PlaywrightError, SharedWorkerError)):
        callspec = getattr(item, "callspec", None)
        browser_name = str(callspec.params.get("browser_name", "chromium")) if callspec else "chromium"
        hint = _find_hint(call.excinfo.value, browser_name, item.config)
        if hint is not None:
            report.sections.append(("browser", hint))
    return report


def _find_hint(error: Exception, browser_name: str, config: pytest.Config) -> str | None:
    if config.getoption("--browser-ws-endpoint") is not None:
        hint = find_remote_hint(str(error), browser_name, get_proxy_address(config).host)
        if hint is not None:
            return hint
    if isinstance(error, PlaywrightError):
        uses_installed: bool = config.getoption("--installed-browser")
        return find_hint(error.message, browser_name, uses_installed=uses_installed)
    return None


@pytest.fixture(scope="session")
def browser_type_launch_args(
    browser_type_launch_args: dict[str, Any], browser_name: str, pytestconfig: pytest.Config
) -> dict[str, Any]:
    """Return how to launch the browser, with --installed-browser one of this machine.

    The project's arguments override the plugin's. Fail the test if the browser does not exist.
    """
    endpoint = pytestconfig.getoption("--browser-ws-endpoint")
    if endpoint or not pytestconfig.getoption("--installed-browser"):
        return browser_type_launch_args
    channel = browser_type_launch_args.get("channel")
    headless = browser_type_launch_args.get("headless", True)
    with _hide_traceback():
        found = get_launch_arguments(browser_name, headless=headless, channel=channel)
    return {**found, **browser_type_launch_args}


@pytest.fixture(scope="session")
def connect_options(
    connect_options: dict[str, Any] | None,
    browser_type_launch_args: dict[str, Any],
    pytestconfig: pytest.Config,
) -> dict[str, Any] | None:
    """Return how to connect to the browsers of --browser-ws-endpoint; None without the option."""
    endpoint: str | None = pytestconfig.getoption("--browser-ws-endpoint")
    if endpoint is None:
        return connect_options
    return {
        **(connect_options or {}),
        _get_endpoint_parameter(): endpoint,
        "expose_network": EXPOSED_NETWORK,
        "timeout": CONNECT_TIMEOUT_MS,
        # pytest-playwright sends it among the launch options, under a name that the server ignores.
        "slow_mo": browser_type_launch_args.get("slow_mo"),
    }


@pytest.fixture(scope="session")
def launch_browser(
    launch_browser: Callable[..., Browser],
    browser_type_launch_args: dict[str, Any],
    browser_name: str,
    sharedworker_certificate_hash: str | None,
) -> Callable[..., Browser]:
    """Return pytest-playwright's `launch_browser`, for browsers that work with the gateway's proxy."""

    def launch(**options: Any) -> Browser:
        given = {**browser_type_launch_args, **options}
        return launch_browser(**add_proxy_support(given, browser_name, sharedworker_certificate_hash))

    return launch


def add_proxy_support(
    launch_arguments: dict[str, Any], browser_name: str, certificate_hash: str | None
) -> dict[str, Any]:
    """Return launch arguments for a browser that trusts the gateway's certificates and proxies localhost."""
    if browser_name == "chromium" and certificate_hash is not None:
        trust = f"--ignore-certificate-errors-spki-list={certificate_hash}"
        return {**launch_arguments, "args": [*launch_arguments.get("args", []), trust]}
    if browser_name == "firefox":
        own = {_PROXY_LOCALHOST: True, _PROXY_CONNECTIONS: _DIRECT_CONNECTIONS}
        preferences = {**own, **launch_arguments.get("firefox_user_prefs", {})}
        return {**launch_arguments, "firefox_user_prefs": preferences}
    return launch_arguments


def add_persistent_proxy(
    launch_arguments: dict[str, Any], browser_name: str, context_options: Mapping[str, Any]
) -> dict[str, Any]:
    """Return launch arguments for a persistent context with these options.

    An installed Firefox, which Playwright drives by WebDriver BiDi, takes the proxy of its first context only
    from preferences.
    """
    if browser_name != "firefox" or "proxy" not in context_options:
        return launch_arguments
    server = urlsplit(context_options["proxy"]["server"])
    own = {"network.proxy.type": 1}
    for scheme in ("http", "ssl"):
        own |= {f"network.proxy.{scheme}": server.hostname, f"network.proxy.{scheme}_port": server.port}
    return {
        **launch_arguments,
        "firefox_user_prefs": {**own, **launch_arguments.get("firefox_user_prefs", {})},
    }


@pytest.fixture
def _test_gateway(request: pytest.FixtureRequest) -> Any:
    """Return the gateway of a test that uses it, with --gateway-proxy of every test, else None.

    Contexts depend on it, so that they close before the gateway stops.
    """
    is_used = "gateway" in request.fixturenames or request.config.getoption("--gateway-proxy")
    return request.getfixturevalue("gateway") if is_used else None


@pytest.fixture
def new_context(
    _test_gateway: Any,
    new_context: Callable[..., BrowserContext],
    browser_context_args: dict[str, Any],
    request: pytest.FixtureRequest,
) -> Callable[..., BrowserContext]:
    """Return pytest-playwright's `new_context`, with a test's gateway as default base URL, or as proxy."""
    if _test_gateway is None:
        return new_context
    given = get_given_options(request, browser_context_args)

    def create(**options: Any) -> BrowserContext:
        defaults = {"base_url": _test_gateway.url} if "gateway" in request.fixturenames else {}
        defaults |= get_proxy_options(_test_gateway, request, {**given, **options})
        return new_context(**{name: defaults[name] for name in defaults.keys() - given.keys()} | options)

    return create


def get_given_options(
    request: pytest.FixtureRequest, browser_context_args: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the options of a test's contexts: those of the project, and those of the test's marker."""
    marker = request.node.get_closest_marker("browser_context_args")
    return {**browser_context_args, **(marker.kwargs if marker else {})}


def get_proxy_options(
    gateway: Any, request: pytest.FixtureRequest, given: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the options of a context that sends its requests through the proxy, where a test wants that."""
    is_asked_for = (
        gateway._has_proxy
        or request.config.getoption("--gateway-proxy")
        or request.node.get_closest_marker(PROXY_MARKER) is not None
    )
    if is_asked_for and "proxy" not in given:
        options: dict[str, Any] = gateway.context_options
        return options
    gateway._note_direct_context()
    return {}


@contextmanager
def _hide_traceback() -> Iterator[None]:
    """Turn a BrowserNotFoundError into a failure without traceback: the text is sufficient."""
    try:
        yield
    except BrowserNotFoundError as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None


def _get_endpoint_parameter() -> str:
    """Return the name of connect's first parameter: `ws_endpoint`, later `endpoint`."""
    _, name, *_ = inspect.signature(BrowserType.connect).parameters
    return name


def _is_web_socket_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("ws", "wss") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
