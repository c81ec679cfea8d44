"""Fixtures for servers: one that cases share, and separate ones for cases that stop or fill a server."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from e2e.conformance.case import get_case
from e2e.conformance.report.observations import Observations
from e2e.conformance.targets.server import ServerImplementation
from e2e.server.driver.process import ServerProcess
from e2e.server.driver.system import ENABLED, NOT_STARTED_HERE, Server, StartServer, write_config

ENABLED_TEXT = json.dumps(ENABLED)

_PASSED = pytest.StashKey[bool]()

RequireAccounting = Callable[[Server], Server]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Store whether the case passed, for the teardown of `require_accounting`."""
    report = yield
    if report.when == "call":
        item.stash[_PASSED] = report.passed
    return report


class _SharedServer:
    """One process for all cases that do not end it; started again if one did."""

    def __init__(self, package: Path, make_folder: Callable[[], Path]) -> None:
        self._package = package
        self._make_folder = make_folder
        self._process: ServerProcess | None = None
        self.config_file: Path

    def start(self) -> ServerProcess:
        """Return the running process, with telemetry enabled; start it if it is not running."""
        if self._process is None or not self._process.is_running:
            self.close()
            folder = self._make_folder()
            self.config_file = folder / "config.json"
            write_config(self.config_file, json.dumps(ENABLED))
            self._process = ServerProcess(self._package, folder, self.config_file)
        write_config(self.config_file, json.dumps(ENABLED))
        return self._process

    def close(self) -> None:
        """Kill the process."""
        if self._process is not None:
            self._process.kill()


@pytest.fixture(scope="session")
def shared_server(
    server_implementation: ServerImplementation, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[_SharedServer | None]:
    """Yield the server that cases share, or None if the server under test was given by its URL."""
    if server_implementation.package is None:
        yield None
        return
    shared = _SharedServer(server_implementation.package, lambda: tmp_path_factory.mktemp("server"))
    yield shared
    shared.close()


@pytest.fixture
def require_accounting(request: pytest.FixtureRequest) -> Iterator[RequireAccounting]:
    """Fail a case that passes without calling `account` on each of its servers: the case has a defect."""
    servers: list[Server] = []

    def register(server: Server) -> Server:
        servers.append(server)
        return server

    yield register
    if request.node.stash.get(_PASSED, False) and not all(server.is_accounted for server in servers):
        pytest.fail(f"{request.node.nodeid} ended without server.account()", pytrace=False)


@pytest.fixture
def server(
    server_implementation: ServerImplementation,
    shared_server: _SharedServer | None,
    observations: Observations,
    require_accounting: RequireAccounting,
    request: pytest.FixtureRequest,
) -> Server:
    """Return the server under test, with telemetry enabled and an accounting that begins with this case."""
    if shared_server is None:
        return require_accounting(Server(server_implementation, observations, case=get_case(request.node)))
    process = shared_server.start()
    return require_accounting(Server(server_implementation, observations, process, shared_server.config_file))


@pytest.fixture
def start_server(
    server_implementation: ServerImplementation,
    tmp_path: Path,
    observations: Observations,
    require_accounting: RequireAccounting,
) -> Iterator[StartServer]:
    """Start servers for this case alone: `start_server(environ={...})`, with the options of ServerProcess.

    `config` may be a URL instead of the file, `config_text` the text of the file. Skip the case if the server
    under test was given by its URL.
    """
    package = server_implementation.package
    if package is None:
        pytest.skip(NOT_STARTED_HERE)
    with ExitStack() as processes:

        def start(*, config: str | None = None, config_text: str = ENABLED_TEXT, **options: Any) -> Server:
            folder = tmp_path / f"server-{len(list(tmp_path.iterdir()))}"
            folder.mkdir()
            config_file = folder / "config.json"
            write_config(config_file, config_text)
            process = ServerProcess(package, folder, config or config_file, **options)
            processes.callback(process.kill)
            return require_accounting(Server(server_implementation, observations, process, config_file))

        yield start
