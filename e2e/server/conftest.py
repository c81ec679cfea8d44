"""The servers of the cases: one that many cases share, others of a case's own where it ends or fills them."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from e2e.conformance.report.observations import Observations
from e2e.conformance.targets.server import ServerImplementation
from e2e.server.driver.process import ServerProcess
from e2e.server.driver.system import ENABLED, OUT_OF_REACH, Server, write_config

_PASSED = pytest.StashKey[bool]()

StartServer = Callable[..., Server]
Accounted = Callable[[Server], Server]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember whether the case passed, for the fixture that ends after it."""
    report = yield
    if report.when == "call":
        item.stash[_PASSED] = report.passed
    return report


class _Shared:
    """One process for all cases that leave it as they found it; started again where one did not."""

    def __init__(self, package: Path, make_folder: Callable[[], Path]) -> None:
        self._package = package
        self._make_folder = make_folder
        self._process: ServerProcess | None = None
        self.config_file: Path

    def ready(self) -> ServerProcess:
        """The process, running and enabled."""
        if self._process is None or not self._process.is_running:
            self.close()
            folder = self._make_folder()
            self.config_file = folder / "config.json"
            write_config(self.config_file, json.dumps(ENABLED))
            self._process = ServerProcess(self._package, folder, self.config_file)
        write_config(self.config_file, json.dumps(ENABLED))
        return self._process

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()


@pytest.fixture(scope="session")
def shared_server(
    server_implementation: ServerImplementation, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[_Shared | None]:
    """The process that cases share, None where the server runs already."""
    if server_implementation.package is None:
        yield None
        return
    shared = _Shared(server_implementation.package, lambda: tmp_path_factory.mktemp("server"))
    yield shared
    shared.close()


@pytest.fixture
def accounted(request: pytest.FixtureRequest) -> Iterator[Accounted]:
    """Watches servers: a case that passes without closing its books is a defect of the case."""
    servers: list[Server] = []

    def watch(server: Server) -> Server:
        servers.append(server)
        return server

    yield watch
    if request.node.stash.get(_PASSED, False) and not all(server.accounted for server in servers):
        pytest.fail(f"{request.node.nodeid} ended without server.account()", pytrace=False)


@pytest.fixture
def server(
    server_implementation: ServerImplementation,
    shared_server: _Shared | None,
    observations: Observations,
    accounted: Accounted,
) -> Server:
    """The server under test, enabled, with books that begin with this case."""
    if shared_server is None:
        return accounted(Server(server_implementation, observations))
    process = shared_server.ready()
    return accounted(Server(server_implementation, observations, process, shared_server.config_file))


@pytest.fixture
def start_server(
    server_implementation: ServerImplementation,
    tmp_path: Path,
    observations: Observations,
    accounted: Accounted,
) -> Iterator[StartServer]:
    """Start servers of this case's own: `start_server(environ={...})`, with options of ServerProcess.

    `config` may be a URL in place of the file. Skips the case where the server under test runs already.
    """
    package = server_implementation.package
    if package is None:
        pytest.skip(OUT_OF_REACH)
    with ExitStack() as processes:

        def start(*, config: str | None = None, **options: Any) -> Server:
            folder = tmp_path / f"server-{len(list(tmp_path.iterdir()))}"
            folder.mkdir()
            config_file = folder / "config.json"
            write_config(config_file, json.dumps(ENABLED))
            process = ServerProcess(package, folder, config or config_file, **options)
            processes.callback(process.kill)
            return accounted(Server(server_implementation, observations, process, config_file))

        yield start
