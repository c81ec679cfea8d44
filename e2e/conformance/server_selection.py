"""Which servers a run is about: the option --server, and how it goes together with --worker."""

from __future__ import annotations

import socket
from http.client import HTTP_PORT
from urllib.parse import urlsplit

import pytest

from e2e.conformance.targets.loading import load_targets
from e2e.conformance.targets.server import ServerImplementation, get_known_servers, load_server

DEFAULT_SERVER = "reference-server"
SERVER_ARGUMENT = "server_implementation"
SERVER_METAVAR = "NAME|FILE.toml|URL"
SERVER_HELP = (
    "server to run the cases server/… on: a name that is known "
    f"({', '.join(get_known_servers())}), a TOML file that describes one, or the base URL of one that runs "
    "already, whose configuration and store are out of reach: cases that need them are unimplemented; "
    f"may be repeated (default: {DEFAULT_SERVER}). With --worker alone no server case runs, with "
    "--server alone no worker case does; with neither, or both, all of them do"
)
CONNECT_TIMEOUT_SECONDS = 5
NOBODY_LISTENS = "--server {url}: nobody listens there ({reason}); start the server, or correct the URL"

_servers_key = pytest.StashKey[list[ServerImplementation]]()


def add_option(group: pytest.OptionGroup) -> None:
    """Add the option --server."""
    group.addoption("--server", action="append", metavar=SERVER_METAVAR, help=SERVER_HELP)


def servers(config: pytest.Config) -> list[ServerImplementation]:
    """The servers of this run, loaded once. Raises pytest.UsageError."""
    if _servers_key not in config.stash:
        specs: list[str] = config.getoption("server", None) or [DEFAULT_SERVER]
        loaded = load_targets("--server", specs, load_server)
        for server in loaded:
            _refuse_absent(server)
        config.stash[_servers_key] = loaded
    return config.stash[_servers_key]


def _refuse_absent(server: ServerImplementation) -> None:
    """A server that does not run has no verdicts: failures of every case would hide the one sentence."""
    if server.url is None:
        return
    parts = urlsplit(server.url)
    try:
        socket.create_connection((parts.hostname, parts.port or HTTP_PORT), CONNECT_TIMEOUT_SECONDS).close()
    except OSError as error:
        reason = error.strerror or str(error)
        raise pytest.UsageError(NOBODY_LISTENS.format(url=server.url, reason=reason)) from None


def generate(metafunc: pytest.Metafunc) -> None:
    """Run a test that wants `server_implementation`, itself or through a fixture, once for each of them."""
    if SERVER_ARGUMENT in metafunc.fixturenames:
        chosen = servers(metafunc.config)
        ids = [server.name for server in chosen]
        metafunc.parametrize(SERVER_ARGUMENT, chosen, ids=ids, scope="session")


def server_of(item: pytest.Item) -> ServerImplementation | None:
    """The server that this item runs on, or None where it does not ask for one."""
    callspec = getattr(item, "callspec", None)
    value = callspec.params.get(SERVER_ARGUMENT) if callspec else None
    return value if isinstance(value, ServerImplementation) else None


def is_asked_for(config: pytest.Config, item: pytest.Item, *, on_worker: bool) -> bool:
    """Whether an item's kind is what the command line is about: it may name workers, servers, or both."""
    named = {kind: bool(config.getoption(kind, None)) for kind in ("worker", "server")}
    if server_of(item) is not None:
        return named["server"] or not named["worker"]
    return not on_worker or named["worker"] or not named["server"]
