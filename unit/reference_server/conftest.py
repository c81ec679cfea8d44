"""Fixtures: servers on free ports, an HTTP client, and a configuration that enables telemetry."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from reference_server import ReferenceServer
from unit.support.command import PYTHON, Command, StartCommand
from unit.support.samples import write_configuration

StartServer = Callable[..., Awaitable[ReferenceServer]]


@pytest.fixture
def configuration_file(tmp_path: Path) -> Path:
    return write_configuration(tmp_path / "configuration.json")


@pytest_asyncio.fixture
async def start_server(configuration_file: Path) -> AsyncIterator[StartServer]:
    """Start servers with telemetry enabled and an empty environment, unless options say otherwise."""
    servers: list[ReferenceServer] = []

    async def start(**options: Any) -> ReferenceServer:
        server = ReferenceServer(**{"config": configuration_file, "environ": {}, **options})
        servers.append(server)
        await server.start()
        return server

    yield start
    for server in servers:
        await server.stop()


@pytest_asyncio.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
def start_command() -> Iterator[StartCommand]:
    commands: list[Command] = []

    def start(*arguments: object, python: Sequence[str] = PYTHON) -> Command:
        commands.append(Command(*arguments, python=python))
        return commands[-1]

    yield start
    for command in commands:
        command.kill()
