"""Which workers and servers a run is about, and which of them a test runs on."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTP_PORT
from urllib.parse import urlsplit

import pytest

from e2e.conformance.targets.loading import load_targets
from e2e.conformance.targets.server import ServerImplementation, load_server
from e2e.conformance.targets.toml_file import ImplementationError
from e2e.conformance.targets.worker import Implementation, load_implementation

CONNECT_TIMEOUT_SECONDS = 5
NOT_LISTENING = "{url}: no server listens there ({reason}); start the server, or correct the URL"

Target = Implementation | ServerImplementation


@dataclass(frozen=True)
class TargetKind:
    """Workers or servers: the option that names them, and the argument of the tests that run on them."""

    option: str
    argument: str
    type: type[Target]
    default: str
    load: Callable[[str], Target]


def load_reachable_server(spec: str) -> ServerImplementation:
    """Load a server; raise ImplementationError where none listens at its URL.

    Without this check every case would fail, and hide the one sentence that matters.
    """
    server = load_server(spec)
    if server.url is not None:
        parts = urlsplit(server.url)
        address = (parts.hostname, parts.port or HTTP_PORT)
        try:
            socket.create_connection(address, CONNECT_TIMEOUT_SECONDS).close()
        except OSError as error:
            reason = error.strerror or str(error)
            raise ImplementationError(NOT_LISTENING.format(url=server.url, reason=reason)) from None
    return server


WORKERS = TargetKind("--worker", "implementation", Implementation, "reference", load_implementation)
SERVERS = TargetKind(
    "--server", "server_implementation", ServerImplementation, "reference-server", load_reachable_server
)
KINDS = (WORKERS, SERVERS)

_loaded_key = pytest.StashKey[dict[TargetKind, list[Target]]]()


def get_targets(config: pytest.Config, *kinds: TargetKind) -> list[Target]:
    """Return the targets of these kinds (default: workers, then servers), each loaded once.

    Called from pytest_configure, wrong use ends the run before it begins. Raise pytest.UsageError.
    """
    loaded = config.stash.setdefault(_loaded_key, {})
    for kind in kinds or KINDS:
        if kind not in loaded:
            specs: list[str] = config.getoption(kind.option, None) or [kind.default]
            loaded[kind] = load_targets(kind.option, specs, kind.load)
    return [target for kind in kinds or KINDS for target in loaded[kind]]


def parametrize_targets(metafunc: pytest.Metafunc) -> None:
    """Run a test that takes a target's argument, itself or through a fixture, once for each target."""
    for kind in KINDS:
        if kind.argument in metafunc.fixturenames:
            targets = get_targets(metafunc.config, kind)
            names = [target.name for target in targets]
            metafunc.parametrize(kind.argument, targets, ids=names, scope="session")


def get_target(item: pytest.Item) -> Target | None:
    """Return the worker or server that a test runs on, or None for a test that takes neither."""
    kind = _get_kind(item)
    return None if kind is None else item.callspec.params[kind.argument]  # type: ignore[attr-defined]


def get_column(item: pytest.Item) -> str | None:
    """Return the name of a test's results in the report; None for a test that takes no target.

    A run in several browsers has a column for each: `reference (firefox)`.
    """
    target = get_target(item)
    if target is None:
        return None
    suffixes = list_columns(item.config)
    browser = item.callspec.params.get("browser_name")  # type: ignore[attr-defined]
    return target.name + suffixes.get(browser, "")


def list_columns(config: pytest.Config) -> dict[str | None, str]:
    """Return what the browsers of a run add to the names of targets; None stands for no browser."""
    browsers: list[str] = config.getoption("browser", None) or []
    columns: dict[str | None, str] = {None: ""}
    if len(browsers) > 1:
        columns |= {name: f" ({name})" for name in browsers}
    return columns


def runs_on_named_kind(config: pytest.Config, item: pytest.Item) -> bool:
    """Whether the command line names targets of the kind that a test runs on, or names none at all."""
    named = [kind for kind in KINDS if config.getoption(kind.option, None)]
    kind = _get_kind(item)
    return kind is None or not named or kind in named


def _get_kind(item: pytest.Item) -> TargetKind | None:
    callspec = getattr(item, "callspec", None)
    params = callspec.params if callspec else {}
    return next((kind for kind in KINDS if isinstance(params.get(kind.argument), kind.type)), None)
